// SPDX-License-Identifier: BSD-3-Clause
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeClient } from './client';
import {
  connect,
  resolveNamespace,
  type ClusterSettings,
  type Connection
} from './connection';
import { TEST_CERTIFICATE } from './testing/certificate';
import { sendJson, sendStatus, StubServer } from './testing/stubServer';

jest.mock('@kubernetes/client-node/dist/gen/index.js', () => ({}));

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'account-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

function write(files: Record<string, string>): void {
  Object.entries(files).forEach(([name, content]) =>
    writeFileSync(join(folder, name), content)
  );
}

function settings(env: NodeJS.ProcessEnv, namespace?: string): ClusterSettings {
  return {
    serviceAccountDir: folder,
    env: { HOME: folder, ...env },
    namespace
  };
}

const IN_POD = {
  KUBERNETES_SERVICE_HOST: '10.0.0.1',
  KUBERNETES_SERVICE_PORT: '6443'
};
const KUBECONFIG = JSON.stringify({
  'current-context': 'mine',
  contexts: [
    { name: 'mine', context: { cluster: 'c', user: 'u', namespace: 'of-file' } }
  ],
  clusters: [{ name: 'c', cluster: { server: 'https://example.org:6443/' } }],
  users: [{ name: 'u', user: { token: 'abc' } }]
});

describe('which cluster', () => {
  it('the pod is in, over IPv6 too, with the token as it is now', async () => {
    write({ token: 'first\n', 'ca.crt': 'CA', namespace: 'team\n' });
    const connection = await connect(
      settings({
        KUBERNETES_SERVICE_HOST: 'fd00::1',
        KUBERNETES_SERVICE_PORT: '443'
      })
    );
    expect(connection.server).toBe('https://[fd00::1]:443');
    expect(connection.namespace).toEqual({
      name: 'team',
      source: 'service account'
    });
    expect(connection.tls).toEqual({ ca: 'CA' });
    expect(await connection.headers()).toEqual({
      authorization: 'Bearer first'
    });
    write({ token: 'second' });
    expect(await connection.headers()).toEqual({
      authorization: 'Bearer second'
    });
  });

  it('KUBECONFIG names, before the one the pod is in', async () => {
    write({ token: 't', namespace: 'team', config: KUBECONFIG });
    const connection = await connect(
      settings({ ...IN_POD, KUBECONFIG: join(folder, 'config') })
    );
    expect(connection.server).toBe('https://example.org:6443');
    expect(connection.namespace).toEqual({
      name: 'of-file',
      source: 'kubeconfig'
    });
  });

  it('the pod is in, when its folder was named outright', async () => {
    write({ token: 't', config: KUBECONFIG });
    const connection = await connect(
      settings({
        ...IN_POD,
        KUBECONFIG: join(folder, 'config'),
        JUPYTERLAB_BENTO_SERVICE_ACCOUNT_DIR: folder
      })
    );
    expect(connection.server).toBe('https://10.0.0.1:6443');
  });

  it('none: said so', async () => {
    await expect(connect(settings({}))).rejects.toMatchObject({
      code: 'noCluster'
    });
    // A token without an address is no pod.
    write({ token: 't' });
    await expect(connect(settings({}))).rejects.toMatchObject({
      code: 'noCluster'
    });
  });

  it.each([
    ['no address', {}, { token: 't' }, /KUBERNETES_SERVICE_HOST is not set/],
    ['no token', IN_POD, {}, /token cannot be read \(ENOENT\)/],
    ['an empty token', IN_POD, { token: '\n' }, /token is empty/]
  ])('a named folder with %s is told', async (_name, env, files, reason) => {
    write(files);
    await expect(
      connect(
        settings({ ...env, JUPYTERLAB_BENTO_SERVICE_ACCOUNT_DIR: folder })
      )
    ).rejects.toMatchObject({
      code: 'credentialFailed',
      params: { reason: expect.stringMatching(reason) as string }
    });
  });
});

describe('a service account against a server', () => {
  let server: StubServer;
  let valid = 'first';
  let client: KubeClient;
  let connection: Connection;

  beforeEach(async () => {
    server = await StubServer.start(
      ({ headers }, response) =>
        headers.authorization === `Bearer ${valid}`
          ? sendJson(response, 200, { ok: true })
          : sendStatus(response, 401),
      { secure: true }
    );
    write({ token: 'first', 'ca.crt': TEST_CERTIFICATE });
    connection = await connect(
      settings({
        KUBERNETES_SERVICE_HOST: '127.0.0.1',
        KUBERNETES_SERVICE_PORT: String(server.port)
      })
    );
    client = new KubeClient(connection);
  });

  afterEach(async () => {
    client.close();
    await server.close();
  });

  it('goes on when the token is replaced', async () => {
    await client.get('/version');
    valid = 'second';
    write({ token: 'second' });
    await client.get('/version');
    expect(server.requests).toHaveLength(2);
    valid = 'third';
    await expect(client.get('/version')).rejects.toMatchObject({
      code: 'unauthorized'
    });
  });

  it('takes a new authority when the old one no longer fits', async () => {
    valid = 'first';
    const other = { 'ca.crt': 'none that fits' };
    write(other);
    await connection.refresh?.();
    write({ 'ca.crt': TEST_CERTIFICATE });
    expect(await client.get('/version')).toEqual({ ok: true });
  });
});

describe('which namespace', () => {
  const name = (env: NodeJS.ProcessEnv, given?: string, from?: Connection) =>
    resolveNamespace(settings(env, given), from);

  it('the setting, then the credentials, then the folder, then NB_PREFIX', () => {
    const from: Connection = {
      server: 'https://x',
      namespace: { name: 'of-context', source: 'kubeconfig' },
      tls: {},
      headers: () => Promise.resolve({})
    };
    const env = { NB_PREFIX: '/notebook/of-prefix/nb' };
    expect(name(env)).toEqual({ name: 'of-prefix', source: 'NB_PREFIX' });
    write({ namespace: ' of-folder\n' });
    expect(name(env)).toEqual({ name: 'of-folder', source: 'service account' });
    expect(name(env, undefined, from)).toEqual(from.namespace);
    expect(name(env, 'of-setting', from)).toEqual({
      name: 'of-setting',
      source: 'setting'
    });
  });

  it('an empty file is none', () => {
    write({ namespace: '\n' });
    expect(name({})).toEqual({ source: 'none' });
  });

  it.each([
    ['/notebook/team-a/my-nb', 'team-a'],
    ['/prefix/notebook/team-a/my-nb/', 'team-a'],
    ['/workspace/connect/team-b/ws/8888/', 'team-b'],
    ['/user/someone@example.org/', undefined],
    ['/notebook/', undefined],
    ['', undefined]
  ])('NB_PREFIX %s → %s', (prefix, expected) => {
    expect(name({ NB_PREFIX: prefix }).name).toBe(expected);
  });
});
