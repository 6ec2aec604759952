// SPDX-License-Identifier: BSD-3-Clause
import type * as http from 'node:http';
import { Readable } from 'node:stream';
import { BentoError } from '../../domain/errors';
import type { ServiceRequest } from '../../protocol';
import { ApiStub, passTo } from '../forward/testing/apiStub';
import { FakeView } from '../forward/testing/fakeView';
import { startServer, type TestServer, textOf } from '../forward/testing/http';
import { until } from '../forward/testing/until';
import { Tunnels } from '../forward/tunnels';
import { type InvokeContext, Invoker } from './invoker';

jest.setTimeout(30_000);

/** A name that no resolver knows. */
const NOWHERE = 'http://{service}.{namespace}.invalid:3000';
const MIB = 1024 * 1024;

let stub: ApiStub;
let view: FakeView;
let app: TestServer;
let tunnels: Tunnels;
let answer: http.RequestListener;
let seen: http.IncomingMessage[];
let saved: Map<string, Buffer>;

beforeEach(async () => {
  stub = new ApiStub();
  await stub.start();
  view = new FakeView();
  view.set([{ name: 'a' }]);
  seen = [];
  saved = new Map();
  answer = (request, response) =>
    void textOf(request).then(body =>
      response
        .setHeader('Content-Type', 'application/json')
        .end(JSON.stringify({ body, method: request.method }))
    );
  app = await startServer((request, response) => {
    seen.push(request);
    answer(request, response);
  });
  stub.pods.set(
    'a',
    passTo(() => app.port)
  );
  const connection = stub.connection();
  tunnels = new Tunnels({
    connection: () => Promise.resolve(connection),
    watch: () => Promise.resolve(view)
  });
});

afterEach(async () => {
  tunnels.close();
  await stub.stop();
  await app.stop();
});

function invoker(serviceAddress = NOWHERE): Invoker {
  return new Invoker({ tunnels, serviceAddress });
}

function here(): string {
  return `http://127.0.0.1:${app.port}`;
}

function context(signal = new AbortController().signal): InvokeContext {
  return {
    signal,
    readBlob: id => {
      const bytes = saved.get(id);
      return bytes
        ? Promise.resolve({
            size: bytes.length,
            stream: Readable.from([bytes])
          })
        : Promise.reject(
            new BentoError('notFound', { params: { what: `Blob ${id}` } })
          );
    },
    saveBlob: async source => {
      const chunks: Buffer[] = [];
      for await (const chunk of source) {
        chunks.push(chunk as Buffer);
      }
      const bytes = Buffer.concat(chunks);
      const id = `blob-${saved.size}`;
      saved.set(id, bytes);
      return { id, size: bytes.length };
    }
  };
}

type Change = Partial<ServiceRequest>;

function ask(by: Invoker, change: Change = {}, given = context()) {
  return by.request(
    { namespace: 'ds', name: 'demo', path: '/classify', ...change },
    given
  );
}

async function failure(promise: Promise<unknown>): Promise<BentoError> {
  const thrown: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error
  );
  expect(thrown).toBeInstanceOf(BentoError);
  return thrown as BentoError;
}

const inline = (data: string) =>
  ({ kind: 'inline', encoding: 'utf8', data }) as const;

