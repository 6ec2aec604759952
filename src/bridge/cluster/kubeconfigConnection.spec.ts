// SPDX-License-Identifier: BSD-3-Clause
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs';
import * as http from 'node:http';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { BentoError } from '../../domain/errors';
import { KubeClient } from './client';
import { connect } from './connection';
import { TEST_CERTIFICATE, TEST_KEY } from './testing/certificate';
import { sendJson, sendStatus, StubServer } from './testing/stubServer';

jest.mock('@kubernetes/client-node/dist/gen/index.js', () => ({}));

const base64 = (text: string) => Buffer.from(text).toString('base64');

let folder: string;
let server: StubServer;
/** What the server asks for; each request must have it. */
let wanted: (request: StubServer['requests'][number]) => boolean;

beforeAll(async () => {
  server = await StubServer.start(
    (request, response) =>
      wanted(request)
        ? sendJson(response, 200, { ok: true })
        : sendStatus(response, 401),
    { secure: true }
  );
});

afterAll(() => server.close());

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kubeconfig-'));
  wanted = () => false;
  server.requests.length = 0;
});

afterEach(() => rmSync(folder, { recursive: true }));

/** A kubeconfig for the server with one user. */
function config(user: object, cluster: object = {}): object {
  return {
    'current-context': 'mine',
    contexts: [{ name: 'mine', context: { cluster: 'c', user: 'u' } }],
    clusters: [
      {
        name: 'c',
        cluster: {
          server: server.url,
          'certificate-authority-data': base64(TEST_CERTIFICATE),
          ...cluster
        }
      }
    ],
    users: [{ name: 'u', user }]
  };
}

function write(name: string, content: string | object): string {
  const file = join(folder, name);
  writeFileSync(
    file,
    typeof content === 'string' ? content : JSON.stringify(content)
  );
  return file;
}

function connectTo(content: string | object) {
  return connect({
    serviceAccountDir: join(folder, 'none'),
    env: { KUBECONFIG: write('config', content), PATH: '/somewhere:/else' }
  });
}

async function ask(content: object): Promise<unknown> {
  const client = new KubeClient(await connectTo(content));
  try {
    return await client.get('/version');
  } finally {
    client.close();
  }
}

async function failure(content: string | object): Promise<BentoError> {
  return connectTo(content).then(
    () => {
      throw new Error('It did not fail.');
    },
    (error: BentoError) => error
  );
}

/** An exec plugin that runs this JavaScript. */
const exec = (script: string, more: object = {}) => ({
  exec: {
    apiVersion: 'client.authentication.k8s.io/v1',
    command: process.execPath,
    args: ['-e', script],
    ...more
  }
});

const hasToken = (token: string) => {
  wanted = ({ headers }) => headers.authorization === `Bearer ${token}`;
};

