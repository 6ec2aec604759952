// SPDX-License-Identifier: BSD-3-Clause
import * as net from 'node:net';

import { type Instance, up } from '../playground/instance';
import { waitFor } from '../playground/wait';
import { KubeClient } from '../src/bridge/cluster/client';
import { connect, type Connection } from '../src/bridge/cluster/connection';
import { keepBento } from '../src/bridge/cluster/keep';
import { KINDS } from '../src/bridge/cluster/kinds';
import { NamespaceWatch } from '../src/bridge/cluster/namespaceWatch';
import { resourcePath, type Query } from '../src/bridge/cluster/target';
import { ResourceWatch } from '../src/bridge/cluster/watch';
import { readSettings } from '../src/bridge/settings';
import type { BentoObject } from '../src/domain/kube';
import { SHARED } from './product';

/** Marks the objects of this file, which nobody else looks at. */
const LABEL = 'jupyterlab-bento/test-of-watches';

let instance: Instance;
let connection: Connection;
/** Straight to the server, to change what is watched. */
let direct: KubeClient;

beforeAll(async () => {
  instance = await up({ name: SHARED });
  connection = await connect(readSettings(instance.productEnv));
  direct = new KubeClient(connection);
}, 25 * 60_000);

afterEach(async () => {
  const { items } = await direct.list(path(), {
    keep: keepBento,
    query: { labelSelector: LABEL }
  });
  await Promise.all(items.map(({ metadata }) => remove(metadata.name)));
});

afterAll(() => direct.close());

const path = (name?: string) =>
  resourcePath({ ...KINDS.bentoes, namespace: instance.namespace, name });
const put = (name: string, tag: string) =>
  direct.apply(path(name), {
    apiVersion: 'resources.yatai.ai/v1alpha1',
    kind: 'Bento',
    metadata: { name, labels: { [LABEL]: '' } },
    spec: { tag, image: 'registry.invalid/unused:v1' }
  });
const remove = (name: string) => direct.delete(path(name));

/** A line to the API server that can be cut and mended. */
class Line {
  readonly #sockets = new Set<net.Socket>();
  readonly #server = net.createServer(socket => this.#join(socket));
  up = true;

  static async make(): Promise<Line> {
    const line = new Line();
    await new Promise<void>(resolve =>
      line.#server.listen(0, '127.0.0.1', resolve)
    );
    return line;
  }

  get connection(): Connection {
    const { port } = this.#server.address() as net.AddressInfo;
    return { ...connection, server: `https://127.0.0.1:${port}` };
  }

  cut(): void {
    this.up = false;
    this.#sockets.forEach(socket => socket.destroy());
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #join(socket: net.Socket): void {
    socket.on('error', () => socket.destroy());
    if (!this.up) {
      socket.destroy();
      return;
    }
    const { hostname, port } = new URL(instance.apiServer);
    const onward = net.connect(Number(port), hostname);
    onward.on('error', () => socket.destroy());
    onward.on('close', () => socket.destroy());
    socket.on('close', () => {
      this.#sockets.delete(socket);
      onward.destroy();
    });
    this.#sockets.add(socket);
    socket.pipe(onward).pipe(socket);
  }
}

/** A client that counts what it asks for, and may be one of an older server. */
class CountingClient extends KubeClient {
  readonly asked: string[] = [];
  knowsInitialEvents = true;

  override list: KubeClient['list'] = (path, options) => {
    this.asked.push('list');
    return super.list(path, options);
  };

  override stream: KubeClient['stream'] = (path, query, options) => {
    this.asked.push(query.sendInitialEvents ? 'initial events' : 'watch');
    // The server refuses this as one does that never heard of initial events.
    const older: Query = { ...query, sendInitialEvents: undefined };
    return super.stream(path, this.knowsInitialEvents ? query : older, options);
  };
}

function watchOf(client: KubeClient): {
  watch: ResourceWatch<BentoObject>;
  told: string[];
} {
  const told: string[] = [];
  const watch = new ResourceWatch<BentoObject>({
    client,
    path: path(),
    labelSelector: LABEL,
    keep: keepBento,
    onChange: ({ type, object }) =>
      told.push(`${type} ${object.metadata.name} ${object.spec.tag}`)
  });
  watch.start();
  return { watch, told };
}