describe('the way', () => {
  it('is the Service when that answers, with its own Host', async () => {
    const answered = await ask(invoker(here()), { body: inline('{"a": 1}') });
    expect(answered).toMatchObject({
      status: 200,
      via: 'direct',
      contentType: 'application/json',
      body: inline(JSON.stringify({ body: '{"a": 1}', method: 'POST' }))
    });
    expect(answered.pod).toBeUndefined();
    expect(answered.ms).toBeGreaterThan(0);
    expect(seen[0]?.headers.host).toBe(`127.0.0.1:${app.port}`);
  });

  it('is a forward otherwise, and stays so', async () => {
    const by = invoker();
    const first = await ask(by);
    expect(first).toMatchObject({ via: 'forward', pod: 'a', status: 200 });
    expect(seen.at(-1)?.headers.host).toBe('demo.ds.invalid:3000');
    const direct = jest.spyOn(by['reacher'], 'direct' as never);
    expect((await ask(by)).via).toBe('forward');
    expect(direct).not.toHaveBeenCalled();
  });

  it('is what the caller says', async () => {
    const by = invoker(here());
    expect((await ask(by, { via: 'forward' })).via).toBe('forward');
    expect((await ask(by, { via: 'direct' })).via).toBe('direct');
    const error = await failure(ask(invoker(), { via: 'direct' }));
    expect(error.code).toBe('serviceUnreachable');
    expect(error.message).toContain('demo.ds.invalid:3000 does not answer');
  });

  it.each([
    [403, 'RBAC: access denied'],
    [503, 'no healthy upstream'],
    [
      503,
      'upstream connect error or disconnect/reset before headers. reset reason: connection failure'
    ]
  ])('is a forward when the mesh answers %d %s', async (status, text) => {
    const mesh = await startServer((_request, response) =>
      response.writeHead(status, { server: 'envoy' }).end(text)
    );
    const by = invoker(`http://127.0.0.1:${mesh.port}`);
    const answered = await ask(by, { body: inline('1') });
    expect(answered).toMatchObject({ via: 'forward', status: 200 });
    const error = await failure(ask(by, { via: 'direct' }));
    expect(error.message).toContain('mesh');
    expect(error.message).toContain(text.slice(0, 40));
    await mesh.stop();
  });

  it('is not changed under a request that may have acted', async () => {
    const mesh = await startServer((_request, response) =>
      response
        .writeHead(503, { server: 'istio-envoy' })
        .end(
          'upstream connect error or disconnect/reset before headers. reset reason: connection termination'
        )
    );
    const by = invoker(`http://127.0.0.1:${mesh.port}`);
    const error = await failure(ask(by, { body: inline('1') }));
    expect(error.code).toBe('serviceUnreachable');
    expect(seen).toEqual([]);
    expect((await ask(by, { method: 'GET' })).via).toBe('forward');
    await mesh.stop();
  });

  it('is the Service when the service itself says 403, or 503 through a sidecar', async () => {
    answer = (_request, response) =>
      response.writeHead(403, { server: 'uvicorn' }).end('RBAC: access denied');
    const by = invoker(here());
    expect(await ask(by)).toMatchObject({ via: 'direct', status: 403 });
    const long = 'x'.repeat(100_000);
    answer = (_request, response) =>
      response.writeHead(503, { server: 'envoy' }).end(long);
    expect(await ask(by)).toMatchObject({ via: 'direct', status: 503 });
  });

  it('is the Service again when forwarding is forbidden', async () => {
    const by = invoker(here());
    by['reacher']['chosen'].set('ds/demo', 'forward');
    stub.refusals.push({ status: 403, message: 'no' });
    expect((await ask(by)).via).toBe('direct');
  });

  it('missing, both reasons are told', async () => {
    stub.refusals.push(
      { status: 403, message: 'no' },
      { status: 403, message: 'no' }
    );
    const error = await failure(ask(invoker()));
    expect(error.code).toBe('forwardForbidden');
    expect(error.details.join()).toContain('Direct: demo.ds.invalid:3000');
    view.set([{ name: 'a', ready: false }]);
    expect((await failure(ask(invoker()))).code).toBe('serviceNotReady');
  });

  it('leads to deployments of the namespace only', async () => {
    for (const name of ['kubernetes', '169.254.169.254', 'a/b', 'a.other']) {
      for (const via of ['direct', 'forward', undefined] as const) {
        const error = await failure(ask(invoker(here()), { name, via }));
        expect(error.code).toBe('notFound');
      }
    }
    expect(seen).toEqual([]);
  });

  it('must be an address', async () => {
    const error = await failure(ask(invoker('{service}:3000')));
    expect(error.code).toBe('invalidParams');
    expect(error.params.field).toBe('JUPYTERLAB_BENTO_SERVICE_ADDRESS');
  });
});

