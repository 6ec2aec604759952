// SPDX-License-Identifier: BSD-3-Clause
import { BentoError } from '../../domain/errors';
import { backOff, type Clock } from './clock';
import { Pacer } from './pacer';
import { turns } from './testing/until';

const gone = new BentoError('clusterUnreachable');
const never = new AbortController().signal;

/** A clock whose sleeps end only when the test says so, or when they are given up. */
class HeldClock implements Clock {
  at = 0;
  readonly sleeps: { ms: number; end(): void }[] = [];
  now = () => this.at;
  random = () => 0.5;
  timer = () => () => undefined;
  sleep = (ms: number, signal?: AbortSignal) =>
    new Promise<void>(resolve => {
      if (ms <= 0) {
        resolve();
        return;
      }
      this.sleeps.push({ ms, end: resolve });
      signal?.addEventListener('abort', () => resolve());
    });

  /** Lets the last sleep end in time. */
  async pass(): Promise<void> {
    const sleep = this.sleeps.at(-1);
    this.at += sleep?.ms ?? 0;
    sleep?.end();
    await turns(3);
  }
}

it('grows from one second to thirty, within a quarter, never shorter than a second', () => {
  const delays = [1, 2, 3, 4, 5, 6, 50].map(times => backOff(times, 0.5));
  expect(delays).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  expect(backOff(1, 0)).toBe(1000);
  expect(backOff(3, 0)).toBe(3000);
  expect(backOff(3, 1)).toBe(5000);
  expect(backOff(50, 1)).toBe(30_000);
});

it('lets all go while the server answers', async () => {
  const pacer = new Pacer(new HeldClock());
  for (let times = 0; times < 3; times++) {
    (await pacer.admit(never))('answered');
  }
  expect(pacer.reason).toBeUndefined();
});

it('one tries for all; the others follow when it is answered', async () => {
  const clock = new HeldClock();
  const pacer = new Pacer(clock);
  const failed = [await pacer.admit(never), await pacer.admit(never)];
  failed.forEach(report => report(gone));
  expect(pacer.reason).toBe(gone);
  const admitted: number[] = [];
  const reports = [0, 1, 2].map(async index => {
    const report = await pacer.admit(never);
    admitted.push(index);
    return report;
  });
  await clock.pass();
  expect(admitted).toEqual([0]);
  (await reports[0])?.(gone);
  await turns(3);
  expect(admitted).toEqual([0]);
  await clock.pass();
  expect(admitted).toEqual([0, 1]);
  (await reports[1])?.('answered');
  await turns(3);
  expect(admitted).toEqual([0, 1, 2]);
  // The second failure at the same time was no news.
  expect(clock.sleeps.map(({ ms }) => ms)).toEqual([1000, 2000]);
});

it('an answer to anybody wakes the one that waits for its turn to try', async () => {
  const clock = new HeldClock();
  const pacer = new Pacer(clock);
  (await pacer.admit(never))(gone);
  let admitted = false;
  void pacer.admit(never).then(() => (admitted = true));
  await turns(3);
  expect(admitted).toBe(false);
  pacer.answered();
  await turns(3);
  expect(admitted).toBe(true);
});

it('who hurries need not wait longer than a second since the last failure', async () => {
  const clock = new HeldClock();
  const pacer = new Pacer(clock);
  for (let times = 0; times < 6; times++) {
    const report = pacer.admit(never);
    await clock.pass();
    (await report)(gone);
  }
  let admitted = false;
  void pacer.admit(never).then(() => (admitted = true));
  await turns(3);
  expect(clock.sleeps.at(-1)?.ms).toBe(30_000);
  clock.at += 400;
  pacer.hurry();
  await turns(3);
  expect(clock.sleeps.at(-1)?.ms).toBe(600);
  expect(admitted).toBe(false);
  await clock.pass();
  expect(admitted).toBe(true);
});

it('who gives up while it tries leaves the turn to the next', async () => {
  const clock = new HeldClock();
  const pacer = new Pacer(clock);
  (await pacer.admit(never))(gone);
  const stop = new AbortController();
  const first = pacer.admit(stop.signal);
  let second = false;
  void pacer.admit(never).then(() => (second = true));
  await turns(3);
  stop.abort();
  (await first)('unknown');
  await turns(3);
  await clock.pass();
  expect(second).toBe(true);
});
