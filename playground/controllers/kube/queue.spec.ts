// SPDX-License-Identifier: BSD-3-Clause
import type { Outcome } from './queue';
import { WorkQueue } from './queue';

/** A queue whose passes are let go one by one. */
function setUp(): {
  queue: WorkQueue;
  begun: string[];
  finish: (outcome?: Outcome) => Promise<void>;
  fail: () => Promise<void>;
  errors: string[];
  next: () => Promise<void>;
} {
  const begun: string[] = [];
  const errors: string[] = [];
  let settle: ((outcome: Outcome | Error) => void) | undefined;
  let announce: (() => void) | undefined;
  const queue = new WorkQueue(
    key =>
      new Promise((resolve, reject) => {
        begun.push(key);
        settle = outcome => {
          if (outcome instanceof Error) {
            reject(outcome);
          } else {
            resolve(outcome);
          }
        };
        announce?.();
      }),
    key => errors.push(key)
  );
  const next = (): Promise<void> =>
    new Promise(resolve => {
      announce = resolve;
    });
  const turn = (): Promise<void> =>
    new Promise(resolve => setImmediate(resolve));
  const end = async (outcome: Outcome | Error): Promise<void> => {
    settle?.(outcome);
    await turn();
    await turn();
  };
  return {
    queue,
    begun,
    errors,
    next,
    finish: (outcome = 'done') => end(outcome),
    fail: () => end(new Error('x'))
  };
}

describe('a work queue', () => {
  it('works on one key at a time, in order, each once', async () => {
    const { queue, begun, finish, next } = setUp();
    const first = next();
    ['a', 'b', 'a', 'b'].forEach(key => {
      queue.add(key);
    });
    await first;
    expect(begun).toEqual(['a']);
    await finish();
    await finish();
    expect(begun).toEqual(['a', 'b']);
    await queue.stop();
  });

  it('works once more on what was added meanwhile, however often', async () => {
    const { queue, begun, finish, next } = setUp();
    const first = next();
    queue.add('a');
    await first;
    queue.add('a');
    queue.add('a');
    await finish();
    await finish();
    expect(begun).toEqual(['a', 'a']);
    await queue.stop();
  });

  it('goes again at once when asked to', async () => {
    const { queue, begun, finish, next } = setUp();
    const first = next();
    queue.add('a');
    await first;
    queue.add('b');
    await finish('again');
    await finish();
    await finish();
    expect(begun).toEqual(['a', 'b', 'a']);
    await queue.stop();
  });

  it('tries again what failed', async () => {
    const { queue, begun, errors, fail, finish, next } = setUp();
    const first = next();
    queue.add('a');
    await first;
    const second = next();
    await fail();
    await second;
    await finish();
    expect(begun).toEqual(['a', 'a']);
    expect(errors).toEqual(['a']);
    await queue.stop();
  });

  it('waits for the pass that runs when it is stopped, and begins none', async () => {
    const { queue, begun, finish, next } = setUp();
    const first = next();
    queue.add('a');
    await first;
    queue.add('b');
    const stopped = queue.stop();
    await finish();
    await stopped;
    queue.add('c');
    expect(begun).toEqual(['a']);
  });
});
