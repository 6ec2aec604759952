// SPDX-License-Identifier: BSD-3-Clause
import * as fc from 'fast-check';
import {
  applyEvent,
  type ClientState,
  type Event,
  type SnapshotChunk
} from '../../protocol';
import { Hub } from './hub';
import { Subscriptions } from './subscriptions';

const TOPICS = ['operations', 'deployments/ds'];

const change = fc.record({
  topic: fc.constantFrom(...TOPICS, 'forwards'),
  key: fc.constantFrom('a', 'b', 'c'),
  value: fc.option(fc.record({ n: fc.integer({ min: 0, max: 3 }) }), {
    nil: null
  })
});

/** A client that copies the hub's state, loses its connection and comes back. */
class Copy {
  state: ClientState = {};
  private subscriptions?: Subscriptions;
  private seen?: { epoch: string; seq: number };

  constructor(private readonly hub: Hub) {}

  async connect(): Promise<'replay' | 'resync'> {
    this.subscriptions = new Subscriptions({
      hub: this.hub,
      onTopic: () => Promise.resolve(() => undefined),
      send: event => this.apply(event)
    });
    const chunks: SnapshotChunk[] = [];
    const { mode, epoch, seq } = await this.subscriptions.subscribe(
      { topics: TOPICS, since: this.seen },
      {
        signal: new AbortController().signal,
        progress: value => chunks.push(value as unknown as SnapshotChunk)
      }
    );
    if (mode === 'resync') {
      this.state = {};
      for (const { topic, entries } of chunks) {
        this.state[topic] = { ...this.state[topic], ...entries };
      }
    }
    this.seen = { epoch, seq };
    return mode;
  }

  disconnect(): void {
    this.subscriptions?.close();
  }

  private apply(event: Event): void {
    this.state = applyEvent(this.state, event);
    this.seen = { epoch: event.epoch, seq: event.seq };
  }
}

function expectSame(copy: Copy, hub: Hub): void {
  for (const topic of TOPICS) {
    expect(copy.state[topic] ?? {}).toEqual(hub.snapshot(topic));
  }
}

describe('Hub', () => {
  it('gives a client the same state wherever its connection is cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(change, fc.constant('cut' as const)), {
          maxLength: 60
        }),
        fc.integer({ min: 1, max: 10 }),
        async (steps, ringLength) => {
          const hub = new Hub({ ringLength });
          const copy = new Copy(hub);
          let connected = false;
          for (const step of steps) {
            if (step === 'cut') {
              if (connected) {
                copy.disconnect();
              } else {
                await copy.connect();
              }
              connected = !connected;
            } else {
              hub.publish(step.topic, step.key, step.value);
            }
          }
          if (!connected) {
            await copy.connect();
          }
          expectSame(copy, hub);
        }
      )
    );
  });

  it('replays what a client missed, and falls back to a snapshot when that is gone', async () => {
    const hub = new Hub({ ringLength: 2 });
    const copy = new Copy(hub);
    expect(await copy.connect()).toBe('resync');
    copy.disconnect();
    hub.publish('operations', 'a', 1);
    hub.publish('operations', 'b', 2);
    expect(await copy.connect()).toBe('replay');
    expectSame(copy, hub);
    copy.disconnect();
    for (const n of [3, 4, 5]) {
      hub.publish('operations', 'a', n);
    }
    expect(await copy.connect()).toBe('resync');
    expectSame(copy, hub);
  });

  it('does not replay across bridge lives', () => {
    const hub = new Hub();
    expect(hub.replay({ epoch: 'another', seq: 0 })).toBeUndefined();
    expect(hub.replay({ epoch: hub.epoch, seq: 7 })).toBeUndefined();
    expect(hub.replay({ epoch: hub.epoch, seq: 0 })).toEqual([]);
  });

  it('makes no event of a value that is already there', () => {
    const hub = new Hub();
    hub.publish('operations', 'a', { n: 1 });
    hub.publish('operations', 'a', { n: 1 });
    hub.publish('operations', 'b', null);
    expect(hub.seq).toBe(1);
  });

  it('splits a large snapshot into messages far below the limit', async () => {
    const hub = new Hub();
    const value = 'x'.repeat(50_000);
    for (let n = 0; n < 40; n++) {
      hub.publish('operations', `${n}`, value);
    }
    const sizes: number[] = [];
    await new Subscriptions({
      hub,
      onTopic: () => Promise.resolve(() => undefined),
      send: () => undefined
    }).subscribe(
      { topics: ['operations'] },
      {
        signal: new AbortController().signal,
        progress: chunk => sizes.push(JSON.stringify(chunk).length)
      }
    );
    expect(sizes.length).toBeGreaterThan(4);
    expect(Math.max(...sizes)).toBeLessThan(400_000);
  });
});

describe('Subscriptions', () => {
  it('lets go of a topic when the client leaves while it is being filled', async () => {
    const hub = new Hub();
    const released: string[] = [];
    let fill = (): void => undefined;
    const filled = new Promise<void>(resolve => (fill = resolve));
    const subscriptions = new Subscriptions({
      hub,
      onTopic: async topic => {
        await filled;
        return () => released.push(topic);
      },
      send: () => undefined
    });
    const subscribed = subscriptions.subscribe(
      { topics: ['deployments/ds'] },
      { signal: new AbortController().signal, progress: () => undefined }
    );
    subscriptions.close();
    fill();
    await subscribed;
    expect(released).toEqual(['deployments/ds']);
  });
});