describe('credentials', () => {
  it('a token', async () => {
    hasToken('abc');
    expect(await ask(config({ token: 'abc' }))).toEqual({ ok: true });
  });

  it('user name and password', async () => {
    wanted = ({ headers }) =>
      headers.authorization === `Basic ${base64('me:secret')}`;
    await ask(config({ username: 'me', password: 'secret' }));
  });

  it('a token file beside the kubeconfig, read again for each request', async () => {
    const file = write('token', 'first\n');
    const client = new KubeClient(
      await connectTo(config({ tokenFile: 'token', token: 'not this one' }))
    );
    hasToken('first');
    await client.get('/version');
    writeFileSync(file, 'second\n');
    hasToken('second');
    await client.get('/version');
    client.close();
    expect(server.requests).toHaveLength(2);
  });

  it('a client certificate, in the file and beside it', async () => {
    wanted = ({ clientCertificate }) => clientCertificate;
    await ask(
      config({
        'client-certificate-data': base64(TEST_CERTIFICATE),
        'client-key-data': base64(TEST_KEY)
      })
    );
    write('cert.pem', TEST_CERTIFICATE);
    write('key.pem', TEST_KEY);
    await ask(
      config(
        { 'client-certificate': 'cert.pem', 'client-key': 'key.pem' },
        {
          'certificate-authority': 'cert.pem',
          'certificate-authority-data': undefined
        }
      )
    );
  });

  it('an exec plugin, told what is asked of it', async () => {
    hasToken('from plugin: non-interactive at yes');
    await ask(
      config(
        exec(
          `const info = JSON.parse(process.env.KUBERNETES_EXEC_INFO);
          const how = info.spec.interactive ? 'interactive' : 'non-interactive';
          const where = info.spec.cluster.server === ${JSON.stringify(server.url)} ? process.env.MINE : 'no';
          console.log(JSON.stringify({ status: { token: 'from plugin: ' + how + ' at ' + where } }))`,
          {
            provideClusterInfo: true,
            env: [{ name: 'MINE', value: 'yes' }]
          }
        )
      )
    );
  });

  it('an exec plugin is run once while its token lives, and again after a 401', async () => {
    const runs = join(folder, 'runs');
    const client = new KubeClient(
      await connectTo(
        config(
          exec(
            `const fs = require('node:fs');
            fs.appendFileSync(${JSON.stringify(runs)}, 'x');
            const token = 'run-' + fs.readFileSync(${JSON.stringify(runs)}).length;
            console.log(JSON.stringify({ status: { token, expirationTimestamp: '2100-01-01T00:00:00Z' } }))`
          )
        )
      )
    );
    hasToken('run-1');
    await client.get('/version');
    await client.get('/version');
    expect(readFileSync(runs, 'utf8')).toBe('x');
    hasToken('run-2');
    await client.get('/version');
    expect(readFileSync(runs, 'utf8')).toBe('xx');
    client.close();
  });

  it('an exec plugin that gives a client certificate', async () => {
    wanted = ({ clientCertificate }) => clientCertificate;
    const status = {
      clientCertificateData: TEST_CERTIFICATE,
      clientKeyData: TEST_KEY
    };
    await ask(
      config(exec(`console.log(${JSON.stringify(JSON.stringify({ status }))})`))
    );
  });

  it('an exec plugin beside the kubeconfig', async () => {
    hasToken('beside');
    mkdirSync(join(folder, 'bin'));
    const script = write(
      'bin/plugin',
      `#!/bin/sh\necho '{"status": {"token": "beside"}}'\n`
    );
    chmodSync(script, 0o755);
    await ask(config(exec('', { command: './bin/plugin' })));
  });

  it('a provider that keeps its token in the file', async () => {
    hasToken('of-provider');
    await ask(
      config({
        'auth-provider': {
          name: 'gcp',
          config: { 'access-token': 'of-provider' }
        }
      })
    );
  });
});

describe('the way there', () => {
  it('through a proxy', async () => {
    hasToken('abc');
    const asked: string[] = [];
    const proxy = http.createServer().on('connect', (request, socket) => {
      asked.push(request.url ?? '');
      const onward = net.connect(server.port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        onward.pipe(socket).pipe(onward);
      });
      onward.on('error', () => socket.destroy());
      socket.on('error', () => onward.destroy());
    });
    await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve));
    const { port } = proxy.address() as net.AddressInfo;
    try {
      await ask(
        config(
          { token: 'abc' },
          {
            // Only the proxy knows this name; the certificate is for another.
            server: 'https://api.invalid:6443',
            'tls-server-name': 'localhost',
            'proxy-url': `http://127.0.0.1:${port}`
          }
        )
      );
      expect(asked).toEqual(['api.invalid:6443']);
    } finally {
      proxy.close();
    }
  });

  it('without a look at the certificate, and for another name', async () => {
    hasToken('abc');
    const named = (name: string) =>
      config({ token: 'abc' }, { 'tls-server-name': name });
    await expect(ask(named('example.org'))).rejects.toMatchObject({
      params: { reason: 'its certificate is for another name' }
    });
    await ask(named('localhost'));
    const unknown = { 'certificate-authority-data': undefined };
    await expect(ask(config({ token: 'abc' }, unknown))).rejects.toMatchObject({
      params: {
        reason: expect.stringMatching('certificate is not trusted') as string
      }
    });
    await ask(
      config({ token: 'abc' }, { ...unknown, 'insecure-skip-tls-verify': true })
    );
  });

  it('over plain http, as through kubectl proxy', async () => {
    const plain = await StubServer.start((_request, response) =>
      sendJson(response, 200, { ok: true })
    );
    const { port } = plain;
    const connection = await connectTo(
      config({}, { server: `http://user:pass@127.0.0.1:${port}/base/` })
    );
    expect(connection.server).toBe(`http://127.0.0.1:${port}/base`);
    const client = new KubeClient(connection);
    await client.get('/version');
    client.close();
    expect(plain.requests[0]?.headers.authorization).toBeUndefined();
    await plain.close();
  });

  it('several files: the first that names something wins, missing ones are left out', async () => {
    hasToken('of the first');
    const first = write('first', {
      users: [{ name: 'u', user: { token: 'of the first' } }]
    });
    const second = write('second', config({ token: 'of the second' }));
    const connection = await connect({
      serviceAccountDir: folder,
      env: {
        KUBECONFIG: [join(folder, 'missing'), first, second].join(delimiter)
      }
    });
    expect(await connection.headers()).toEqual({
      authorization: 'Bearer of the first'
    });
  });

  it('a broken entry that the context does not name does no harm', async () => {
    hasToken('abc');
    const good = config({ token: 'abc' }) as Record<string, unknown[]>;
    await ask({
      ...good,
      users: [{ user: {} }, null, ...(good.users ?? [])],
      clusters: [{ name: 'x' }, ...(good.clusters ?? [])]
    });
  });
});

