// SPDX-License-Identifier: BSD-3-Clause
import { BentoError } from '../../domain/errors';

/** Whose request it is, how long it may take, and what cancels it. */
export interface Deadline {
  signal: AbortSignal;
  ms: number;
  /** Name of the deployment. */
  name: string;
}

/** The longest that a timer can wait. */
const MAX_MS = 2 ** 31 - 1;

/**
 * Runs work that ends with its signal: at the deadline, or when the outer signal
 * is aborted.
 *
 * @throws BentoError `requestTimeout` or `cancelled` in those cases, else what
 *   the work throws.
 */
export async function withDeadline<T>(
  o: Deadline,
  work: (signal: AbortSignal) => Promise<T>
): Promise<T> {
  if (o.signal.aborted) {
    throw new BentoError('cancelled');
  }
  const controller = new AbortController();
  let why: BentoError | undefined;
  const stop = (error: BentoError) => {
    why ??= error;
    controller.abort();
  };
  const cancel = () => stop(new BentoError('cancelled'));
  const timer = setTimeout(
    () =>
      stop(
        new BentoError('requestTimeout', {
          params: { name: o.name, limit: `${o.ms / 1000} s` }
        })
      ),
    Math.min(o.ms, MAX_MS)
  );
  o.signal.addEventListener('abort', cancel);
  const ended = new Promise<never>((_resolve, reject) => {
    controller.signal.addEventListener('abort', () =>
      reject(why ?? new BentoError('cancelled'))
    );
  });
  // Whoever loses the race must not count as unhandled.
  ended.catch(() => undefined);
  try {
    return await Promise.race([work(controller.signal), ended]);
  } catch (error) {
    // Also what failed by itself may have left a connection open.
    controller.abort();
    throw why ?? error;
  } finally {
    clearTimeout(timer);
    o.signal.removeEventListener('abort', cancel);
  }
}
