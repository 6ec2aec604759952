// SPDX-License-Identifier: BSD-3-Clause
import * as fc from 'fast-check';
import type { Change } from './collection';
import { turns } from './testing/until';
import {
  makeHarness,
  type Harness,
  type KeptObject
} from './testing/watchHarness';

const names = fc.constantFrom('a', 'b', 'c', 'd');

/** What somebody does to the objects. */
const change = fc.record({
  do: fc.constantFrom('put', 'put', 'put', 'remove', 'remove', 'compact'),
  name: names
});
type ChangeStep = typeof change extends fc.Arbitrary<infer T> ? T : never;

/** What happens to the connection, and what is done while it is down. */
const trouble = fc.record({
  do: fc.constantFrom('close', 'cut', 'cut', 'go quiet'),
  /** After how many bytes the next streams are cut. */
  bytes: fc.option(fc.integer({ min: 0, max: 900 }), { nil: Infinity }),
  meanwhile: fc.array(change, { maxLength: 6 })
});
type TroubleStep = typeof trouble extends fc.Arbitrary<infer T> ? T : never;

const step = fc.oneof(
  { weight: 4, arbitrary: change },
  { weight: 2, arbitrary: trouble },
  { weight: 1, arbitrary: fc.record({ replay: fc.nat() }) },
  { weight: 1, arbitrary: fc.constant('bookmark' as const) }
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const world = fc.record({
  initialEvents: fc.constantFrom('served', 'refused', 'ignored'),
  goneAs: fc.constantFrom('status', 'event'),
  before: fc.array(names, { maxLength: 3 }),
  // Each step, and for how many turns of the event loop the watch may go on after it.
  steps: fc.array(fc.tuple(step, fc.constantFrom(0, 5, 40, 200)), {
    maxLength: 20
  })
});

let values = 0;

function playChange({ collection }: Harness, step: ChangeStep): void {
  if (step.do === 'put') {
    collection.put(step.name, `${++values} → é`);
  } else if (step.do === 'remove') {
    collection.remove(step.name);
  } else {
    collection.compact();
  }
}

function playTrouble(harness: Harness, step: TroubleStep): void {
  const { collection } = harness;
  collection.cutAfter = step.bytes;
  if (step.do === 'close') {
    collection.closeStreams();
  } else if (step.do === 'cut') {
    collection.cutStreams();
  } else {
    collection.streams.clear();
  }
  step.meanwhile.forEach(change => playChange(harness, change));
}

function play(harness: Harness, step: Step): void {
  const { collection } = harness;
  if (step === 'bookmark') {
    collection.bookmark();
  } else if ('replay' in step) {
    const line = collection.history[step.replay % collection.history.length];
    if (line !== undefined) {
      collection.sendToAll(line);
    }
  } else if ('meanwhile' in step) {
    playTrouble(harness, step);
  } else {
    playChange(harness, step);
  }
}

/** Lets the network be well again, and time pass until all silence has been noticed. */
async function settle(harness: Harness): Promise<void> {
  harness.collection.cutAfter = Infinity;
  for (let rounds = 0; rounds < 100; rounds++) {
    if (harness.inStep() && harness.watch.status.state === 'live') {
      return;
    }
    await turns(200);
    harness.clock.elapse(20_000);
  }
  throw new Error('The watch never got in step with the server.');
}

/** Replays the changes as a listener would; throws when one makes no sense. */
function replay(changes: Change<KeptObject>[]): Map<string, KeptObject> {
  const state = new Map<string, KeptObject>();
  for (const { type, object } of changes) {
    const { name, uid, resourceVersion } = object.metadata;
    const before = state.get(name);
    if ((type === 'added') === (before !== undefined)) {
      throw new Error(`${type} ${name}, which is ${before ? '' : 'not '}there`);
    }
    if (before && before.metadata.uid !== uid) {
      throw new Error(`${type} ${name} of another life`);
    }
    if (
      type === 'updated' &&
      before?.metadata.resourceVersion === resourceVersion
    ) {
      throw new Error(`${name} was told twice`);
    }
    if (type === 'deleted') {
      state.delete(name);
    } else {
      state.set(name, object);
    }
  }
  return state;
}

it('whatever happens and wherever it is cut, it ends with what the server has, each change told once', async () => {
  await fc.assert(
    fc.asyncProperty(world, async ({ before, steps, ...settings }) => {
      const harness = await makeHarness();
      try {
        Object.assign(harness.collection, settings);
        before.forEach(name => harness.collection.put(name, 'first'));
        harness.watch.start();
        await turns(100);
        for (const [step, pause] of steps) {
          play(harness, step);
          await turns(pause);
        }
        await settle(harness);
        expect(replay(harness.changes)).toEqual(new Map(harness.watch.items));
      } finally {
        await harness.close();
      }
    }),
    { numRuns: 150 }
  );
}, 60_000);