const state = (watch: ResourceWatch<BentoObject>, wanted: string) =>
  waitFor(() => (watch.status.state === wanted ? true : undefined), {
    what: `the watch to be ${wanted}`,
    timeoutMs: 60_000
  });
const isTold = (told: string[], last: string) =>
  waitFor(() => (told.at(-1) === last ? true : undefined), {
    what: `"${last}" to be told after ${told.join(', ')}`,
    timeoutMs: 60_000
  });

it('everything comes as initial events, changes on the same stream', async () => {
  await put('first', 'first:v1');
  const client = new CountingClient(connection);
  const { watch, told } = watchOf(client);
  await state(watch, 'live');
  expect(told).toEqual(['added first first:v1']);
  await put('second', 'second:v1');
  await put('second', 'second:v2');
  await remove('first');
  await isTold(told, 'deleted first first:v1');
  expect(told.slice(1)).toEqual([
    'added second second:v1',
    'updated second second:v2',
    'deleted first first:v1'
  ]);
  expect(client.asked).toEqual(['initial events']);
  await watch.stop();
  client.close();
});

it('everything comes in pages from a server that refuses initial events', async () => {
  await put('first', 'first:v1');
  const client = new CountingClient(connection);
  client.knowsInitialEvents = false;
  const { watch, told } = watchOf(client);
  await state(watch, 'live');
  expect(told).toEqual(['added first first:v1']);
  await waitFor(() => (client.asked.length === 3 ? true : undefined), {
    what: 'the watch to begin',
    timeoutMs: 10_000
  });
  expect(client.asked).toEqual(['initial events', 'list', 'watch']);
  await put('first', 'first:v2');
  await isTold(told, 'updated first first:v2');
  await watch.stop();
  client.close();
});

it('what happens while the line is cut is told when it is mended', async () => {
  const line = await Line.make();
  const client = new KubeClient(line.connection);
  await Promise.all(['stays', 'changes', 'goes', 'anew'].map(n => put(n, n)));
  const { watch, told } = watchOf(client);
  await state(watch, 'live');
  expect(told).toHaveLength(4);
  told.length = 0;
  line.cut();
  await put('changes', 'changed');
  await remove('goes');
  await remove('anew');
  await put('anew', 'anew');
  await state(watch, 'stale');
  expect(watch.status.error?.code).toBe('clusterUnreachable');
  expect(watch.items.size).toBe(4);
  line.up = true;
  await isTold(told, 'added anew anew');
  expect(told).toEqual([
    'updated changes changed',
    'deleted goes goes',
    'deleted anew anew',
    'added anew anew'
  ]);
  expect(watch.status.state).toBe('live');
  await watch.stop();
  client.close();
  line.close();
});

it('a position that is too old is an end that the watch recovers from', async () => {
  const client = new CountingClient(connection);
  const { watch } = watchOf(client);
  await state(watch, 'live');
  const lines: string[] = [];
  const tooOld = client.stream(
    path(),
    { watch: true, resourceVersion: 1, timeoutSeconds: 1 },
    { onLine: text => lines.push(text) }
  );
  // Either way of telling it is understood as "gone"; the unit tests play both.
  const answer = await tooOld.then(
    () => lines.join(),
    (error: unknown) => JSON.stringify((error as Error).cause)
  );
  expect(answer).toMatch(/"(code|status)":410/);
  await watch.stop();
  client.close();
});

it('a namespace: everything is followed; one that is not ours is forbidden', async () => {
  const ours = new NamespaceWatch({
    client: direct,
    namespace: instance.namespace
  });
  const release = ours.acquire();
  await ours.synced();
  await put('seen', 'seen:v1');
  await waitFor(
    () =>
      ours.snapshot().bentoes.find(({ metadata }) => metadata.name === 'seen'),
    { what: 'the Bento in the snapshot', timeoutMs: 10_000 }
  );
  expect(Object.values(ours.status() ?? {}).map(part => part.state)).toEqual(
    Array(6).fill('live')
  );
  release();
  ours.close();
  const foreign = new NamespaceWatch({
    client: direct,
    namespace: 'kube-system'
  });
  const releaseForeign = foreign.acquire();
  await expect(foreign.synced()).rejects.toMatchObject({
    code: 'forbidden',
    params: { verb: 'watch', namespace: 'kube-system' }
  });
  releaseForeign();
  foreign.close();
});
