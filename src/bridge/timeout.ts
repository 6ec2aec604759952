// SPDX-License-Identifier: BSD-3-Clause
import { BentoError } from '../domain/errors';

/**
 * Runs work that may take at most `ms` milliseconds (for ever when absent).
 * Throws `timeout` afterwards; the signal given to the work is aborted then,
 * and when the outer one is.
 */
export async function withTimeout<T>(
  options: { signal: AbortSignal; ms: number | undefined; what: string },
  work: (signal: AbortSignal) => Promise<T>
): Promise<T> {
  const { signal, ms, what } = options;
  if (ms === undefined) {
    return work(signal);
  }
  const limit = AbortSignal.timeout(ms);
  try {
    return await work(AbortSignal.any([signal, limit]));
  } catch (thrown) {
    if (limit.aborted && !signal.aborted) {
      throw new BentoError('timeout', {
        params: { what, limit: `${Math.round(ms / 1000)} s` }
      });
    }
    throw thrown;
  }
}
