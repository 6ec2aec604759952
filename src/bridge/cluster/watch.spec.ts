// SPDX-License-Identifier: BSD-3-Clause
import { event } from './testing/fakeCollection';
import { sendJson, sendStatus } from './testing/stubServer';
import { until } from './testing/until';
import {
  inShort,
  makeHarness,
  untilInStep,
  type Harness
} from './testing/watchHarness';

let harness: Harness;

afterEach(async () => {
  jest.restoreAllMocks();
  await harness.close();
});

/** What the bridge wrote to its log, one parsed line each. */
function captureLog(): Record<string, unknown>[] {
  const lines: Record<string, unknown>[] = [];
  jest.spyOn(process.stderr, 'write').mockImplementation(line => {
    lines.push(JSON.parse(String(line)) as Record<string, unknown>);
    return true;
  });
  return lines;
}

const watchRequests = () =>
  harness.server.requests.filter(({ query }) => query.has('watch'));
const listRequests = () =>
  harness.server.requests.filter(({ query }) => !query.has('watch'));

describe('reading everything', () => {
  it('takes the initial events of the watch and goes on with the same stream', async () => {
    harness = await makeHarness();
    harness.collection.put('a', '1');
    harness.watch.start();
    await untilInStep(harness);
    harness.collection.put('b', '2');
    harness.collection.put('a', '3');
    harness.collection.remove('b');
    await until(() => harness.changes.length === 4);
    expect(inShort(harness.changes)).toEqual([
      'added a=1',
      'added b=2',
      'updated a=3',
      'deleted b=2'
    ]);
    expect(harness.server.requests).toHaveLength(1);
    expect(Object.fromEntries(watchRequests()[0]?.query ?? [])).toMatchObject({
      sendInitialEvents: 'true',
      resourceVersionMatch: 'NotOlderThan',
      allowWatchBookmarks: 'true'
    });
    expect(watchRequests()[0]?.query.has('resourceVersion')).toBe(false);
  });

  it('tells nothing before everything is known', async () => {
    harness = await makeHarness();
    harness.collection.initialEvents = 'ignored';
    harness.collection.put('a', '1');
    harness.watch.start();
    await until(() => harness.collection.streams.size === 1);
    expect(harness.watch.items.size).toBe(0);
    expect(harness.watch.status).toMatchObject({
      state: 'syncing',
      synced: false
    });
  });

  it('reads pages of 100 where initial events are refused', async () => {
    harness = await makeHarness();
    harness.collection.initialEvents = 'refused';
    for (let index = 0; index < 250; index++) {
      harness.collection.put(`object-${index}`);
    }
    harness.watch.start();
    await untilInStep(harness);
    expect(listRequests().map(({ query }) => query.get('limit'))).toEqual([
      '100',
      '100',
      '100'
    ]);
    harness.collection.put('late');
    await untilInStep(harness);
    // Asked once: the next time everything is read, the watch knows.
    harness.collection.compact();
    harness.collection.cutStreams();
    harness.collection.put('later');
    harness.collection.compact();
    await untilInStep(harness);
    expect(
      watchRequests().filter(({ query }) => query.has('sendInitialEvents'))
    ).toHaveLength(1);
  });

  it('reads pages where initial events never end', async () => {
    harness = await makeHarness();
    harness.collection.initialEvents = 'ignored';
    harness.collection.put('a', '1');
    harness.watch.start();
    await until(() => harness.clock.timers > 1);
    harness.clock.elapse(20_000);
    await untilInStep(harness);
    expect(listRequests()).toHaveLength(1);
  });

  it('reads pages where a bookmark comes without the end of initial events', async () => {
    harness = await makeHarness();
    harness.collection.initialEvents = 'ignored';
    harness.collection.put('a', '1');
    harness.watch.start();
    await until(() => harness.collection.streams.size === 1);
    harness.collection.bookmark();
    await untilInStep(harness);
    expect(listRequests()).toHaveLength(1);
  });

  it('reads pages where the stream ends before the initial events', async () => {
    harness = await makeHarness();
    harness.collection.initialEvents = 'ignored';
    harness.collection.put('a', '1');
    harness.watch.start();
    await until(() => harness.collection.streams.size === 1);
    harness.collection.closeStreams();
    await untilInStep(harness);
  });

  it('starts again when the position in the pages is gone', async () => {
    let pages = 0;
    harness = await makeHarness({
      handler: collection => (request, response) => {
        if (request.query.has('continue') && ++pages === 1) {
          collection.compact();
        }
        collection.serve(request, response);
      }
    });
    harness.collection.initialEvents = 'refused';
    for (let index = 0; index < 150; index++) {
      harness.collection.put(`object-${index}`);
    }
    harness.watch.start();
    await untilInStep(harness);
    expect(pages).toBe(2);
  });
});

