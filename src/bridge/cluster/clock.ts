// SPDX-License-Identifier: BSD-3-Clause

/** Time and chance, so that tests need not wait for either. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after that many milliseconds, or as soon as the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /**
   * Calls `fire` once after that many milliseconds unless the returned
   * function is called before. Does not keep the process alive.
   */
  timer(ms: number, fire: () => void): () => void;
  /** A number from 0 up to 1. */
  random(): number;
}

/** The real time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise(resolve => {
      if (signal?.aborted) {
        resolve();
        return;
      }
      const end = () => {
        clearTimeout(handle);
        signal?.removeEventListener('abort', end);
        resolve();
      };
      const handle = setTimeout(end, ms);
      signal?.addEventListener('abort', end);
    }),
  timer: (ms, fire) => {
    const handle = setTimeout(fire, ms).unref();
    return () => clearTimeout(handle);
  },
  random: () => Math.random()
};

const FIRST_DELAY_MS = 1000;
const LONGEST_DELAY_MS = 30_000;

/**
 * How long to wait after that many failures in a row, in milliseconds: 1, 2, 4
 * … 30 s, a quarter more or less so that many clients do not come at once, and
 * never less than a second.
 */
export function backOff(failures: number, random: number): number {
  const doubled = FIRST_DELAY_MS * 2 ** Math.max(0, failures - 1);
  const spread = Math.min(doubled, LONGEST_DELAY_MS) * (0.75 + random / 2);
  return Math.min(Math.max(spread, FIRST_DELAY_MS), LONGEST_DELAY_MS);
}