describe('what is wrong with it is named', () => {
  it('an exec plugin that is not there, with PATH', async () => {
    const error = await failure(config(exec('', { command: 'nope' })));
    expect(error.code).toBe('execPluginMissing');
    expect(error.message).toContain('"nope"');
    expect(error.hint).toContain('/somewhere:/else');
  });

  it('an exec plugin that fails, with its last words and no secret', async () => {
    const error = await failure(
      config(
        exec(
          `console.error('Bearer abcdefgh12345\\nlog in first: eyJhbGciOi.eyJzdWIiOi.sig'); process.exit(3)`
        )
      )
    );
    expect(error.code).toBe('credentialFailed');
    expect(error.message).toMatch(/failed: log in first/);
    expect(error.message).not.toMatch(/eyJ|abcdefgh/);
  });

  it('an exec plugin that prints something else, without quoting it', async () => {
    for (const output of ['raw-secret-token', '{"kind": "raw-secret-token"}']) {
      const error = await failure(
        config(exec(`console.log(${JSON.stringify(output)})`))
      );
      expect(error.message).toMatch(/did not print an ExecCredential/);
      expect(JSON.stringify(error.toData())).not.toContain('raw-secret');
    }
  });

  it('no current context, or one that is not there: with those that are', async () => {
    const good = config({});
    const none = await failure({ ...good, 'current-context': undefined });
    expect(none.code).toBe('contextMissing');
    expect(none.message).toMatch(/config has no current context/);
    expect(none.hint).toMatch(/It holds: mine$/);
    const other = await failure({ ...good, 'current-context': 'other' });
    expect(other.message).toMatch(/"other" as current context/);
  });

  it.each([
    ['an empty file', '', /empty or no YAML map/],
    ['no YAML', 'users:\n- token: my-secret-token\n  x: [\n', /line 4: /],
    [
      'no such cluster',
      { 'current-context': 'x', contexts: [{ name: 'x', context: {} }] },
      /names the cluster ""; there are: none/
    ],
    [
      'no such user',
      {
        'current-context': 'x',
        contexts: [{ name: 'x', context: { cluster: 'c', user: 'gone' } }],
        clusters: [{ name: 'c', cluster: { server: 'https://x' } }],
        users: [{ name: 'u' }]
      },
      /names the user "gone"; there are: u/
    ],
    [
      'no server',
      {
        'current-context': 'x',
        contexts: [{ name: 'x', context: { cluster: 'c' } }],
        clusters: [{ name: 'c', cluster: { server: 'localhost:8080' } }]
      },
      /cluster "c" has no "server"/
    ]
  ])('%s', async (_name, content, reason) => {
    const error = await failure(content);
    expect(error.code).toBe('kubeconfigInvalid');
    expect(error.message).toMatch(reason);
    expect(error.message).toContain(join(folder, 'config'));
    expect(JSON.stringify(error.toData())).not.toContain('my-secret-token');
  });

  it('files that are missing', async () => {
    const missing = join(folder, 'missing');
    expect(existsSync(missing)).toBe(false);
    await expect(
      connect({ serviceAccountDir: folder, env: { KUBECONFIG: missing } })
    ).rejects.toMatchObject({
      code: 'kubeconfigInvalid',
      params: { path: missing }
    });
    const error = await failure(
      config({ 'client-certificate': 'no.pem', 'client-key': 'no.pem' })
    );
    expect(error.message).toMatch(/no\.pem cannot be read \(ENOENT\)/);
  });
});
