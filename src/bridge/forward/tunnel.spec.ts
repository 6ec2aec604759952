// SPDX-License-Identifier: BSD-3-Clause
import * as http from 'node:http';
import * as net from 'node:net';
import { BentoError } from '../../domain/errors';
import { ApiStub, type PodSide } from './testing/apiStub';
import { until } from './testing/until';
import { openTunnel, type Tunnel } from './tunnel';

const pod = { name: 'demo-1', uid: 'uid-1', port: 3000 };
jest.setTimeout(30_000);

let stub: ApiStub;
let agent: http.Agent;

beforeEach(async () => {
  stub = new ApiStub();
  await stub.start();
  agent = new http.Agent();
});

afterEach(async () => {
  agent.destroy();
  await stub.stop();
});

function open(connection = stub.connection()): Promise<Tunnel> {
  return openTunnel({ connection, agent, namespace: 'ds', pod });
}

/** Opens a tunnel to a pod that the test plays, after the port headers. */
async function openBoth(): Promise<{ tunnel: Tunnel; side: PodSide }> {
  let side: PodSide | undefined;
  stub.pods.set('demo-1', (opened, port) => {
    opened.begin(port);
    side = opened;
  });
  const tunnel = await open();
  await until(() => side !== undefined);
  return { tunnel, side: side as PodSide };
}

async function readAll(tunnel: Tunnel): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of tunnel) {
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

async function failure(promise: Promise<unknown>): Promise<BentoError> {
  const thrown: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error
  );
  expect(thrown).toBeInstanceOf(BentoError);
  return thrown as BentoError;
}

describe('bytes', () => {
  it('passes both ways without the port headers', async () => {
    const { tunnel, side } = await openBoth();
    tunnel.write('ping');
    await until(() => side.size === 4);
    side.data('pong');
    side.end();
    expect((await readAll(tunnel)).toString()).toBe('pong');
    expect(side.received.toString()).toBe('ping');
  });

  it('strips a port header that shares its message with data or is cut in two', async () => {
    stub.pods.set('demo-1', side => {
      side.data(Buffer.from([0xb8]));
      side.data(Buffer.from([0x0b, ...Buffer.from('HTTP')]));
      side.data(Buffer.alloc(0));
      side.data('/1.1');
      side.end();
    });
    expect((await readAll(await open())).toString()).toBe('HTTP/1.1');
  });

  it('ignores channels that it does not know and empty messages', async () => {
    const { tunnel, side } = await openBoth();
    side.socket.send(Buffer.alloc(0));
    side.socket.send(Buffer.from([7, 1, 2, 3]));
    side.data('ok');
    side.end();
    expect((await readAll(tunnel)).toString()).toBe('ok');
  });

  it('sends big and many small writes in order and whole', async () => {
    const { tunnel, side } = await openBoth();
    const big = Buffer.alloc(3 * 1024 * 1024, 'abcdefg');
    const small = Array.from({ length: 1000 }, (_, n) => `${n},`);
    tunnel.cork();
    small.forEach(text => tunnel.write(text));
    tunnel.uncork();
    tunnel.write(big);
    const expected = Buffer.concat([Buffer.from(small.join('')), big]);
    await until(() => side.size >= expected.length);
    expect(side.received.equals(expected)).toBe(true);
    tunnel.destroy();
  });

  it('keeps receiving after a half-close, until the pod ends', async () => {
    const { tunnel, side } = await openBoth();
    tunnel.end('GET / HTTP/1.0\r\n\r\n');
    await until(() => side.size === 18 && tunnel.writableFinished);
    setImmediate(() =>
      setImmediate(() => {
        side.data(Buffer.alloc(1024 * 1024, 'x'));
        side.end();
      })
    );
    expect((await readAll(tunnel)).length).toBe(1024 * 1024);
  });
});

