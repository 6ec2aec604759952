// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

import { type Instance, up } from '../playground/instance';
import { accessReview } from '../src/bridge/cluster/access';
import { KubeClient } from '../src/bridge/cluster/client';
import { connect, resolveNamespace } from '../src/bridge/cluster/connection';
import { crdsInstalled } from '../src/bridge/cluster/discovery';
import { fetchEvents } from '../src/bridge/cluster/events';
import { KINDS } from '../src/bridge/cluster/kinds';
import { podLog } from '../src/bridge/cluster/logs';
import { resourcePath } from '../src/bridge/cluster/target';
import { readSettings } from '../src/bridge/settings';
import type { BentoError } from '../src/domain/errors';
import { asAdmin } from './kubectl';
import { SHARED } from './product';

jest.mock('@kubernetes/client-node/dist/gen/index.js', () => ({}));

let instance: Instance;
let client: KubeClient;

beforeAll(async () => {
  instance = await up({ name: SHARED });
  client = new KubeClient(await connect(readSettings(instance.productEnv)));
}, 25 * 60_000);

afterAll(() => client.close());

const bentoes = (name?: string, namespace = instance.namespace) =>
  resourcePath({ ...KINDS.bentoes, namespace, name });
const configMaps = (name?: string) =>
  resourcePath({
    version: 'v1',
    resource: 'configmaps',
    namespace: instance.namespace,
    name
  });
const bento = (name: string, spec: object = {}) => ({
  apiVersion: 'resources.yatai.ai/v1alpha1',
  kind: 'Bento',
  metadata: { name },
  spec: { tag: 'unused:v1', image: 'registry.invalid/unused:v1', ...spec }
});

async function failure(work: Promise<unknown>): Promise<BentoError> {
  return work.then(
    () => {
      throw new Error('It did not fail.');
    },
    (error: BentoError) => error
  );
}

describe('the connection of a pod', () => {
  it('comes from the service account folder', async () => {
    const settings = readSettings(instance.productEnv);
    expect(client.connection.server).toBe(instance.apiServer);
    expect(resolveNamespace(settings, client.connection)).toEqual({
      name: instance.namespace,
      source: 'service account'
    });
    const version = await client.get<{ gitVersion: string }>('/version');
    expect(version.gitVersion).toMatch(/^v1\./);
  });

  it('goes on with a token that was replaced', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'account-'));
    const account =
      instance.productEnv.JUPYTERLAB_BENTO_SERVICE_ACCOUNT_DIR ?? '';
    fs.cpSync(account, folder, { recursive: true });
    const token = path.join(folder, 'token');
    const valid = fs.readFileSync(token, 'utf8');
    const other = new KubeClient(
      await connect(
        readSettings({
          ...instance.productEnv,
          JUPYTERLAB_BENTO_SERVICE_ACCOUNT_DIR: folder
        })
      )
    );
    const replace = (text: string) => {
      fs.rmSync(token);
      fs.writeFileSync(token, text);
    };
    try {
      await other.get(bentoes());
      replace(`${valid.slice(0, -8)}AAAAAAAA`);
      const error = await failure(other.get(bentoes()));
      expect(error.code).toBe('unauthorized');
      expect(JSON.stringify(error.toData())).not.toContain(valid.slice(0, 20));
      replace(valid);
      await other.get(bentoes());
    } finally {
      other.close();
      fs.rmSync(folder, { recursive: true });
    }
  });

  it('or from a kubeconfig with a token file', async () => {
    const connection = await connect({
      serviceAccountDir: '/nonexistent',
      env: { KUBECONFIG: instance.productKubeconfig }
    });
    expect(connection).toMatchObject({
      server: instance.apiServer,
      namespace: { name: instance.namespace, source: 'kubeconfig' }
    });
    const other = new KubeClient(connection);
    await other.get(bentoes());
    other.close();
  });
});