describe('the request', () => {
  const asked = () => {
    const { method, url, headers } = seen.at(-1) ?? {};
    return { method, url, type: headers?.['content-type'] };
  };

  it.each<[string, Change, object]>([
    [
      'JSON by its looks',
      { body: inline('[1]') },
      { method: 'POST', type: 'application/json' }
    ],
    [
      'text by its looks',
      { body: inline('hi') },
      { method: 'POST', type: 'text/plain; charset=utf-8' }
    ],
    [
      'bytes',
      { body: { kind: 'inline', encoding: 'base64', data: 'AAE=' } },
      { type: 'application/octet-stream' }
    ],
    [
      'what the caller says',
      { method: 'put', contentType: 'text/csv', body: inline('1') },
      { method: 'PUT', type: 'text/csv' }
    ],
    [
      'a type among the headers',
      { headers: { 'Content-Type': 'a/b' }, body: inline('1') },
      { type: 'a/b' }
    ],
    ['no body', { method: 'POST' }, { method: 'POST', type: undefined }],
    [
      'a path in any script',
      { path: '/ä b?q=€#f' },
      { url: '/%C3%A4%20b?q=%E2%82%AC' }
    ]
  ])('%s', async (_what, change, expected) => {
    await ask(invoker(here()), change);
    expect(asked()).toMatchObject(expected);
  });

  it('learns its method and type from the service when it says neither', async () => {
    const plain = answer;
    answer = (request, response) =>
      request.url === '/docs.json'
        ? response.end(
            JSON.stringify({
              paths: {
                '/noargs': {
                  post: {
                    tags: ['Service APIs'],
                    requestBody: { content: { 'application/json': {} } }
                  }
                },
                '/csv': {
                  put: {
                    tags: ['Service APIs'],
                    requestBody: { content: { 'text/csv': {} } }
                  }
                }
              }
            })
          )
        : plain(request, response);
    const by = invoker(here());
    const first = await ask(by, { path: '/noargs' });
    expect(first.body).toEqual(
      inline(JSON.stringify({ body: '{}', method: 'POST' }))
    );
    await ask(by, { path: '/csv', body: inline('1,2') });
    expect(asked()).toEqual({ method: 'PUT', url: '/csv', type: 'text/csv' });
    await ask(by, { path: '/other' });
    expect(asked().method).toBe('GET');
    expect(seen.filter(({ url }) => url === '/docs.json')).toHaveLength(1);
  });

  it('is sent without knowing, when the service has no description', async () => {
    answer = (request, response) =>
      response.writeHead(request.url === '/docs.json' ? 404 : 200).end('ok');
    expect((await ask(invoker(here()))).body).toEqual({
      kind: 'inline',
      encoding: 'base64',
      data: Buffer.from('ok').toString('base64')
    });
  });

  it('takes its body from a blob, also when it is sent again', async () => {
    saved.set('in', Buffer.alloc(2 * MIB, 'b'));
    const body = { kind: 'blob', id: 'in', size: 2 * MIB } as const;
    let size = 0;
    answer = (request, response) =>
      void textOf(request).then(text => {
        size = text.length;
        response.end();
      });
    const answered = await ask(invoker(), { body });
    expect(answered.via).toBe('forward');
    expect(size).toBe(2 * MIB);
    expect(seen.at(-1)?.headers['content-length']).toBe(String(2 * MIB));
    const unknown = { ...body, id: 'gone' };
    expect((await failure(ask(invoker(), { body: unknown }))).code).toBe(
      'notFound'
    );
  });

  it.each<[string, Change]>([
    ['path', { path: 'classify' }],
    ['path', { path: 'http://evil.example/' }],
    ['path', { path: '/\ud800' }],
    ['method', { method: 'GET /' }],
    ['method', { method: 'CONNECT' }],
    ['headers.Cookie', { headers: { Cookie: 'a=b' } }],
    ['headers.kubeflow-userid', { headers: { 'kubeflow-userid': 'x' } }],
    ['headers.X-XSRFToken', { headers: { 'X-XSRFToken': 'x' } }],
    ['headers.Host', { headers: { Host: 'evil' } }],
    ['headers.Upgrade', { headers: { Upgrade: 'websocket' } }],
    ['headers.a b', { headers: { 'a b': 'c' } }],
    ['headers.x', { headers: { x: 'a\r\nb: c' } }]
  ])('is refused for its %s: %j', async (field, change) => {
    const error = await failure(
      ask(invoker(here()), { method: 'GET', ...change })
    );
    expect(error.code).toBe('invalidParams');
    expect(error.params.field).toBe(field);
    expect(seen).toEqual([]);
  });

  it('may carry an Authorization of its own', async () => {
    await ask(invoker(here()), { headers: { Authorization: 'Bearer mine' } });
    expect(seen.at(-1)?.headers.authorization).toBe('Bearer mine');
  });
});