describe('back-pressure', () => {
  it('stops a pod whose reader stalls, and does not hold up another tunnel', async () => {
    const { tunnel: stalled, side } = await openBoth();
    const total = 64 * 1024 * 1024;
    let sent = 0;
    const chunk = Buffer.alloc(256 * 1024);
    const pump = () => {
      if (sent < total) {
        sent += chunk.length;
        side.socket.send(Buffer.concat([Buffer.of(0), chunk]), pump);
      } else {
        side.end();
      }
    };
    pump();
    await until(() => stalled.received > 0 && side.socket.bufferedAmount > 0);

    const { tunnel: other, side: otherSide } = await openBoth();
    otherSide.data('quick');
    otherSide.end();
    expect((await readAll(other)).toString()).toBe('quick');
    expect(stalled.readableLength).toBeLessThan(1024 * 1024);
    expect(sent).toBeLessThan(total);

    expect((await readAll(stalled)).length).toBe(total);
  });

  it('makes a writer wait for a pod that reads slowly', async () => {
    const { tunnel, side } = await openBoth();
    side.socket.pause();
    const chunk = Buffer.alloc(64 * 1024, 'u');
    const count = 512;
    let most = 0;
    let stalls = 0;
    for (let index = 0; index < count; index++) {
      if (!tunnel.write(chunk)) {
        stalls++;
        most = Math.max(most, tunnel['socket'].bufferedAmount);
        const drained = new Promise(resolve => tunnel.once('drain', resolve));
        side.socket.resume();
        await drained;
      }
    }
    await until(() => side.size === count * chunk.length);
    expect(stalls).toBeGreaterThan(10);
    expect(most).toBeLessThan(1024 * 1024);
    tunnel.destroy();
  });

  it('drops data for a stream that was just destroyed', async () => {
    const { tunnel, side } = await openBoth();
    const push = jest.spyOn(tunnel, 'push');
    tunnel.once('data', () => tunnel.destroy());
    // One write of the pod's socket, so that more messages arrive with the first.
    const raw = (side.socket as unknown as { _socket: net.Socket })._socket;
    raw.cork();
    for (let index = 0; index < 50; index++) {
      side.data('late');
    }
    raw.uncork();
    await until(() => stub.tunnels.size === 0);
    expect(push).toHaveBeenCalledTimes(1);
  });
});

describe('ends', () => {
  it('ends when the pod closes right after the port headers', async () => {
    const { tunnel, side } = await openBoth();
    side.end();
    expect((await readAll(tunnel)).length).toBe(0);
    await until(() => tunnel.destroyed);
    expect(tunnel.failure).toBeUndefined();
  });

  it('turns the text of the error channel into an error and keeps it out of the data', async () => {
    const { tunnel, side } = await openBoth();
    const read = readAll(tunnel);
    side.error('error forwarding port 3000: container is broken');
    const error = await failure(read);
    expect(error.code).toBe('forwardFailed');
    expect(error.message).toContain('demo-1');
    expect(error.message).toContain('container is broken');
    expect(tunnel.refused).toBe(false);
    await until(() => stub.tunnels.size === 0);
  });

  it('knows when nothing listened, so that nothing was received', async () => {
    const { tunnel, side } = await openBoth();
    const read = readAll(tunnel);
    side.error('failed to dial 127.0.0.1:3000: connect: connection refused');
    await failure(read);
    expect(tunnel.refused).toBe(true);
  });

  it('hands over what had arrived before the error', async () => {
    const { tunnel, side } = await openBoth();
    side.data('begun');
    side.error('read: connection reset by peer');
    await until(() => tunnel.ended);
    expect(tunnel.read()?.toString()).toBe('begun');
    expect(tunnel.failure?.message).toContain('reset by peer');
    expect(tunnel.refused).toBe(false);
  });

  it('tells a broken connection from an end', async () => {
    const { tunnel, side } = await openBoth();
    const read = readAll(tunnel);
    side.socket.terminate();
    expect((await failure(read)).code).toBe('forwardFailed');
  });

  it('swallows writes to a pod that has left, so that its last words can be read', async () => {
    const { tunnel, side } = await openBoth();
    side.data('413');
    side.end();
    await until(() => tunnel.ended);
    await new Promise<void>(resolve => tunnel.write('more', () => resolve()));
    expect((await readAll(tunnel)).toString()).toBe('413');
  });

  it('closes the WebSocket when it is destroyed, also in the middle of a download', async () => {
    const { tunnel, side } = await openBoth();
    side.data(Buffer.alloc(4 * 1024 * 1024));
    await new Promise(resolve => tunnel.once('readable', resolve));
    tunnel.destroy();
    await until(() => stub.tunnels.size === 0 && stub.sockets.size === 0);
  });

  it('ends after its last write when asked to end soon', async () => {
    const { tunnel, side } = await openBoth();
    tunnel.write('last');
    tunnel.destroySoon();
    await until(() => stub.tunnels.size === 0);
    expect(side.received.toString()).toBe('last');
  });
});

