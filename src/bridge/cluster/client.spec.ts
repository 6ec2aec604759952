// SPDX-License-Identifier: BSD-3-Clause
import { BentoError } from '../../domain/errors';
import { apiFailure } from './apiErrors';
import { KubeClient } from './client';
import type { Connection } from './connection';
import { ManualClock } from './testing/manualClock';
import {
  sendJson,
  sendStatus,
  StubServer,
  type StubHandler
} from './testing/stubServer';
import { turns, until } from './testing/until';

const POD = '/api/v1/namespaces/ns/pods/demo';
const THINGS = '/apis/example.org/v1/namespaces/ns/things';

let server: StubServer;
let client: KubeClient;
let clock: ManualClock;

async function start(
  handler: StubHandler,
  options: { connection?: Partial<Connection>; secure?: boolean } = {}
): Promise<void> {
  clock = new ManualClock();
  server = await StubServer.start(handler, { secure: options.secure });
  const connection = { ...server.connection(), ...options.connection };
  client = new KubeClient(connection, { clock });
}

afterEach(async () => {
  client.close();
  await server.close().catch(() => undefined);
});

/** The error that work ends with. */
async function failure(work: Promise<unknown>): Promise<BentoError> {
  try {
    await work;
  } catch (error) {
    expect(error).toBeInstanceOf(BentoError);
    return error as BentoError;
  }
  throw new Error('It did not fail.');
}

describe('requests', () => {
  it('reads over TLS with the credentials, on one connection', async () => {
    const ports = new Set<number | undefined>();
    await start(
      (_request, response) => {
        ports.add(response.socket?.remotePort);
        sendJson(response, 200, { kind: 'Pod' });
      },
      { secure: true }
    );
    for (let times = 0; times < 3; times++) {
      expect(await client.get(POD, { pretty: undefined, a: 'b c&d' })).toEqual({
        kind: 'Pod'
      });
    }
    expect(ports.size).toBe(1);
    const [request] = server.requests;
    expect(request?.headers.authorization).toBe('Bearer secret-token');
    expect([...(request?.query ?? [])]).toEqual([['a', 'b c&d']]);
  });

  it('puts the path of the server before its own', async () => {
    await start((_request, response) => sendJson(response, 200, {}));
    client = new KubeClient({
      ...server.connection(),
      server: `${server.url}/k8s/clusters/c-1`
    });
    await client.get(POD);
    expect(server.requests[0]?.path).toBe(`/k8s/clusters/c-1${POD}`);
  });

  it('reads a collection page by page and keeps what it is told to', async () => {
    await start(({ query }, response) =>
      sendJson(response, 200, {
        metadata: {
          resourceVersion: '7',
          continue: query.has('continue') ? '' : 'next'
        },
        items: query.has('continue') ? null : [{ n: 1 }, { n: 2 }]
      })
    );
    const listed = await client.list(THINGS, {
      keep: raw => (raw as { n: number }).n
    });
    expect(listed).toEqual({ items: [1, 2], resourceVersion: '7' });
    expect(server.requests.map(({ query }) => query.get('limit'))).toEqual([
      '100',
      '100'
    ]);
  });

  it('writes with our manager and strict fields', async () => {
    await start(({ body }, response) =>
      sendJson(response, 201, JSON.parse(body))
    );
    const object = { spec: { bento: 'Zürich' } };
    expect(await client.create(THINGS, object)).toEqual(object);
    await client.apply(`${THINGS}/a`, object);
    await client.patch(`${THINGS}/a`, object);
    const [create, apply, patch] = server.requests;
    expect(create).toMatchObject({ method: 'POST' });
    expect(Object.fromEntries(create?.query ?? [])).toEqual({
      fieldManager: 'jupyterlab-bento',
      fieldValidation: 'Strict'
    });
    expect(apply).toMatchObject({
      method: 'PATCH',
      headers: { 'content-type': 'application/apply-patch+yaml' }
    });
    expect(Object.fromEntries(apply?.query ?? [])).toEqual({
      fieldManager: 'jupyterlab-bento',
      fieldValidation: 'Strict',
      force: 'false'
    });
    expect(patch?.headers['content-type']).toBe('application/merge-patch+json');
  });

  it('a trial names the fields that the server dropped without a word', async () => {
    await start((_request, response) =>
      sendJson(response, 200, { spec: { list: [{ a: 1 }], given: 'x' } })
    );
    const sent = {
      spec: { downloadURL: 'x', list: [{ a: 1, b: 2 }], empty: '', given: 'x' }
    };
    const error = await failure(
      client.apply(`${THINGS}/a`, sent, { dryRun: true })
    );
    expect(error.code).toBe('apiRejected');
    expect(error.params.reason).toBe(
      'unknown field spec.downloadURL, spec.list[0].b'
    );
    expect(server.requests[0]?.query.get('dryRun')).toBe('All');
  });

  it('deletes with options', async () => {
    await start((_request, response) => sendJson(response, 200, {}));
    await client.delete(POD, { propagationPolicy: 'Foreground' });
    expect(server.requests[0]).toMatchObject({
      method: 'DELETE',
      body: '{"propagationPolicy":"Foreground"}'
    });
  });

  it('ends when it is cancelled', async () => {
    await start(() => undefined);
    const abort = new AbortController();
    const reading = failure(client.get(POD, {}, abort.signal));
    await until(() => server.requests.length === 1);
    abort.abort();
    expect((await reading).code).toBe('cancelled');
  });
});