describe('the answer', () => {
  const reply = (type: string, body: string | Buffer, status = 200) => {
    answer = (_request, response) =>
      response.writeHead(status, 'Said', { 'Content-Type': type }).end(body);
  };

  it.each([404, 422, 500])('with status %d is an answer', async status => {
    reply('application/json', '{"error": "no"}', status);
    expect(await ask(invoker(here()))).toMatchObject({
      status,
      statusText: 'Said',
      body: inline('{"error": "no"}')
    });
  });

  it('that leads elsewhere is not followed', async () => {
    answer = (_request, response) =>
      response.writeHead(302, { Location: 'http://evil.example/' }).end();
    const answered = await ask(invoker(here()), { method: 'GET' });
    expect(answered.status).toBe(302);
    expect(answered.headers.location).toBe('http://evil.example/');
  });

  it('is text by its charset, and bytes as base64', async () => {
    const by = invoker(here());
    reply('text/plain; charset=latin1', Buffer.from([0xe9]));
    expect((await ask(by)).body).toEqual(inline('é'));
    reply('image/png', Buffer.from([1, 2]));
    expect((await ask(by)).body).toEqual({
      kind: 'inline',
      encoding: 'base64',
      data: 'AQI='
    });
  });

  it('stays below the limit of a message also when JSON would swell it', async () => {
    reply('text/plain', '\u0001'.repeat(200 * 1024));
    const { body } = await ask(invoker(here()));
    expect(body).toMatchObject({ kind: 'inline', encoding: 'base64' });
  });

  it.each(['direct', 'forward'] as const)(
    'that is big goes to a blob, whole (%s)',
    async via => {
      const bytes = Buffer.alloc(20 * MIB, '0123456789abcdef-');
      reply('application/json', bytes);
      const { body } = await ask(invoker(here()), { via });
      expect(body).toEqual({ kind: 'blob', id: 'blob-0', size: bytes.length });
      expect(saved.get('blob-0')?.equals(bytes)).toBe(true);
    }
  );

  it('of exactly the limit stays in the message', async () => {
    reply('text/plain', 'x'.repeat(256 * 1024));
    expect((await ask(invoker(here()))).body.kind).toBe('inline');
    reply('text/plain', 'x'.repeat(256 * 1024 + 1));
    expect((await ask(invoker(here()))).body.kind).toBe('blob');
  });

  it.each(['direct', 'forward'] as const)(
    'that breaks off is an error (%s)',
    async via => {
      answer = (_request, response) => {
        response.writeHead(200, { 'Content-Length': 1000 });
        response.write('half', () => response.destroy());
      };
      const error = await failure(ask(invoker(here()), { via }));
      expect(error.code).toBe('serviceUnreachable');
      expect(error.message).toContain('broke off');
    }
  );

  it('that cannot be stored is an error, and nothing stays open', async () => {
    reply('a/b', Buffer.alloc(8 * MIB));
    const given = {
      ...context(),
      saveBlob: () => Promise.reject(new BentoError('tooLarge'))
    };
    const by = invoker(here());
    const promise = ask(by, { via: 'forward' }, given);
    expect((await failure(promise)).code).toBe('tooLarge');
    tunnels.close();
    await until(() => stub.sockets.size === 0);
  });
});

describe('time', () => {
  it.each(['direct', 'forward'] as const)(
    'runs out with a hint, and the connection is closed (%s)',
    async via => {
      answer = () => undefined;
      const error = await failure(ask(invoker(here()), { via, timeout: 100 }));
      expect(error.code).toBe('requestTimeout');
      expect(error.message).toContain('0.1 s');
      await until(() => seen.every(request => request.socket.destroyed));
    }
  );

  it('runs out also in the middle of the answer', async () => {
    answer = (_request, response) => response.write('half');
    const error = await failure(ask(invoker(here()), { timeout: 100 }));
    expect(error.code).toBe('requestTimeout');
  });

  it.each(['direct', 'forward'] as const)(
    'is cut short by cancelling, and the next request works (%s)',
    async via => {
      const works = answer;
      const controller = new AbortController();
      answer = (_request, response) => {
        response.write(Buffer.alloc(MIB));
        controller.abort();
      };
      const by = invoker(here());
      const promise = ask(by, { via }, context(controller.signal));
      expect((await failure(promise)).code).toBe('cancelled');
      await until(() => seen.every(request => request.socket.destroyed));
      answer = works;
      expect((await ask(by, { via })).status).toBe(200);
      const late = ask(by, { via }, context(controller.signal));
      expect((await failure(late)).code).toBe('cancelled');
    }
  );

  it('is not spent on a stalled request by another one', async () => {
    const works = answer;
    answer = (request, response) =>
      request.url === '/stall' ? undefined : works(request, response);
    const by = invoker();
    const controller = new AbortController();
    const stalled = ask(by, { path: '/stall' }, context(controller.signal));
    expect((await ask(by)).status).toBe(200);
    controller.abort();
    expect((await failure(stalled)).code).toBe('cancelled');
  });
});

describe('the routes', () => {
  const routes = (by: Invoker) =>
    by.routes({
      namespace: 'ds',
      name: 'demo',
      signal: new AbortController().signal
    });

  it('come from the description of the service', async () => {
    const title = 'demo';
    answer = (_request, response) =>
      response.end(
        JSON.stringify({
          info: { title },
          paths: { '/a': { post: { tags: ['Service APIs'] } } }
        })
      );
    expect(await routes(invoker())).toEqual({
      title,
      routes: [{ path: '/a', method: 'POST', summary: '' }]
    });
  });

  it.each([
    [404, 'no', 'does not describe'],
    [200, '<html>', 'not JSON'],
    [200, 'x'.repeat(9 * MIB), 'over 8388608 bytes']
  ])('missing (%d) are an error that says so', async (status, text, reason) => {
    answer = (_request, response) => response.writeHead(status).end(text);
    const error = await failure(routes(invoker()));
    expect(error.code).toBe('requestFailed');
    expect(error.message).toContain(reason);
  });

  it('of something odd are none', async () => {
    answer = (_request, response) => response.end('{"paths": [null]}');
    expect(await routes(invoker())).toEqual({ title: '', routes: [] });
  });
});
