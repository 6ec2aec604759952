// SPDX-License-Identifier: BSD-3-Clause
import * as http from 'node:http';
import * as net from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { BentoError } from '../../domain/errors';
import type { Forward } from '../../protocol';
import { Forwards } from './forwards';
import { ApiStub, passTo } from './testing/apiStub';
import { FakeView } from './testing/fakeView';
import { startServer, type TestServer, textOf } from './testing/http';
import { until } from './testing/until';
import { Tunnels } from './tunnels';

jest.setTimeout(30_000);

let stub: ApiStub;
let view: FakeView;
let app: TestServer;
let tunnels: Tunnels;
let forwards: Forwards;
/** Set by a test that wants to answer itself. */
let answer: http.RequestListener;

beforeEach(async () => {
  stub = new ApiStub();
  await stub.start();
  view = new FakeView();
  view.set([{ name: 'a' }]);
  answer = (_request, response) => response.end('hello');
  app = await startServer((request, response) => answer(request, response));
  stub.pods.set(
    'a',
    passTo(() => app.port)
  );
  const connection = stub.connection();
  tunnels = new Tunnels({
    connection: () => Promise.resolve(connection),
    watch: () => Promise.resolve(view)
  });
  forwards = new Forwards(tunnels);
});

afterEach(async () => {
  forwards.closeAll();
  tunnels.close();
  await stub.stop();
  await app.stop();
});

function open(port?: number): Promise<Forward> {
  return forwards.open({ namespace: 'ds', name: 'demo', port });
}

interface Asked {
  status: number;
  headers: http.IncomingHttpHeaders;
  text: string;
}

function ask(
  forward: Forward,
  options: http.RequestOptions = {},
  body?: string
): Promise<Asked> {
  return new Promise((resolve, reject) => {
    http
      .request(forward.address, { agent: false, ...options }, response => {
        const { headers, statusCode: status = 0 } = response;
        textOf(response).then(
          text => resolve({ status, headers, text }),
          reject
        );
      })
      .on('error', reject)
      .end(body);
  });
}

async function failure(promise: Promise<unknown>): Promise<BentoError> {
  const thrown: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error
  );
  expect(thrown).toBeInstanceOf(BentoError);
  return thrown as BentoError;
}