describe('what the API server refuses', () => {
  const answers: {
    name: string;
    status: number;
    body: object | string;
    act?: () => Promise<unknown>;
    code: string;
    params?: object;
  }[] = [
    {
      name: 'rights',
      status: 403,
      body: {
        message:
          'pods "demo" is forbidden: User "system:serviceaccount:ns:default" cannot get resource "pods"'
      },
      code: 'forbidden',
      params: { verb: 'get', resource: 'pods', namespace: 'ns' }
    },
    {
      name: 'rights on a subresource, told in plain text',
      status: 403,
      body: 'RBAC: access denied',
      act: () => client.create(`${POD}/portforward`, {}),
      code: 'forbidden',
      params: { verb: 'create', resource: 'pods/portforward', namespace: 'ns' }
    },
    {
      name: 'quota',
      status: 403,
      body: {
        message:
          'pods "x" is forbidden: exceeded quota: kf-resource-quota, requested: cpu=2, used: cpu=3, limited: cpu=4'
      },
      code: 'quotaExceeded',
      params: {
        quota: 'kf-resource-quota',
        reason: 'requested: cpu=2, used: cpu=3, limited: cpu=4'
      }
    },
    {
      name: 'admission',
      status: 403,
      body: {
        message:
          'pods "x" is forbidden: violates PodSecurity "baseline:latest": privileged'
      },
      code: 'apiRejected'
    },
    {
      name: 'an object that is not there',
      status: 404,
      body: {
        message: 'pods "demo" not found',
        details: { name: 'demo', kind: 'pods' }
      },
      code: 'notFound',
      params: { what: 'pods/demo in namespace ns' }
    },
    {
      name: 'a namespace that is not there',
      status: 404,
      body: {
        message: 'namespaces "ns" not found',
        details: { name: 'ns', kind: 'namespaces' }
      },
      act: () => client.create(THINGS, {}),
      code: 'notFound',
      params: { what: 'namespaces/ns' }
    },
    {
      name: 'a kind that is not installed',
      status: 404,
      body: '404 page not found\n',
      act: () => client.get(THINGS),
      code: 'crdMissing',
      params: { crd: 'things.example.org', group: 'example.org' }
    },
    {
      name: 'a conflict',
      status: 409,
      body: {
        reason: 'AlreadyExists',
        message: 'things.example.org "a" already exists'
      },
      act: () => client.create(THINGS, {}),
      code: 'apiConflict',
      params: { reason: 'AlreadyExists' }
    },
    {
      name: 'a field',
      status: 422,
      body: {
        message: 'Thing "a" is invalid: spec.cpu: Invalid value: "integer"',
        details: {
          kind: 'Thing',
          causes: [{ field: 'spec.cpu', message: 'must be a string' }]
        }
      },
      act: () => client.patch(`${THINGS}/a`, {}),
      code: 'apiRejected',
      params: {
        verb: 'patch',
        object: 'things/a in namespace ns',
        reason: 'Thing "a" is invalid: spec.cpu: Invalid value: "integer"'
      }
    },
    {
      name: 'a webhook that fails',
      status: 500,
      body: { message: 'failed calling webhook "x": connection refused' },
      act: () => client.create(THINGS, {}),
      code: 'apiRejected'
    },
    {
      name: 'a load balancer in between',
      status: 503,
      body: '<html><body>no backend</body></html>',
      code: 'clusterUnreachable',
      params: { reason: '503 without a reason' }
    }
  ];

  it.each(answers)('$name → $code', async ({ status, body, ...expected }) => {
    await start((_request, response) => {
      if (typeof body === 'string') {
        response.writeHead(status, { 'content-type': 'text/plain' });
        response.end(body);
      } else {
        sendStatus(response, status, body);
      }
    });
    const error = await failure(expected.act?.() ?? client.get(POD));
    expect(error.code).toBe(expected.code);
    expect(error.params).toMatchObject(expected.params ?? {});
    expect(apiFailure(error)?.status).toBe(status);
  });

  it.each([
    ['is not installed', 404, {}, 'crdMissing'],
    ['is not in its group', 200, { resources: [{ name: 'x' }] }, 'crdMissing'],
    ['is there', 200, { resources: [{ name: 'things' }] }, 'forbidden'],
    ['cannot be asked for', 403, {}, 'forbidden']
  ])(
    'a forbidden kind that %s (discovery says %i %j) → %s',
    async (_name, status, answer, code) => {
      await start(({ path }, response) => {
        if (path === '/apis/example.org/v1') {
          sendJson(response, status, answer);
        } else {
          sendStatus(response, 403, { message: 'User "x" cannot list things' });
        }
      });
      expect(await failure(client.get(THINGS))).toMatchObject({
        code,
        cause: { status: 403 }
      });
    }
  );

  it('quotes no secret', async () => {
    await start((_request, response) =>
      sendStatus(response, 422, {
        message:
          'spec.downloadUrl: Invalid value: "http://s3/x.tar?X-Amz-Signature=abcdef&X-Amz-Credential=AKIAABCDEFGHIJKLMNOP"',
        details: {
          kind: 'Thing',
          causes: [{ field: 'spec', message: 'Bearer abcdefghijkl' }]
        }
      })
    );
    const error = await failure(client.patch(`${THINGS}/a`, {}));
    const text = JSON.stringify([error.toData(), String(error.cause)]);
    expect(text).toContain('http://s3/x.tar');
    expect(text).not.toMatch(/abcdef|AKIA/);
  });
});