describe('rights', () => {
  const wanted = [
    { ...KINDS.bentoDeployments, verb: 'create' },
    { ...KINDS.bentoRequests, verb: 'watch' },
    { group: '', resource: 'pods', verb: 'list' },
    { group: '', resource: 'pods', subresource: 'portforward', verb: 'create' },
    { group: '', resource: 'pods', subresource: 'portforward', verb: 'get' },
    { group: '', resource: 'events', verb: 'list' }
  ];

  it('are all there in the profile, none elsewhere', async () => {
    expect(await accessReview(client, instance.namespace, wanted)).toEqual([]);
    expect(await accessReview(client, 'kube-system', wanted)).toEqual(wanted);
  });

  it('that are missing are told by verb, kind and namespace', async () => {
    const error = await failure(
      client.create(bentoes(undefined, 'kube-system'), bento('x'))
    );
    expect(error).toMatchObject({
      code: 'forbidden',
      params: {
        verb: 'create',
        resource: 'bentoes.resources.yatai.ai',
        namespace: 'kube-system'
      }
    });
  });
});

describe('what is not there', () => {
  it('an object, a kind, a group', async () => {
    expect(await failure(client.get(bentoes('nobody')))).toMatchObject({
      code: 'notFound',
      params: { what: `bentoes/nobody in namespace ${instance.namespace}` }
    });
    const absent = { group: 'absent.yatai.ai', version: 'v1', resource: 'xs' };
    expect(
      await failure(client.get(resourcePath({ ...absent, namespace: 'ds' })))
    ).toMatchObject({
      code: 'crdMissing',
      params: { crd: 'xs.absent.yatai.ai', group: 'absent.yatai.ai' }
    });
    expect(await crdsInstalled(client)).toEqual([]);
  });

  it('a pod with a log', async () => {
    const { namespace } = instance;
    const options = { namespace, container: 'main', tailLines: 5 };
    expect(
      await failure(podLog(client, { ...options, pod: 'nobody' }))
    ).toMatchObject({ code: 'notFound' });
  });

  it('events of nobody', async () => {
    const involved = { kind: 'Pod', name: 'nobody' };
    expect(await fetchEvents(client, instance.namespace, involved)).toEqual([]);
  });
});

describe('writing', () => {
  const name = 'written-by-a-test';

  afterEach(async () => {
    await client.delete(bentoes(name)).catch(() => undefined);
    await client.delete(configMaps(name)).catch(() => undefined);
  });

  it('a trial checks and changes nothing', async () => {
    const stored = await client.apply<{ spec: object }>(
      bentoes(name),
      bento(name),
      { dryRun: true }
    );
    expect(stored.spec).toMatchObject({ tag: 'unused:v1' });
    expect((await failure(client.get(bentoes(name)))).code).toBe('notFound');
  });

  it('a field that the kind does not have is refused by name', async () => {
    const wrong = bento(name, { downloadURL: 'x' });
    for (const write of [
      () => client.apply(bentoes(name), wrong, { dryRun: true }),
      () => client.apply(bentoes(name), wrong),
      () => client.create(bentoes(), wrong)
    ]) {
      const error = await failure(write());
      expect(error.code).toBe('apiRejected');
      expect(error.message).toContain('spec.downloadURL');
    }
    expect((await failure(client.get(bentoes(name)))).code).toBe('notFound');
  });

  it('a field of the wrong type is refused by name', async () => {
    const error = await failure(
      client.create(bentoes(), bento(name, { tag: 7 }))
    );
    expect(error.code).toBe('apiRejected');
    expect(error.message).toContain('spec.tag');
  });

  it('what exists is a conflict, and so is the field of another manager', async () => {
    await client.create(bentoes(), bento(name));
    expect(await failure(client.create(bentoes(), bento(name)))).toMatchObject({
      code: 'apiConflict',
      params: { reason: 'AlreadyExists' }
    });
    const map = (value: string) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace: instance.namespace },
      data: { value }
    });
    await asAdmin(
      instance,
      ['apply', '--server-side', '-f', '-'],
      map('of the administrator')
    );
    const error = await failure(client.apply(configMaps(name), map('ours')));
    expect(error).toMatchObject({
      code: 'apiConflict',
      params: { reason: 'Conflict' }
    });
    expect(error.details.join()).toContain('.data.value');
  });
});
