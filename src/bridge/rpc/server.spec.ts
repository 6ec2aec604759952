// SPDX-License-Identifier: BSD-3-Clause
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createMessageConnection,
  type MessageConnection
} from 'vscode-jsonrpc/node';
import { WebSocket } from 'ws';
import { BentoError } from '../../domain/errors';
import { MAX_MESSAGE_BYTES, PROTOCOL } from '../../protocol';
import { Blobs } from './blobs';
import { Hub } from './hub';
import { serve } from './server';
import type { Handlers } from './session';
import { transport } from './transport';

const HELLO = { protocol: PROTOCOL, client: 'test', clientVersion: '0' };

describe('the bridge server', () => {
  let folder: string;
  let socketPath: string;
  let stop: () => void;
  let blobs: Blobs;
  let aborted: Promise<void>;
  const open: WebSocket[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bento-server-'));
    socketPath = join(folder, 'bridge.sock');
    blobs = new Blobs(join(folder, 'blobs'));
    let onAbort = (): void => undefined;
    aborted = new Promise(resolve => (onAbort = resolve));
    const handlers: Partial<Handlers> = {
      environment: () =>
        Promise.reject(
          new BentoError('forbidden', {
            params: { verb: 'list', resource: 'pods', namespace: 'ds' }
          })
        ),
      'store.get': ({ tag }) => Promise.reject(new Error(`boom ${tag}`)),
      'operation.follow': (_params, { signal, progress }) => {
        progress('started');
        return new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            onAbort();
            reject(new Error('aborted'));
          });
        });
      },
      'operation.list': () => Promise.resolve({ operations: [] })
    };
    stop = await serve({
      socketPath,
      handlers: handlers as Handlers,
      hub: new Hub(),
      blobs,
      version: '1.2.3',
      onTopic: () => Promise.resolve(() => undefined),
      log: () => undefined
    });
  });

  afterEach(async () => {
    open.splice(0).forEach(socket => socket.terminate());
    stop();
    await blobs.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function connect(): Promise<{
    rpc: MessageConnection;
    socket: WebSocket;
  }> {
    const socket = new WebSocket(`ws+unix://${socketPath}:/api/v1/rpc`);
    open.push(socket);
    socket.on('error', () => undefined);
    await new Promise(resolve => socket.once('open', resolve));
    const { reader, writer } = transport(socket);
    const rpc = createMessageConnection(reader, writer);
    rpc.listen();
    return { rpc, socket };
  }

  it('listens on a socket that only its owner can open', () => {
    expect(statSync(socketPath).mode & 0o777).toBe(0o600);
  });

  it('shakes hands, and answers nothing before', async () => {
    const { rpc } = await connect();
    await expect(rpc.sendRequest('operation.list', {})).rejects.toMatchObject({
      data: { code: 'helloFirst' }
    });
    expect(await rpc.sendRequest('hello', HELLO)).toMatchObject({
      outcome: 'ok',
      bridgeVersion: '1.2.3',
      remedy: '',
      seq: 0
    });
    expect(await rpc.sendRequest('operation.list', {})).toEqual({
      operations: []
    });
  });

  it.each([
    [{ major: PROTOCOL.major - 1, minor: 9 }, 'clientTooOld', 'pip install'],
    [{ major: PROTOCOL.major + 1, minor: 0 }, 'bridgeTooOld', 'Shut Down'],
    [
      { major: PROTOCOL.major, minor: PROTOCOL.minor + 1 },
      'bridgeTooOld',
      'Shut Down'
    ]
  ])(
    'names the outcome and the remedy for %p',
    async (protocol, outcome, remedy) => {
      const { rpc } = await connect();
      const answer = await rpc.sendRequest('hello', { ...HELLO, protocol });
      expect(answer).toMatchObject({
        outcome,
        remedy: expect.stringContaining(remedy)
      });
      await expect(rpc.sendRequest('operation.list', {})).rejects.toMatchObject(
        { data: { code: 'helloFirst' } }
      );
    }
  );

  it('sends errors with code, hint and parameters', async () => {
    const { rpc } = await connect();
    await rpc.sendRequest('hello', HELLO);
    await expect(rpc.sendRequest('environment', {})).rejects.toMatchObject({
      message: 'Not allowed to list pods in namespace ds.',
      data: { code: 'forbidden', params: { verb: 'list' }, retryable: false }
    });
    await expect(
      rpc.sendRequest('store.get', { tag: 'x' })
    ).rejects.toMatchObject({
      data: { code: 'internal', params: { reason: 'boom x' } }
    });
    await expect(
      rpc.sendRequest('store.get', { tag: 3 })
    ).rejects.toMatchObject({
      data: { code: 'invalidParams', params: { field: 'tag' } }
    });
    await expect(rpc.sendRequest('no.such', {})).rejects.toMatchObject({
      code: -32601
    });
  });

  it('reports progress and aborts a request when its client leaves', async () => {
    const { rpc, socket } = await connect();
    await rpc.sendRequest('hello', HELLO);
    const progress = new Promise(resolve =>
      rpc.onNotification('$/progress', resolve)
    );
    rpc
      .sendRequest('operation.follow', { id: 'x', progressToken: 7 })
      .catch(() => undefined);
    expect(await progress).toEqual({ token: 7, value: 'started' });
    socket.terminate();
    await aborted;
  });

  it('closes a connection that sends a message over the limit, and serves the others', async () => {
    const first = await connect();
    const second = await connect();
    await second.rpc.sendRequest('hello', HELLO);
    const closed = new Promise(resolve =>
      first.socket.once('close', code => resolve(code))
    );
    first.socket.send('x'.repeat(MAX_MESSAGE_BYTES + 1));
    expect(await closed).toBe(1009);
    expect(await second.rpc.sendRequest('operation.list', {})).toEqual({
      operations: []
    });
  });

  it('closes a connection that sends no JSON', async () => {
    const { socket } = await connect();
    const closed = new Promise(resolve =>
      socket.once('close', code => resolve(code))
    );
    socket.send('{');
    expect(await closed).toBe(1007);
  });

  function http(
    method: string,
    path: string,
    body?: Buffer
  ): Promise<{ status?: number; headers: object; body: Buffer }> {
    return new Promise((resolve, reject) => {
      const outgoing = httpRequest({ socketPath, method, path }, response => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () =>
          resolve({
            status: response.statusCode,
            headers: response.headers,
            body: Buffer.concat(parts)
          })
        );
      });
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }

  it('carries bytes both ways, as an attachment that cannot run', async () => {
    const id = blobs.create('text/html');
    const bytes = Buffer.alloc(3 * MAX_MESSAGE_BYTES, 'ab');
    expect((await http('PUT', `/api/v1/blobs/${id}`, bytes)).status).toBe(204);
    const answer = await http('GET', `/api/v1/blobs/${id}`);
    expect(answer.body.equals(bytes)).toBe(true);
    expect(answer.headers).toMatchObject({
      'content-disposition': 'attachment',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "sandbox; default-src 'none'"
    });
    await blobs.drop(id);
    expect((await http('GET', `/api/v1/blobs/${id}`)).status).toBe(404);
    expect(existsSync(join(folder, 'blobs', id))).toBe(false);
  });

  it('knows no other path', async () => {
    expect((await http('GET', '/')).status).toBe(404);
    expect((await http('GET', '/api/v1/blobs/../x')).status).toBe(404);
  });
});
