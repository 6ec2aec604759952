// SPDX-License-Identifier: BSD-3-Clause
import { KubeClient } from './client';
import { NamespaceWatch } from './namespaceWatch';
import { FakeCollection } from './testing/fakeCollection';
import { ManualClock } from './testing/manualClock';
import { sendJson, sendStatus, StubServer } from './testing/stubServer';
import { turns, until } from './testing/until';

const PLURALS = [
  'bentorequests',
  'bentoes',
  'bentodeployments',
  'jobs',
  'pods',
  'deployments'
];

let clock: ManualClock;
let server: StubServer;
let client: KubeClient;
let watch: NamespaceWatch;
let collections: Map<string, FakeCollection>;
/** Times of all requests, answered or not. */
let attempts: number[];
const refused = new Set<string>();

beforeEach(async () => {
  clock = new ManualClock();
  refused.clear();
  collections = new Map(PLURALS.map(name => [name, new FakeCollection()]));
  server = await StubServer.start((request, response) => {
    const plural = request.path.split('/').at(-1) ?? '';
    if (refused.has(plural)) {
      sendStatus(response, 403, { message: 'User "x" cannot watch resource' });
    } else {
      const found = collections.get(plural);
      if (found) {
        found.serve(request, response);
      } else {
        const resources = PLURALS.map(name => ({ name }));
        sendJson(response, 200, { resources });
      }
    }
  });
  attempts = [];
  client = new KubeClient(
    {
      ...server.connection(),
      headers: () => {
        attempts.push(clock.now());
        return Promise.resolve({});
      }
    },
    { clock }
  );
  watch = new NamespaceWatch({ client, namespace: 'ns' });
});

afterEach(async () => {
  watch.close();
  client.close();
  await server.close().catch(() => undefined);
});

const collection = (plural: string) => {
  const found = collections.get(plural);
  if (!found) {
    throw new Error(plural);
  }
  return found;
};

it('one snapshot of six watches, the same one until something changes', async () => {
  PLURALS.forEach(plural => collection(plural).put(`of-${plural}`));
  const release = watch.acquire();
  await watch.synced();
  const first = watch.snapshot();
  expect(first).toMatchObject({
    namespace: 'ns',
    bentoRequests: [{ metadata: { name: 'of-bentorequests' } }],
    bentoes: [{ metadata: { name: 'of-bentoes' } }],
    bentoDeployments: [{ metadata: { name: 'of-bentodeployments' } }],
    jobs: [{ metadata: { name: 'of-jobs' } }],
    pods: [{ metadata: { name: 'of-pods' } }],
    deployments: [{ metadata: { name: 'of-deployments' } }],
    events: []
  });
  expect(watch.snapshot()).toBe(first);
  collection('pods').put('of-pods');
  await until(() => watch.snapshot() !== first);
  expect(
    server.requests.map(({ path, query }) => [path, query.get('labelSelector')])
  ).toEqual([
    ['/apis/resources.yatai.ai/v1alpha1/namespaces/ns/bentorequests', null],
    ['/apis/resources.yatai.ai/v1alpha1/namespaces/ns/bentoes', null],
    ['/apis/serving.yatai.ai/v2alpha1/namespaces/ns/bentodeployments', null],
    ['/apis/batch/v1/namespaces/ns/jobs', 'yatai.ai/is-bento-image-builder'],
    ['/api/v1/namespaces/ns/pods', 'yatai.ai/bento-repository'],
    ['/apis/apps/v1/namespaces/ns/deployments', 'yatai.ai/bento-deployment']
  ]);
  release();
});

it('tells the changes of one tick once', async () => {
  const release = watch.acquire();
  await watch.synced();
  await turns(20);
  let told = 0;
  const stop = watch.onChange(() => {
    told += 1;
  });
  for (let index = 0; index < 50; index++) {
    collection('pods').put(`pod-${index}`);
  }
  await until(() => watch.snapshot().pods.length === 50);
  await turns(5);
  expect(told).toBeGreaterThan(0);
  expect(told).toBeLessThan(10);
  stop();
  const before = told;
  collection('pods').put('pod-0', 'again');
  await until(
    () =>
      watch.snapshot().pods[0]?.metadata.resourceVersion ===
      collection('pods').objects.get('pod-0')?.metadata.resourceVersion
  );
  await turns(5);
  expect(told).toBe(before);
  release();
});

it('goes on for half a minute after the last release, then stops', async () => {
  const first = watch.acquire();
  const second = watch.acquire();
  await watch.synced();
  first();
  first();
  clock.elapse(60_000);
  expect(watch.status()).toBeDefined();
  second();
  clock.elapse(29_000);
  const third = watch.acquire();
  clock.elapse(5000);
  expect(watch.status()).toBeDefined();
  expect(server.requests).toHaveLength(6);
  third();
  clock.elapse(30_000);
  expect(watch.status()).toBeUndefined();
  expect(watch.snapshot().pods).toEqual([]);
  await until(() =>
    [...collections.values()].every(({ streams }) => streams.size === 0)
  );
  await expect(watch.synced()).rejects.toThrow(/Acquire/);
  const again = watch.acquire();
  await watch.synced();
  expect(server.requests).toHaveLength(12);
  again();
});

it('says what is forbidden, and does without Jobs', async () => {
  refused.add('jobs');
  const release = watch.acquire();
  await watch.synced();
  await until(() => watch.status()?.jobs.state === 'forbidden');
  expect(watch.problem()).toBeUndefined();
  release();
  clock.elapse(30_000);
  refused.add('bentodeployments');
  const again = watch.acquire();
  await expect(watch.synced()).rejects.toMatchObject({
    code: 'forbidden',
    params: { resource: 'bentodeployments.serving.yatai.ai', namespace: 'ns' }
  });
  expect(watch.problem()?.code).toBe('forbidden');
  again();
});

it('all watches together ask at most ten times in ten seconds of refused connections', async () => {
  const release = watch.acquire();
  await watch.synced();
  const { port } = server;
  const cutAt = clock.now();
  await server.close();
  await until(() => clock.now() > cutAt + 10_000);
  const within = attempts.filter(at => at > cutAt && at <= cutAt + 10_000);
  expect(within.length).toBeGreaterThan(2);
  expect(within.length).toBeLessThanOrEqual(10);
  await until(() =>
    Object.values(watch.status() ?? {}).every(({ state }) => state === 'stale')
  );
  expect(watch.problem()?.code).toBe('clusterUnreachable');
  collections.forEach(one => {
    one.streams.clear();
    one.put('made meanwhile');
  });
  await server.listen(port);
  await until(() =>
    Object.values(watch.status() ?? {}).every(({ state }) => state === 'live')
  );
  await until(() => watch.snapshot().pods.length === 1);
  expect(watch.problem()).toBeUndefined();
  release();
});

it('who begins while nobody answers is told so, and can begin again', async () => {
  const { port } = server;
  await server.close();
  const release = watch.acquire();
  await expect(watch.synced()).rejects.toMatchObject({
    code: 'clusterUnreachable'
  });
  release();
  clock.elapse(30_000);
  await server.listen(port);
  const again = watch.acquire();
  await watch.synced();
  again();
});
