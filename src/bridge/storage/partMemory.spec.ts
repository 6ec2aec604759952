// SPDX-License-Identifier: BSD-3-Clause
import { setImmediate } from 'node:timers/promises';
import { PART_BYTES, PART_MEMORY_BYTES, PartMemory } from './partMemory';

const PIECES = PART_MEMORY_BYTES / PART_BYTES;

/** Whether a promise has settled once everything that is due has run. */
async function isDone(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  void promise.then(() => (done = true));
  await setImmediate();
  return done;
}

function takeAll(memory: PartMemory): Promise<Buffer[]> {
  return Promise.all(
    Array.from({ length: PIECES }, () => memory.take(PART_BYTES))
  );
}

describe('PartMemory', () => {
  it('lets nobody have more than the bound, all together', async () => {
    const memory = new PartMemory();
    const [first = Buffer.alloc(0)] = await takeAll(memory);
    const waiting = memory.take(PART_BYTES);
    expect(await isDone(waiting)).toBe(false);
    memory.give(first);
    expect(await waiting).toBe(first);
  });

  it('gives a piece beyond the bound to one alone', async () => {
    const memory = new PartMemory();
    const small = await memory.take(1);
    const huge = memory.take(PART_MEMORY_BYTES + 1);
    expect(await isDone(huge)).toBe(false);
    memory.give(small);
    expect((await huge).length).toBeGreaterThan(PART_MEMORY_BYTES);
    const next = memory.take(1);
    expect(await isDone(next)).toBe(false);
    memory.give(await huge);
    expect((await next).length).toBe(PART_BYTES);
  });

  it('gives the memory back to the system soon after the last use', async () => {
    const memory = new PartMemory();
    // Taken and given elsewhere, so that nothing here refers to the pieces.
    const pieces = await (async () => {
      const taken = await takeAll(memory);
      taken.forEach(piece => {
        memory.give(piece);
      });
      return taken.map(piece => new WeakRef(piece));
    })();
    expect(pieces).toHaveLength(PIECES);
    while (pieces.some(piece => piece.deref() !== undefined)) {
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  });
});