describe('passing on', () => {
  it('passes requests on, with their body and both ends of the headers', async () => {
    answer = (request, response) =>
      void textOf(request).then(body => {
        response.writeHead(201, 'Made', { 'X-One': ['1', '2'] });
        response.end(
          JSON.stringify({ body, url: request.url, method: request.method })
        );
      });
    const asked = await ask(
      await open(),
      { method: 'PUT', path: '/a?b=c' },
      'text'
    );
    expect(asked.status).toBe(201);
    expect(asked.headers['x-one']).toBe('1, 2');
    expect(JSON.parse(asked.text)).toEqual({
      body: 'text',
      url: '/a?b=c',
      method: 'PUT'
    });
  });

  it.each(['POST', 'DELETE', 'GET'])(
    'frames a %s body of unknown length',
    async method => {
      answer = (request, response) =>
        void textOf(request).then(body => response.end(body));
      const asked = await ask(
        await open(),
        { method, headers: { 'transfer-encoding': 'chunked' } },
        'chunks'
      );
      expect(asked.text).toBe('chunks');
    }
  );

  it('keeps who calls out of it, except for what the caller itself says', async () => {
    answer = (request, response) =>
      response
        .setHeader('Set-Cookie', 'a=b')
        .end(JSON.stringify(request.headers));
    const { text, headers } = await ask(await open(), {
      headers: {
        Authorization: 'Bearer mine',
        Cookie: '_xsrf=1; username-localhost=secret',
        'X-XSRFToken': '1',
        'Kubeflow-UserID': 'a@b.c',
        'Kubeflow-Groups': 'g',
        'X-Auth-Request-Email': 'a@b.c',
        'X-Forwarded-Client-Cert': 'x',
        'X-Mine': 'yes',
        Connection: 'x-hop',
        'X-Hop': 'no',
        Expect: '100-continue'
      }
    });
    const reached = JSON.parse(text) as Record<string, string>;
    expect(reached).toMatchObject({
      authorization: 'Bearer mine',
      'x-mine': 'yes'
    });
    expect(Object.keys(reached).sort()).toEqual(
      ['authorization', 'connection', 'host', 'x-mine'].sort()
    );
    expect(headers['set-cookie']).toBeUndefined();
  });

  it('survives a header named like a part of every object', async () => {
    const forward = await open();
    const socket = net.connect(forward.port, '127.0.0.1');
    socket.write(
      'GET / HTTP/1.1\r\nHost: localhost\r\n__proto__: x\r\nConnection: close\r\n\r\n'
    );
    expect(await textOf(socket)).toContain('hello');
  });

  it('hands out an event stream as it comes, head first', async () => {
    let gone = false;
    let emit = (_text: string) => undefined as unknown;
    answer = (_request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.flushHeaders();
      response.on('close', () => (gone = true));
      emit = text => response.write(text);
    };
    const forward = await open();
    const response = await new Promise<http.IncomingMessage>(resolve =>
      http.get(forward.address, { agent: false }, resolve)
    );
    expect(response.headers['content-type']).toBe('text/event-stream');
    const next = () =>
      new Promise<string>(resolve =>
        response.once('data', (data: Buffer) => resolve(data.toString()))
      );
    for (const text of ['data: 1\n\n', 'data: 2\n\n']) {
      const coming = next();
      emit(text);
      expect(await coming).toBe(text);
    }
    response.destroy();
    await until(() => gone);
  });

  it('passes WebSockets on', async () => {
    const upgrader = new WebSocketServer({ server: app.server });
    upgrader.on('connection', socket => {
      socket.on('message', (data: Buffer) =>
        socket.send(`echo ${String(data)}`)
      );
    });
    const forward = await open();
    const client = new WebSocket(`ws://127.0.0.1:${forward.port}/ws`);
    await new Promise(resolve => client.once('open', resolve));
    client.send('hi');
    const echoed = await new Promise<Buffer>(resolve =>
      client.once('message', resolve)
    );
    expect(echoed.toString()).toBe('echo hi');
    client.close();
    await until(() => upgrader.clients.size === 0);
  });

  it('passes the refusal of a WebSocket on', async () => {
    app.server.on('upgrade', (_request, socket) =>
      socket.end('HTTP/1.1 418 Teapot\r\nContent-Length: 2\r\n\r\nno')
    );
    const forward = await open();
    const client = new WebSocket(`ws://127.0.0.1:${forward.port}/`);
    const error = await new Promise<Error>(resolve =>
      client.once('error', resolve)
    );
    expect(error.message).toContain('418');
  });

  it('ends a download when the client leaves', async () => {
    let gone = false;
    answer = (_request, response) => {
      response.write(Buffer.alloc(8 * 1024 * 1024));
      response.on('close', () => (gone = true));
    };
    const forward = await open();
    const response = await new Promise<http.IncomingMessage>(resolve =>
      http.get(forward.address, { agent: false }, resolve)
    );
    response.once('data', () => response.destroy());
    await until(() => gone);
    answer = (_request, reply) => reply.end('next');
    expect((await ask(forward)).text).toBe('next');
  });
});

describe('who is answered', () => {
  it.each(['localhost', '127.0.0.1', 'localhost:1234', '127.0.0.1:80'])(
    '%s is',
    async host => {
      expect((await ask(await open(), { headers: { host } })).status).toBe(200);
    }
  );

  it.each([
    'kubeflow.example.com',
    'localhost.example.com',
    '127.0.0.1.nip.io',
    '0.0.0.0',
    '[::1]',
    'user@localhost',
    'localhost:1:2'
  ])('%s is not', async host => {
    let reached = false;
    answer = (_request, response) => {
      reached = true;
      response.end();
    };
    const asked = await ask(await open(), { headers: { host } });
    expect(asked.status).toBe(403);
    expect(reached).toBe(false);
  });

  it.each(['X-Forwarded-Context', 'X-ProxyContextPath', 'X-Forwarded-Prefix'])(
    'a proxy that sets %s is not, whatever its Host',
    async name => {
      const headers = { host: 'localhost:8888', [name]: '/proxy/1' };
      expect((await ask(await open(), { headers })).status).toBe(403);
    }
  );

  it('each request of a kept connection is looked at', async () => {
    const forward = await open();
    const socket = net.connect(forward.port, '127.0.0.1');
    socket.write('GET /1 HTTP/1.1\r\nHost: localhost\r\n\r\n');
    socket.write('GET /2 HTTP/1.1\r\nHost: evil.example\r\n\r\n');
    const text = await textOf(socket);
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual([
      'HTTP/1.1 200',
      'HTTP/1.1 403'
    ]);
  });

  it('two Host headers are not, nor a foreign address in the request line', async () => {
    const forward = await open();
    for (const [request, status] of [
      ['GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n', '40[03]'],
      ['GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n', '400']
    ]) {
      const socket = net.connect(forward.port, '127.0.0.1');
      socket.write(`${request ?? ''}Connection: close\r\n\r\n`);
      expect(await textOf(socket)).toMatch(
        new RegExp(`^HTTP/1.1 ${status ?? ''}`)
      );
    }
  });

  it('a WebSocket of a foreign page is not', async () => {
    const forward = await open();
    const client = new WebSocket(`ws://127.0.0.1:${forward.port}/`, {
      headers: { Host: 'evil.example' }
    });
    const error = await new Promise<Error>(resolve =>
      client.once('error', resolve)
    );
    expect(error.message).toContain('403');
  });

  it('nothing but loopback listens', async () => {
    const forward = await open();
    const entry = forwards['entries'].get(forward.id);
    expect(entry?.server.address()).toMatchObject({ address: '127.0.0.1' });
  });
});

