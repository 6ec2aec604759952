// SPDX-License-Identifier: BSD-3-Clause
import { type ArchiveReader, checkCancelled } from './archiveReader';
import type { Part, S3, UploadName } from './s3';

const MIB = 1024 * 1024;

/** What most stores handle best, and above the 5 MiB that all of them demand. */
const PART_BYTES = 8 * MIB;

/** S3 takes no more parts than this. */
const MOST_PARTS = 10_000;

/** Memory for parts that are on their way, as long as a single one fits. */
const IN_FLIGHT_BYTES = 3 * PART_BYTES;

/** How an archive of that many bytes is cut: parts grow from 78 GiB on, and fewer are in flight then. */
export function partPlan(size: number): { bytes: number; inFlight: number } {
  const least = Math.ceil(size / MOST_PARTS / MIB) * MIB;
  const bytes = Math.max(PART_BYTES, least);
  const inFlight = Math.max(1, Math.floor(IN_FLIGHT_BYTES / bytes));
  return { bytes, inFlight };
}

/** What the parts are read from and sent to. */
export interface SendOptions {
  s3: S3;
  upload: UploadName;
  reader: ArchiveReader;
  size: number;
  signal: AbortSignal;
  /** Gets the bytes that S3 has taken so far. */
  onSent(bytes: number): void;
}

/**
 * Sends the whole archive as parts, a few at a time. Each part in flight has a
 * piece of memory that the next one reuses: a slow server slows down the
 * reading, and memory does not depend on the archive's size.
 *
 * Settles only when nothing is in flight any more; the first failure stops the
 * others and is thrown.
 */
export async function sendParts(options: SendOptions): Promise<Part[]> {
  const plan = partPlan(options.size);
  const sender = new PartSender(options);
  const memory = Array.from({ length: plan.inFlight }, () =>
    Buffer.allocUnsafeSlow(Math.min(plan.bytes, options.size))
  );
  // All workers share one place in the archive, so only one may read at a time.
  let reading: Promise<unknown> = Promise.resolve();
  const takeTurn = <T>(read: () => Promise<T>): Promise<T> => {
    const turn = reading.then(read);
    reading = turn.catch(() => undefined);
    return turn;
  };
  await Promise.all(
    memory.map(target =>
      sender.stoppingAll(async () => {
        while (await sender.sendNext(target, takeTurn)) {
          // One part after the other in the same memory.
        }
      })
    )
  );
  return sender.finish();
}

type Turns = <T>(read: () => Promise<T>) => Promise<T>;

class PartSender {
  private readonly parts: Part[] = [];
  private started = 0;
  private sent = 0;
  private failure?: { error: unknown };
  private readonly stop = new AbortController();
  private readonly signal: AbortSignal;

  constructor(private readonly options: SendOptions) {
    this.signal = AbortSignal.any([options.signal, this.stop.signal]);
  }

  /** Reads one part and sends it; false when the archive is at its end. */
  async sendNext(target: Buffer, takeTurn: Turns): Promise<boolean> {
    const { s3, upload, reader } = this.options;
    const next = await takeTurn(async () => {
      checkCancelled(this.signal);
      const payload = await reader.fill(target);
      this.started += payload.bytes.length > 0 ? 1 : 0;
      return { payload, number: this.started };
    });
    if (next.payload.bytes.length === 0) {
      return false;
    }
    this.parts.push(await s3.sendPart({ ...upload, ...next }, this.signal));
    this.sent += next.payload.bytes.length;
    this.options.onSent(this.sent);
    return true;
  }

  /** Runs a worker; the first one that fails stops the others. */
  async stoppingAll(worker: () => Promise<void>): Promise<void> {
    try {
      await worker();
    } catch (error) {
      this.failure ??= { error };
      this.stop.abort();
    }
  }

  /** The parts in order, or the failure that stopped them. */
  finish(): Part[] {
    if (this.failure !== undefined) {
      throw this.failure.error;
    }
    return this.parts.sort((a, b) => a.number - b.number);
  }
}
