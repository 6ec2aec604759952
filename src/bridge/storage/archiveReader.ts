// SPDX-License-Identifier: BSD-3-Clause
import { createHash } from 'node:crypto';
import { BentoError } from '../../domain/errors';
import type { ArchiveEntry } from '../store/archiveEntries';
import type { Payload } from './s3';
import { TarSource } from './tarSource';

/** Hashing this much takes less than a millisecond; after it the event loop has its turn. */
const STEP = 1024 * 1024;

/** Reads an archive and takes its SHA-256 in passing. */
export class ArchiveReader {
  private readonly source: TarSource;
  private readonly whole = createHash('sha256');

  constructor(
    entries: ArchiveEntry[],
    private readonly signal: AbortSignal
  ) {
    this.source = new TarSource(entries);
  }

  /**
   * Fills the target as far as the archive goes and returns the filled part
   * with its own SHA-256.
   * @throws BentoError `cancelled`, or what reading the files throws.
   */
  async fill(target: Buffer): Promise<Payload> {
    const part = createHash('sha256');
    let filled = 0;
    while (filled < target.length) {
      checkCancelled(this.signal);
      const step = target.subarray(filled, filled + STEP);
      const read = await this.source.read(step);
      const bytes = step.subarray(0, read);
      part.update(bytes);
      this.whole.update(bytes);
      filled += read;
      if (read < step.length) {
        break;
      }
    }
    return { bytes: target.subarray(0, filled), sha256: part.digest('hex') };
  }

  /** Reads what is left without keeping it. */
  async skip(onRead: (bytes: number) => void): Promise<void> {
    const memory = Buffer.allocUnsafeSlow(STEP);
    for (;;) {
      checkCancelled(this.signal);
      const read = await this.source.read(memory);
      if (read === 0) {
        return;
      }
      this.whole.update(memory.subarray(0, read));
      onRead(read);
    }
  }

  /** SHA-256 in hex of everything that was read; to be asked for once, at the end. */
  digest(): string {
    return this.whole.digest('hex');
  }

  /** Closes the file that is open, if any. */
  close(): Promise<void> {
    return this.source.close();
  }
}

/** @throws BentoError `cancelled` once the signal is set. */
export function checkCancelled(signal: AbortSignal): void {
  if (signal.aborted) {
    throw new BentoError('cancelled');
  }
}