describe('after a cut', () => {
  it('goes on from the last version seen, at most once a second', async () => {
    harness = await makeHarness();
    harness.watch.start();
    await untilInStep(harness);
    for (let index = 0; index < 5; index++) {
      harness.collection.put('a', String(index));
      await untilInStep(harness);
      harness.collection.closeStreams();
      await until(() => harness.collection.streams.size === 1);
    }
    expect(inShort(harness.changes)).toEqual([
      'added a=0',
      'updated a=1',
      'updated a=2',
      'updated a=3',
      'updated a=4'
    ]);
    const gaps = harness.attempts
      .slice(1)
      .map((at, index) => at - (harness.attempts[index] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(1000);
    expect(harness.statuses.map(({ state }) => state)).toEqual(['live']);
  });

  it('notices a connection that has gone quiet', async () => {
    harness = await makeHarness();
    harness.collection.put('a', '1');
    harness.watch.start();
    await untilInStep(harness);
    // The server's side still looks open, but nothing arrives any more.
    harness.collection.streams.clear();
    harness.collection.put('a', '2');
    harness.collection.remove('a');
    harness.collection.put('b', '3');
    harness.clock.elapse(89_000);
    expect(watchRequests()).toHaveLength(1);
    harness.clock.elapse(1000);
    await untilInStep(harness);
    expect(watchRequests()).toHaveLength(2);
  });

  it('a cut in the middle of a line loses nothing and invents nothing', async () => {
    harness = await makeHarness();
    harness.collection.put('a', '1');
    harness.watch.start();
    await untilInStep(harness);
    for (const bytes of [1, 20, 60, 100]) {
      harness.collection.cutAfter = bytes;
      harness.collection.cutStreams();
      await until(() => harness.collection.streams.size === 1);
      harness.collection.cutAfter = Infinity;
      harness.collection.put('a', `after ${bytes}`);
      await untilInStep(harness);
    }
    expect(inShort(harness.changes)).toEqual([
      'added a=1',
      'updated a=after 1',
      'updated a=after 20',
      'updated a=after 60',
      'updated a=after 100'
    ]);
  });

  it.each(['status', 'event'] as const)(
    'reads everything again when the position is gone, told as %s',
    async goneAs => {
      harness = await makeHarness();
      harness.collection.goneAs = goneAs;
      harness.collection.put('stays', '1');
      harness.collection.put('changes', '1');
      harness.collection.put('goes', '1');
      harness.collection.put('is made anew', '1');
      harness.watch.start();
      await untilInStep(harness);
      harness.changes.length = 0;
      harness.collection.cutStreams();
      harness.collection.put('changes', '2');
      harness.collection.remove('goes');
      harness.collection.remove('is made anew');
      harness.collection.put('is made anew', '2');
      harness.collection.put('is new', '2');
      harness.collection.compact();
      await untilInStep(harness);
      expect(inShort(harness.changes).sort()).toEqual([
        'added is made anew=2',
        'added is new=2',
        'deleted goes=1',
        'deleted is made anew=1',
        'updated changes=2'
      ]);
    }
  );

  it('reads everything again when a restored server is behind', async () => {
    let refused = 0;
    harness = await makeHarness({
      handler: collection => (request, response) => {
        if (request.query.has('resourceVersion')) {
          refused += 1;
          sendStatus(response, 504, {
            reason: 'Timeout',
            message: 'Too large resource version: 99, current: 12'
          });
        } else {
          collection.serve(request, response);
        }
      }
    });
    harness.collection.put('a', '1');
    harness.watch.start();
    await untilInStep(harness);
    harness.collection.cutStreams();
    harness.collection.put('a', '2');
    await untilInStep(harness);
    expect(refused).toBe(1);
  });

  it('reads everything again after a line that is no event', async () => {
    harness = await makeHarness();
    harness.collection.put('a', '1');
    harness.watch.start();
    await untilInStep(harness);
    harness.collection.sendToAll('<html>proxy error</html>');
    harness.collection.put('a', '2');
    await untilInStep(harness);
  });
});

describe('what is sent twice or late', () => {
  it('changes nothing', async () => {
    harness = await makeHarness();
    const first = harness.collection.put('a', '1');
    const line = event('MODIFIED', first);
    harness.watch.start();
    await untilInStep(harness);
    const second = harness.collection.put('a', '2');
    harness.collection.sendToAll(event('MODIFIED', second));
    harness.collection.sendToAll(line);
    harness.collection.remove('a');
    harness.collection.sendToAll(event('MODIFIED', second));
    harness.collection.put('b', 'end');
    await untilInStep(harness);
    expect(inShort(harness.changes)).toEqual([
      'added a=1',
      'updated a=2',
      'deleted a=2',
      'added b=end'
    ]);
  });

  it('an object made anew is another one', async () => {
    harness = await makeHarness();
    harness.collection.put('a', 'old');
    harness.watch.start();
    await untilInStep(harness);
    // The deletion is lost, as after a quick delete and create in a gap.
    const { streams } = harness.collection;
    const kept = [...streams];
    streams.clear();
    harness.collection.remove('a');
    kept.forEach(stream => streams.add(stream));
    harness.collection.put('a', 'new');
    await untilInStep(harness);
    expect(inShort(harness.changes)).toEqual([
      'added a=old',
      'deleted a=old',
      'added a=new'
    ]);
  });
});

describe('when the server cannot be reached', () => {
  it('tries less and less often, says since when, and recovers', async () => {
    harness = await makeHarness();
    harness.collection.put('a', '1');
    harness.watch.start();
    await untilInStep(harness);
    const { port } = harness.server;
    const cutAt = harness.clock.now();
    await harness.server.close();
    harness.collection.streams.clear();
    await until(() => harness.clock.now() > cutAt + 10_000);
    const within = harness.attempts.filter(
      at => at > cutAt && at <= cutAt + 10_000
    );
    expect(within.length).toBeGreaterThan(2);
    expect(within.length).toBeLessThanOrEqual(10);
    expect(harness.watch.status).toMatchObject({
      state: 'stale',
      since: cutAt,
      synced: true,
      error: { code: 'clusterUnreachable' }
    });
    expect(harness.watch.items.size).toBe(1);
    harness.collection.remove('a');
    await harness.server.listen(port);
    await untilInStep(harness);
    expect(harness.watch.status).toMatchObject({ state: 'live' });
    // The reason may change meanwhile, from "cut" to "refused".
    expect([...new Set(harness.statuses.map(({ state }) => state))]).toEqual([
      'live',
      'stale'
    ]);
    expect(harness.statuses.at(-1)?.state).toBe('live');
  });

  it('waits as long as it is asked to', async () => {
    let turnedAway = 0;
    harness = await makeHarness({
      handler: collection => (request, response) => {
        if (++turnedAway === 1) {
          sendStatus(
            response,
            429,
            { reason: 'TooManyRequests', message: 'slow down' },
            { 'retry-after': '17' }
          );
        } else {
          collection.serve(request, response);
        }
      }
    });
    harness.watch.start();
    await untilInStep(harness);
    expect(harness.clock.sleeps).toContain(17_000);
  });

  it('backs off when answers end at once without a word', async () => {
    harness = await makeHarness({
      handler: () => (_request, response) => sendJson(response, 500, {})
    });
    harness.watch.start();
    await until(() => harness.attempts.length === 7);
    const [first = 0, , , , , , seventh = 0] = harness.attempts;
    expect(seventh - first).toBeGreaterThan(60_000);
    expect(harness.watch.status).toMatchObject({
      state: 'stale',
      synced: false
    });
  });
});

describe('when it is not allowed or not there', () => {
  it('says forbidden, asks seldom, and goes on when it is granted', async () => {
    let granted = false;
    harness = await makeHarness({
      handler: collection => (request, response) => {
        if (granted) {
          collection.serve(request, response);
        } else {
          sendStatus(response, 403, {
            reason: 'Forbidden',
            message: 'things is forbidden: User "x" cannot watch resource'
          });
        }
      }
    });
    harness.collection.put('a', '1');
    harness.watch.start();
    await until(() => watchRequests().length === 4);
    const [first = 0] = harness.attempts;
    expect(harness.clock.now() - first).toBeGreaterThan(60_000);
    expect(harness.watch.status).toMatchObject({
      state: 'forbidden',
      error: {
        code: 'forbidden',
        params: {
          verb: 'watch',
          resource: 'things.example.org',
          namespace: 'ns'
        }
      }
    });
    granted = true;
    await untilInStep(harness);
  });

  it('says missing and drops the objects when the kind is removed', async () => {
    let removed = false;
    harness = await makeHarness({
      handler: collection => (request, response) => {
        if (removed) {
          response.writeHead(404, { 'content-type': 'text/plain' });
          response.end('404 page not found\n');
        } else {
          collection.serve(request, response);
        }
      }
    });
    harness.collection.put('a', '1');
    harness.watch.start();
    await untilInStep(harness);
    removed = true;
    harness.collection.cutStreams();
    await until(() => harness.watch.status.state === 'missing');
    expect(harness.watch.status.error?.code).toBe('crdMissing');
    expect(inShort(harness.changes)).toEqual(['added a=1', 'deleted a=1']);
    removed = false;
    await untilInStep(harness);
    expect(harness.watch.items.size).toBe(1);
  });
});

it('what a listener throws is written down and stops nothing', async () => {
  const lines = captureLog();
  harness = await makeHarness({
    onChange: ({ object }) => {
      if (object.metadata.name === 'a') {
        throw new Error('a listener that fails');
      }
    }
  });
  harness.collection.put('a', '1');
  harness.watch.start();
  await untilInStep(harness);
  harness.collection.put('b', '2');
  await untilInStep(harness);
  expect(harness.changes).toHaveLength(2);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({
    level: 'error',
    reason: expect.stringContaining('a listener that fails') as string
  });
});

it('stops at once, whatever it is doing', async () => {
  harness = await makeHarness();
  harness.watch.start();
  await untilInStep(harness);
  await harness.watch.stop();
  expect(harness.clock.timers).toBe(0);
  const requests = harness.attempts.length;
  harness.collection.closeStreams();
  harness.clock.elapse(120_000);
  await new Promise(resolve => setImmediate(resolve));
  expect(harness.attempts).toHaveLength(requests);
});
