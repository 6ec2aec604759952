// SPDX-License-Identifier: BSD-3-Clause
import { type ArchiveReader, checkCancelled } from './archiveReader';
import { PART_BYTES, PART_MEMORY_BYTES, type PartMemory } from './partMemory';
import type { Part, Payload, S3, UploadName } from './s3';

const MIB = 1024 * 1024;

/** S3 takes no more parts than this. */
const MOST_PARTS = 10_000;

/** How an archive of that many bytes is cut: parts grow from 78 GiB on, and fewer are in flight then. */
export function partPlan(size: number): { bytes: number; inFlight: number } {
  const least = Math.ceil(size / MOST_PARTS / MIB) * MIB;
  const bytes = Math.max(PART_BYTES, least);
  const inFlight = Math.max(1, Math.floor(PART_MEMORY_BYTES / bytes));
  return { bytes, inFlight };
}

/** What the parts are read from and sent to. */
export interface SendOptions {
  s3: S3;
  upload: UploadName;
  reader: ArchiveReader;
  memory: PartMemory;
  size: number;
  signal: AbortSignal;
  /** Gets the bytes that S3 has taken so far. */
  onSent(bytes: number): void;
}

/**
 * Sends the whole archive as parts, a few at a time. A part is read only when
 * there is memory for it: a slow server slows down the reading, and memory does
 * not depend on the archive's size.
 *
 * Settles only when nothing is in flight any more; the first failure stops the
 * others and is thrown.
 */
export async function sendParts(options: SendOptions): Promise<Part[]> {
  const plan = partPlan(options.size);
  const sender = new PartSender(options, plan.bytes);
  await Promise.all(
    Array.from({ length: plan.inFlight }, () => sender.sendUntilEnd())
  );
  return sender.finish();
}

interface ReadPart {
  piece: Buffer;
  payload: Payload;
  number: number;
}

class PartSender {
  private readonly parts: Part[] = [];
  /** All workers share one place in the archive, so only one may read at a time. */
  private reading: Promise<unknown> = Promise.resolve();
  private started = 0;
  private sent = 0;
  private failure?: { error: unknown };
  private readonly stop = new AbortController();
  private readonly signal: AbortSignal;

  constructor(
    private readonly options: SendOptions,
    private readonly partBytes: number
  ) {
    this.signal = AbortSignal.any([options.signal, this.stop.signal]);
  }

  /** One worker: sends one part after the other. The first one that fails stops the others. */
  async sendUntilEnd(): Promise<void> {
    try {
      while (await this.sendNext()) {
        // Until the archive is at its end.
      }
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

  /** Reads one part and sends it; false when the archive is at its end. */
  private async sendNext(): Promise<boolean> {
    const { s3, upload, memory, onSent } = this.options;
    const turn = this.reading.then(() => this.readPart());
    this.reading = turn.catch(() => undefined);
    const { piece, payload, number } = await turn;
    try {
      if (payload.bytes.length === 0) {
        return false;
      }
      const part = { ...upload, number, payload };
      this.parts.push(await s3.sendPart(part, this.signal));
      this.sent += payload.bytes.length;
      onSent(this.sent);
      return true;
    } finally {
      memory.give(piece);
    }
  }

  private async readPart(): Promise<ReadPart> {
    const { memory, reader } = this.options;
    const piece = await memory.take(this.partBytes);
    try {
      checkCancelled(this.signal);
      const payload = await reader.fill(piece.subarray(0, this.partBytes));
      this.started += 1;
      return { piece, payload, number: this.started };
    } catch (error) {
      memory.give(piece);
      throw error;
    }
  }
}