describe('credentials', () => {
  it('are read anew after a 401, once', async () => {
    let token = 'old';
    await start(
      ({ headers }, response) =>
        headers.authorization === 'Bearer new'
          ? sendJson(response, 200, { ok: true })
          : sendStatus(response, 401, { reason: 'Unauthorized' }),
      {
        connection: {
          headers: () => Promise.resolve({ authorization: `Bearer ${token}` }),
          refresh: () => {
            token = 'new';
            return Promise.resolve();
          }
        }
      }
    );
    expect(await client.create(THINGS, { a: 1 })).toEqual({ ok: true });
    expect(server.requests.map(({ body }) => body)).toEqual([
      '{"a":1}',
      '{"a":1}'
    ]);
  });

  it('that stay refused are an error without the token', async () => {
    await start((_request, response) =>
      sendStatus(response, 401, { message: 'Unauthorized' })
    );
    const error = await failure(client.get(POD));
    expect(error.code).toBe('unauthorized');
    expect(server.requests).toHaveLength(2);
    expect(JSON.stringify(error.toData())).not.toContain('secret-token');
  });

  it('a certificate of another authority is told, after a second look at ours', async () => {
    let looks = 0;
    await start((_request, response) => sendJson(response, 200, {}), {
      secure: true,
      connection: {
        tls: {},
        refresh: () => {
          looks += 1;
          return Promise.resolve();
        }
      }
    });
    const error = await failure(client.get(POD));
    expect(error.code).toBe('clusterUnreachable');
    expect(error.params.reason).toMatch(/certificate is not trusted/);
    expect(looks).toBe(1);
  });
});

