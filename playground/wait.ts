// SPDX-License-Identifier: BSD-3-Clause

/** Resolves after that many milliseconds. */
export function sleep(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms));
}

/** What to wait for and for how long. */
export interface WaitOptions {
  /** Names the thing in the error: "the API server to answer". */
  what: string;
  timeoutMs: number;
  everyMs?: number;
}

/**
 * Calls `look` until it returns something other than undefined, and returns that.
 * What `look` throws counts as not yet and becomes the cause when time is up.
 * @throws Error naming what was waited for.
 */
export async function waitFor<T>(
  look: () => Promise<T | undefined> | T | undefined,
  options: WaitOptions
): Promise<T> {
  const deadline = Date.now() + options.timeoutMs;
  for (;;) {
    let cause: unknown;
    try {
      const found = await look();
      if (found !== undefined) {
        return found;
      }
    } catch (error) {
      cause = error;
    }
    if (Date.now() > deadline) {
      const seconds = String(Math.round(options.timeoutMs / 1000));
      throw new Error(`Waited ${seconds} s in vain for ${options.what}.`, {
        cause
      });
    }
    await sleep(options.everyMs ?? 50);
  }
}
