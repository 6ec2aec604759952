// SPDX-License-Identifier: BSD-3-Clause
import * as net from 'node:net';

import type { ControllersContext } from '../context';
import type { KubeClient } from '../kube/client';
import { stored } from '../testing/worlds';
import type { Backend } from './services';
import { addressAnnotation, selects, ServiceProxies } from './services';

describe('a selector', () => {
  it.each([
    [{ a: '1' }, { a: '1', b: '2' }, true],
    [{ a: '1', b: '3' }, { a: '1', b: '2' }, false],
    [{ c: '1' }, { a: '1' }, false],
    [{}, { a: '1' }, false],
    [undefined, { a: '1' }, false]
  ])('%j on %j', (selector, labels, expected) => {
    expect(selects(selector, labels)).toBe(expected);
  });
});

describe('a Service', () => {
  const pods: Backend[] = [];
  const servers: net.Server[] = [];
  let annotated: (patch: unknown) => void = () => undefined;
  const patched = new Promise(resolve => {
    annotated = resolve;
  });
  let proxies: ServiceProxies;
  let address = '';

  async function pod(
    name: string,
    labels: Record<string, string>
  ): Promise<Backend> {
    const server = net.createServer(socket => {
      socket.end(name);
    });
    servers.push(server);
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as net.AddressInfo;
    const backend = {
      namespace: 'ds',
      labels,
      ready: true,
      port: (target: number | string) => (target === 'http' ? port : undefined)
    };
    pods.push(backend);
    return backend;
  }

  /** What comes over a connection until the other side ends it. */
  function ask(): Promise<string> {
    return new Promise(resolve => {
      let text = '';
      const socket = net.connect({
        port: Number(address.split(':')[1]),
        host: '127.0.0.1'
      });
      socket.setEncoding('utf8');
      socket.on('data', (chunk: string) => (text += chunk));
      socket.on('error', () => undefined);
      socket.on('close', () => {
        resolve(text);
      });
    });
  }

  beforeAll(async () => {
    const service = stored({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 's', resourceVersion: '1' },
      spec: {
        selector: { app: 'x' },
        ports: [{ port: 3000, targetPort: 'http' }]
      }
    });
    const client = {
      list: () => Promise.resolve({ items: [service], resourceVersion: '1' }),
      watch: (
        _kind: string,
        _from: object,
        { signal }: { signal: AbortSignal }
      ) =>
        new Promise(resolve => {
          signal.addEventListener('abort', resolve);
        }),
      patch: (_target: object, body: object) => {
        annotated(body);
        return Promise.resolve(body);
      }
    } as unknown as KubeClient;
    const context = { client, log: () => undefined };
    proxies = new ServiceProxies(
      context as unknown as ControllersContext,
      () => pods
    );
    await proxies.ready();
    address = await proxies.addressOf('ds', 's');
  });

  afterAll(async () => {
    await proxies.stop();
    servers.forEach(server => server.close());
  });

  it('says where it is reached', async () => {
    expect(await patched).toEqual({
      metadata: { annotations: { [addressAnnotation]: address } }
    });
    expect(await proxies.addressOf('ds', 's')).toBe(address);
  });

  it('closes connections while no pod is ready', async () => {
    (await pod('not ready', { app: 'x' })).ready = false;
    await pod('other', { app: 'y' });
    expect(await ask()).toBe('');
  });

  it('leads to its ready pods in turn', async () => {
    await pod('one', { app: 'x', more: '1' });
    await pod('two', { app: 'x' });
    const answers = [await ask(), await ask(), await ask(), await ask()];
    expect(answers.filter(answer => answer === 'one')).toHaveLength(2);
    expect(answers.filter(answer => answer === 'two')).toHaveLength(2);
  });

  it('has an address before it is created', async () => {
    const early = await proxies.addressOf('ds', 'later');
    expect(early).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(early).not.toBe(address);
  });
});
