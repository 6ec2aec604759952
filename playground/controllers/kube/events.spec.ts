// SPDX-License-Identifier: BSD-3-Clause
import { stored } from '../testing/worlds';
import type { CoreEvent } from './events';
import { EventRecorder } from './events';
import type { KubeObject, Stored } from './objects';

const about: Stored<KubeObject> = stored({
  apiVersion: 'v1',
  kind: 'Thing',
  metadata: { name: 'a', resourceVersion: '7' }
});
const other: Stored<KubeObject> = stored({
  apiVersion: 'v1',
  kind: 'Thing',
  metadata: { name: 'b' }
});

function setUp(budget?: number): {
  recorder: EventRecorder;
  created: CoreEvent[];
  patched: object[];
  clock: { now: number };
  tell: (message: string, object?: typeof about) => void;
} {
  const created: CoreEvent[] = [];
  const patched: object[] = [];
  const clock = { now: 1_000_000 };
  const recorder = new EventRecorder({
    client: {
      create: <T>(event: T) => {
        created.push(event as unknown as CoreEvent);
        return Promise.resolve(event as never);
      },
      patch: (_target: object, body: object) => {
        patched.push(body);
        return Promise.resolve(body as never);
      }
    },
    source: { component: 'me' },
    budget,
    now: () => clock.now
  });
  const tell = (message: string, object = about): void => {
    recorder.record(object, { type: 'Normal', reason: 'R', message });
  };
  return { recorder, created, patched, clock, tell };
}

describe('events', () => {
  it('count what is told again', async () => {
    const { recorder, created, patched, tell } = setUp();
    tell('one');
    tell('two');
    tell('one');
    await recorder.flush();
    expect(created.map(({ message, count }) => [message, count])).toEqual([
      ['one', 1],
      ['two', 1]
    ]);
    expect(patched).toEqual([expect.objectContaining({ count: 2 })]);
    expect(created[0]).toMatchObject({
      involvedObject: { kind: 'Thing', name: 'a', resourceVersion: '7' },
      source: { component: 'me' }
    });
    expect(created[0]?.metadata.name).toMatch(/^a\.[0-9a-f]{16}$/);
    expect(created[0]?.metadata.name).not.toBe(created[1]?.metadata.name);
  });

  it('fall silent after 25 for one object, and tell one more every five minutes', async () => {
    const { recorder, created, clock, tell } = setUp(25);
    for (let index = 0; index < 40; index++) {
      tell(`text ${String(index)}`);
    }
    tell('of another', other);
    await recorder.flush();
    expect(created).toHaveLength(26);
    clock.now += 600_000;
    ['x', 'y', 'z'].forEach(text => {
      tell(text);
    });
    await recorder.flush();
    expect(created.slice(26).map(({ message }) => message)).toEqual(['x', 'y']);
  });

  it('that cannot be written hold up nothing', async () => {
    const recorder = new EventRecorder({
      client: {
        create: () => Promise.reject(new Error('gone')),
        patch: () => Promise.reject(new Error('gone'))
      },
      source: { component: 'me' }
    });
    recorder.record(about, { type: 'Normal', reason: 'R', message: 'x' });
    await expect(recorder.flush()).resolves.toBeUndefined();
  });
});