describe('the network', () => {
  it('a read is sent again when nobody was there, a write is not', async () => {
    await start((_request, response) => sendJson(response, 200, {}));
    const { port } = server;
    await server.close();
    let sent = 0;
    client = new KubeClient(
      {
        server: `http://127.0.0.1:${port}`,
        tls: {},
        headers: () => {
          sent += 1;
          return Promise.resolve({});
        }
      },
      { clock }
    );
    const read = await failure(client.get(POD));
    expect(read.params).toMatchObject({
      server: `http://127.0.0.1:${port}`,
      reason: 'the connection was refused'
    });
    expect(sent).toBe(3);
    await failure(client.create(THINGS, {}));
    expect(sent).toBe(4);
  });

  it('a server that answers nothing is given up', async () => {
    await start(() => undefined);
    const reading = failure(client.get(POD));
    await until(() => server.requests.length === 1);
    clock.elapse(65_000);
    const error = await reading;
    expect(error.params.reason).toBe('no answer within 65 s');
    expect(server.requests).toHaveLength(1);
  });

  it('an answer that stops in the middle is given up', async () => {
    await start((_request, response) => {
      response.writeHead(200);
      response.write('{"half":');
    });
    const reading = failure(client.get(POD));
    await until(() => server.requests.length === 1);
    // By then the head has arrived, and the limit of the body counts.
    await turns(200);
    clock.elapse(60_000);
    expect((await reading).params.reason).toBe('nothing came for 60 s');
  });

  it('an answer that is cut is told', async () => {
    await start((_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{"half":');
      setImmediate(() => response.destroy());
    });
    const error = await failure(client.get(POD));
    expect(error).toMatchObject({
      code: 'clusterUnreachable',
      params: { reason: 'the connection was cut' }
    });
  });

  it('an answer that is no JSON is told', async () => {
    await start((_request, response) => response.end('<html>Sign in</html>'));
    const error = await failure(client.get(POD));
    expect(error.params.reason).toMatch(/not JSON/);
  });

  it('comes back as late as it is asked to, whatever the method', async () => {
    let times = 0;
    await start((_request, response) =>
      ++times < 3
        ? sendStatus(response, 429, {}, { 'retry-after': '2' })
        : sendJson(response, 201, { made: true })
    );
    expect(await client.create(THINGS, {})).toEqual({ made: true });
    expect(clock.sleeps).toEqual([2000, 2000]);
  });

  it('gives up when it is turned away again and again', async () => {
    await start((_request, response) =>
      sendStatus(response, 429, {}, { 'retry-after': '120' })
    );
    expect((await failure(client.get(POD))).code).toBe('clusterUnreachable');
    expect(clock.sleeps).toEqual([5000, 5000, 5000]);
  });
});

describe('streams', () => {
  it('gives complete lines and the rest, whatever the pieces', async () => {
    const bytes = Buffer.from('東京 🍣\nsecond\nhalf');
    await start((_request, response) => {
      response.writeHead(200);
      const send = (index: number) => {
        if (index === bytes.length) {
          response.end();
        } else {
          // The next byte only when this one has left.
          response.write(bytes.subarray(index, index + 1), () =>
            send(index + 1)
          );
        }
      };
      send(0);
    });
    const lines: string[] = [];
    const rest = await client.stream(POD, {}, { onLine: l => lines.push(l) });
    expect(lines).toEqual(['東京 🍣', 'second']);
    expect(rest).toBe('half');
  });

  it('holds the server back while the reader is busy', async () => {
    const size = 64 * 1024 * 1024;
    let written = 0;
    await start((_request, response) => {
      response.writeHead(200);
      const line = Buffer.from(`${'x'.repeat(64 * 1024 - 1)}\n`);
      const send = () => {
        while (written < size) {
          written += line.length;
          if (!response.write(line)) {
            response.once('drain', send);
            return;
          }
        }
        response.end();
      };
      send();
    });
    let release: () => void = () => undefined;
    const busy = new Promise<void>(resolve => (release = resolve));
    let lines = 0;
    const reading = client.stream(
      POD,
      {},
      {
        onLine: () => {
          lines += 1;
          return lines === 1 ? busy : undefined;
        }
      }
    );
    await until(() => lines === 1);
    // Until the server can write no more.
    for (let before = -1; before !== written;) {
      before = written;
      await turns(300);
    }
    expect(written).toBeLessThan(size);
    release();
    await reading;
    expect(lines).toBe(size / (64 * 1024));
  });

  it('what the reader throws ends the stream and comes out as it is', async () => {
    await start((_request, response) => {
      response.writeHead(200);
      response.write('a\nb\n');
    });
    const own = new TypeError('mine');
    const reading = client.stream(
      POD,
      {},
      {
        onLine: () => {
          throw own;
        }
      }
    );
    await expect(reading).rejects.toBe(own);
  });

  it('silence ends it', async () => {
    await start((_request, response) => {
      response.writeHead(200);
      response.write('a\n');
    });
    let lines = 0;
    const reading = failure(
      client.stream(POD, {}, { idleMs: 5000, onLine: () => ++lines })
    );
    await until(() => lines === 1 && clock.timers === 1);
    clock.elapse(5000);
    expect((await reading).params.reason).toBe('nothing came for 5 s');
  });
});
