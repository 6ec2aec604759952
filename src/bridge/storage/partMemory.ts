// SPDX-License-Identifier: BSD-3-Clause
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const MIB = 1024 * 1024;

/** Size of a part unless the archive is huge: what most stores handle best, above the 5 MiB that all demand. */
export const PART_BYTES = 8 * MIB;

/** Memory for parts on their way, all exports together. */
export const PART_MEMORY_BYTES = 3 * PART_BYTES;

/** How long unused memory is kept for the next export. */
const KEEP_MS = 2000;

/**
 * The memory that parts are read into and sent from. It is bounded over all
 * exports of a bridge, used again and again, and given back to the system soon
 * after the last one.
 */
export class PartMemory {
  private readonly free: Buffer[] = [];
  private readonly waiting: (() => void)[] = [];
  private used = 0;
  private release?: NodeJS.Timeout;

  /** Waits until there is room and returns that many bytes or more; a single piece may exceed the bound. */
  async take(bytes: number): Promise<Buffer> {
    const wanted = Math.max(bytes, PART_BYTES);
    while (this.used > 0 && this.used + wanted > PART_MEMORY_BYTES) {
      await new Promise<void>(resolve => this.waiting.push(resolve));
    }
    clearTimeout(this.release);
    this.used += wanted;
    const fit = this.free.findIndex(piece => piece.length === wanted);
    return fit < 0
      ? Buffer.allocUnsafeSlow(wanted)
      : (this.free.splice(fit, 1)[0] ?? Buffer.allocUnsafeSlow(wanted));
  }

  /** Gives a piece back, once nothing reads or writes it any more. */
  give(piece: Buffer): void {
    this.used -= piece.length;
    if (piece.length === PART_BYTES) {
      this.free.push(piece);
    }
    this.waiting.splice(0).forEach(retry => {
      retry();
    });
    if (this.used === 0) {
      clearTimeout(this.release);
      this.release = setTimeout(() => {
        this.free.length = 0;
        collectGarbage();
      }, KEEP_MS).unref();
    }
  }
}

/** An idle process allocates nothing, so V8 would keep the megabytes for ever. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
}