describe('state', () => {
  it('tells connections, failures and recovery', async () => {
    const states: Forward[] = [];
    forwards.onChange(forward => states.push(forward));
    const forward = await open();
    view.set([{ name: 'a', ready: false }]);
    const failed = await ask(forward);
    expect(failed.status).toBe(503);
    expect(failed.text).toContain('No pod of demo is ready');
    expect(forwards.list()[0]).toMatchObject({
      state: 'failing',
      error: expect.stringContaining('No pod') as string
    });
    view.set([{ name: 'a' }]);
    expect((await ask(forward)).status).toBe(200);
    await until(() => forwards.list()[0]?.connections === 0);
    expect(forwards.list()[0]).toEqual(forward);
    expect(states.map(({ connections }) => connections)).toContain(1);
  });

  it('a deployment that is deleted closes its listener', async () => {
    const forward = await open();
    const closed = new Promise<Forward>(resolve => forwards.onChange(resolve));
    view.set([], []);
    expect((await closed).state).toBe('closed');
    expect(forwards.list()).toEqual([]);
    await expect(ask(forward)).rejects.toThrow('ECONNREFUSED');
    await until(() => view.held === 0);
  });

  it('opened and closed 50 times leaves nothing', async () => {
    const addresses: Forward[] = [];
    for (let index = 0; index < 50; index++) {
      const forward = await open();
      addresses.push(forward);
      await ask(forward);
      expect(forwards.close(forward.id).state).toBe('closed');
    }
    for (const forward of addresses) {
      await expect(ask(forward)).rejects.toThrow('ECONNREFUSED');
    }
    tunnels.close();
    await until(() => view.held === 0 && stub.sockets.size === 0);
  });

  it('closing cuts what is under way', async () => {
    answer = (_request, response) => response.write('begun');
    const forward = await open();
    const asked = ask(forward);
    await until(() => app.sockets.size > 0 && stub.tunnels.size > 0);
    await until(() => forwards.list()[0]?.connections === 1);
    forwards.close(forward.id);
    await expect(asked).rejects.toThrow();
  });

  it('there is a limit', async () => {
    const many = await Promise.allSettled(
      Array.from({ length: 21 }, () => open())
    );
    expect(many.filter(({ status }) => status === 'fulfilled')).toHaveLength(
      20
    );
    expect((await failure(open())).code).toBe('tooManyForwards');
    forwards.closeAll();
    expect((await open()).state).toBe('listening');
  });
});

describe('refusals', () => {
  it('a port that is taken', async () => {
    const error = await failure(open(app.port));
    expect(error.code).toBe('portTaken');
    expect(error.message).toContain(String(app.port));
    await until(() => view.held === 0);
  });

  it.each([-1, 65536, 1.5, NaN])('port %d', async port => {
    const error = await failure(open(port));
    expect(error.code).toBe('invalidParams');
    expect(error.params.field).toBe('port');
  });

  it('a deployment that is not there', async () => {
    const promise = forwards.open({ namespace: 'ds', name: 'demmo' });
    expect((await failure(promise)).code).toBe('notFound');
    await until(() => view.held === 0);
  });

  it('closing what is not open', () => {
    expect(() => forwards.close('x')).toThrow(BentoError);
  });
});