describe('opening', () => {
  it('reads the credentials for each tunnel', async () => {
    stub.pods.set('demo-1', (side, port) => side.begin(port));
    const connection = stub.connection();
    const tunnels = [await open(connection), await open(connection)];
    expect(stub.tokens).toEqual(['Bearer token-1', 'Bearer token-2']);
    tunnels.forEach(tunnel => tunnel.destroy());
  });

  it('tries once more with a fresh token after a 401', async () => {
    stub.pods.set('demo-1', (side, port) => side.begin(port));
    stub.refusals.push({ status: 401, message: 'Unauthorized' });
    const refresh = jest.fn(() => Promise.resolve());
    const tunnel = await open({ ...stub.connection(), refresh });
    expect(refresh).toHaveBeenCalledTimes(1);
    expect(stub.tokens).toEqual(['Bearer token-1', 'Bearer token-2']);
    tunnel.destroy();
  });

  it('says who may not forward, with the words of the API server', async () => {
    const message =
      'pods "demo-1" is forbidden: User "x" cannot create resource "pods/portforward"';
    stub.refusals.push({ status: 403, message });
    const error = await failure(open());
    expect(error.code).toBe('forwardForbidden');
    expect(error.params).toEqual({ namespace: 'ds' });
    expect(error.details).toEqual([message]);
    expect(JSON.stringify(error.toData())).not.toContain('token-');
    await until(() => stub.sockets.size === 0);
  });

  it('says that a pod is gone', async () => {
    const error = await failure(open());
    expect(error.code).toBe('forwardFailed');
    expect(error.message).toContain('pods "demo-1" not found');
  });

  it('gives the text of a proxy that answers in place of the API server', async () => {
    stub.refusals.push({ status: 502, message: 'no kubelet' });
    expect((await failure(open())).message).toContain('502 no kubelet');
  });

  it('says that the API server is away', async () => {
    const connection = { ...stub.connection(), server: 'http://127.0.0.1:1' };
    expect((await failure(open(connection))).code).toBe('clusterUnreachable');
  });

  it('keeps the path of an API server behind one', async () => {
    const connection = stub.connection();
    connection.server = `${stub.address}/k8s/clusters/c-1/`;
    const paths: string[] = [];
    stub['server'].prependListener('upgrade', request => {
      paths.push(request.url ?? '');
    });
    await failure(open(connection));
    expect(paths).toEqual([
      '/k8s/clusters/c-1/api/v1/namespaces/ds/pods/demo-1/portforward?ports=3000'
    ]);
  });

  it('can be cancelled', async () => {
    const silent = net.createServer();
    await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as net.AddressInfo;
    const connection = {
      ...stub.connection(),
      server: `http://127.0.0.1:${port}`
    };
    const controller = new AbortController();
    silent.once('connection', () => controller.abort());
    const { signal } = controller;
    const opening = openTunnel({
      connection,
      agent,
      namespace: 'ds',
      pod,
      signal
    });
    expect((await failure(opening)).code).toBe('cancelled');
    await new Promise(resolve => silent.close(resolve));
  });
});
