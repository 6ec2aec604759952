// SPDX-License-Identifier: BSD-3-Clause
import { RequestError } from '../playground/bridge';
import { setFaults } from '../playground/instance';
import type { Deployment, DeploySpec, Operation } from '../src/protocol';
import { type EchoBento, writeEchoBento } from './echoBento';
import { kubectl } from './kubectl';
import { type Product, startProduct } from './product';

describe('deploying through the bridge', () => {
  let product: Product;

  beforeAll(async () => {
    product = await startProduct();
  });

  const others: Product[] = [];

  async function startOther(env?: Record<string, string>): Promise<Product> {
    const other = await startProduct(env);
    others.push(other);
    return other;
  }

  afterAll(async () => {
    setFaults(product.instance, []);
    await Promise.all([product, ...others].map(each => each.stop()));
  });

  function write(options: Partial<EchoBento> & { name: string }): string {
    const { home, instance } = product;
    return writeEchoBento({
      home,
      user: instance.user,
      version: 'v1',
      ...options
    });
  }

  /** Deploys and follows until the objects are there or it has failed. */
  async function submit(spec: DeploySpec): Promise<Operation> {
    const { id } = await product.client.request('deploy.start', spec);
    return product.client.request('operation.follow', { id });
  }

  async function remove(name: string): Promise<void> {
    await product.client.request('deployment.delete', { name });
  }

  async function errorOf(work: Promise<unknown>): Promise<RequestError> {
    const thrown = await work.then(
      () => undefined,
      (error: unknown) => error
    );
    expect(thrown).toBeInstanceOf(RequestError);
    return thrown as RequestError;
  }

  async function requests(): Promise<string[]> {
    const { stdout } = await kubectl(
      product.instance,
      ...'get bentorequests -o name'.split(' ')
    );
    return stdout.split('\n').filter(Boolean);
  }

  it('takes a bento all the way to an answered request, and back to nothing', async () => {
    const tag = write({ name: 'echo' });
    const submitted = await submit({
      tag: 'echo:latest',
      name: 'echo',
      envs: [{ name: 'GREETING', value: 'hello' }]
    });
    expect(submitted).toMatchObject({
      state: 'done',
      tag,
      namespace: product.instance.namespace,
      stages: [
        { stage: 'preflight', state: 'done' },
        { stage: 'export', state: 'done' },
        { stage: 'request', state: 'done' }
      ]
    });
    const states = new Set<string>();
    const ready = await product.client.request(
      'deployment.wait',
      { name: 'echo', timeout: 120_000 },
      { onProgress: value => states.add((value as Deployment).state) }
    );
    expect(ready).toMatchObject({
      state: 'ready',
      tag,
      managed: true,
      replicas: { ready: 1, wanted: 1 },
      findings: []
    });
    expect([...states].at(-1)).toBe('ready');
    const answer = await product.client.request('service.request', {
      name: 'echo',
      path: '/say',
      body: { kind: 'inline', encoding: 'utf8', data: '{"text":"hi"}' }
    });
    expect(answer).toMatchObject({ status: 200, via: 'forward' });
    expect(answer.body).toMatchObject({ kind: 'inline' });
    expect(JSON.parse('data' in answer.body ? answer.body.data : '')).toEqual({
      said: 'hi',
      greeting: 'hello'
    });
    const large = await product.client.request('service.request', {
      name: 'echo',
      path: '/many',
      body: { kind: 'inline', encoding: 'utf8', data: '{"count":2000000}' }
    });
    expect(large.body).toMatchObject({ kind: 'blob', size: 2_000_000 });

    // The same content again needs no upload and no build.
    const again = await submit({ tag, name: 'echo' });
    expect(again.stages.map(({ state }) => state)).toEqual([
      'done',
      'skipped',
      'done'
    ]);

    const { items } = await product.client.request('deployment.planDelete', {
      name: 'echo'
    });
    expect(items.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['BentoDeployment', 'BentoRequest', 'Bento'])
    );
    await remove('echo');
    expect(await requests()).toEqual([]);
    const error = await errorOf(
      product.client.request('deployment.get', { name: 'echo' })
    );
    expect(error.code).toBe('notFound');
  });

  it('refuses other content under a tag that was deployed before', async () => {
    const tag = write({ name: 'changing', content: 'first' });
    expect(await submit({ tag })).toMatchObject({ state: 'done' });
    write({ name: 'changing', content: 'second' });
    expect(await submit({ tag })).toMatchObject({
      state: 'failed',
      error: { code: 'sameTagOtherContent' },
      stages: [
        { stage: 'preflight', state: 'failed' },
        { stage: 'export', state: 'pending' },
        { stage: 'request', state: 'pending' }
      ]
    });
    await remove('changing');
  });

  it('prints what it would send, checked and without the address', async () => {
    const tag = write({ name: 'planned' });
    const { yaml } = await product.client.request('deploy.plan', { tag });
    expect(yaml).toContain('kind: BentoRequest');
    expect(yaml).toContain('kind: BentoDeployment');
    expect(yaml).toContain('presigned when it is sent');
    expect(yaml).not.toMatch(/X-Amz|AKIA/);
    expect(await requests()).toEqual([]);
  });

  it.each<[string, Partial<DeploySpec>, string]>([
    ['a name that Services cannot have', { name: 'Has.Dot' }, 'nameInvalid'],
    [
      'millibytes',
      { apiServer: { resources: { limits: { memory: '512m' } } } },
      'resourcesInvalid'
    ],
    [
      'fewer replicas at most than at least',
      { apiServer: { minReplicas: 3, maxReplicas: 1 } },
      'replicasInvalid'
    ],
    ['an unknown runner', { runners: { nobody: {} } }, 'unknownRunner'],
    ['no such bento', { tag: 'nobody:v1' }, 'bentoNotFound'],
    ['a bad destination', { destination: 'http://x' }, 'destinationInvalid']
  ])('refuses %s before anything is sent', async (_what, change, code) => {
    const tag = write({ name: 'refused' });
    const error = await errorOf(
      product.client.request('deploy.start', { tag, ...change })
    );
    expect(error.code).toBe(code);
    expect(error.data?.hint).not.toBe('');
    expect(await requests()).toEqual([]);
  });

  it('does not let the operator overwrite a Service of somebody else', async () => {
    await kubectl(
      product.instance,
      ...'create service clusterip nb --tcp=80'.split(' ')
    );
    const tag = write({ name: 'nb' });
    expect(await submit({ tag })).toMatchObject({
      state: 'failed',
      error: { code: 'nameCollision', params: { object: 'The Service nb' } }
    });
    expect(await requests()).toEqual([]);
    await kubectl(product.instance, 'delete', 'service', 'nb');
  });

  it("tells S3's own refusal and keeps the key to itself", async () => {
    const secret = 'wr0ngS3cretLEAK';
    const other = await startOther({ AWS_SECRET_ACCESS_KEY: secret });
    const tag = write({ name: 'denied' });
    const { id } = await other.client.request('deploy.start', { tag });
    const failed = await other.client.request('operation.follow', { id });
    expect(failed).toMatchObject({
      state: 'failed',
      error: {
        code: 's3CredentialsRefused',
        params: { s3Code: expect.any(String) }
      },
      stages: [{ state: 'done' }, { state: 'failed' }, { state: 'pending' }]
    });
    const key = product.instance.productEnv.AWS_ACCESS_KEY_ID ?? '';
    expect(key).not.toBe('');
    const everything = JSON.stringify(failed) + other.bridge.log();
    expect(everything).not.toContain(secret);
    expect(everything).not.toContain(key);
    expect(await requests()).toEqual([]);
  });

  it('ends a wait with the cause and the log when the build fails', async () => {
    setFaults(product.instance, ['build-fails']);
    const tag = write({ name: 'unbuildable' });
    await submit({ tag });
    const error = await errorOf(
      product.client.request('deployment.wait', {
        name: 'unbuildable',
        timeout: 120_000
      })
    );
    expect(error.code).toBe('buildFailed');
    expect(error.data?.details.join('\n')).toMatch(/container builder:\n.+/);
    await remove('unbuildable');
    setFaults(product.instance, []);
  });

  it('ends a wait at the first download that S3 refuses, without showing the address', async () => {
    setFaults(product.instance, ['s3-refuses-download']);
    const tag = write({ name: 'undownloadable' });
    await submit({ tag });
    const error = await errorOf(
      product.client.request('deployment.wait', {
        name: 'undownloadable',
        timeout: 120_000
      })
    );
    expect(error.code).toBe('buildFailed');
    expect(error.data?.details.join('\n')).toContain('403');
    expect(JSON.stringify(error.data)).not.toMatch(/Signature=[0-9a-f]/);
    await remove('undownloadable');
    setFaults(product.instance, []);
  });

  it('says that nobody has picked it up where the namespace is not watched', async () => {
    setFaults(product.instance, ['namespace-not-watched']);
    const impatient = await startOther({
      JUPYTERLAB_BENTO_NOT_PICKED_UP_SECONDS: '3'
    });
    setFaults(product.instance, ['namespace-not-watched']);
    const tag = write({ name: 'unseen' });
    await submit({ tag });
    const error = await errorOf(
      impatient.client.request('deployment.wait', {
        name: 'unseen',
        timeout: 120_000
      })
    );
    expect(error.code).toBe('notPickedUp');
    await remove('unseen');
    setFaults(product.instance, []);
  });

  /** Resolves when the first bytes of an export are on their way. */
  function bytesFlow(client: Product['client'], id: string): Promise<void> {
    return new Promise<void>(resolve => {
      void client
        .request(
          'operation.follow',
          { id },
          {
            onProgress: value => {
              const { bytes } = (value as Operation).stages[1] ?? {};
              if (bytes && bytes.done > 0) {
                resolve();
              }
            }
          }
        )
        .catch(() => undefined);
    });
  }

  it('cancels a deploy that is under way when it is deleted, and leaves nothing', async () => {
    const tag = write({ name: 'regretted', ballast: 96 * 1024 * 1024 });
    const { client } = product;
    const { id } = await client.request('deploy.start', { tag });
    await bytesFlow(client, id);
    const { items } = await client.request('deployment.planDelete', {
      name: 'regretted'
    });
    expect(items).toMatchObject([{ kind: 'Deploy', name: tag }]);
    await remove('regretted');
    const { operations } = await client.request('operation.list', {});
    expect(operations.find(operation => operation.id === id)).toMatchObject({
      state: 'cancelled'
    });
    expect(await requests()).toEqual([]);
  });

  it('goes on with a deploy when the bridge is killed in the middle of the export', async () => {
    const doomed = await startOther();
    const tag = write({ name: 'survivor', ballast: 96 * 1024 * 1024 });
    const { id } = await doomed.client.request('deploy.start', { tag });
    await bytesFlow(doomed.client, id);
    doomed.bridge.process.kill('SIGKILL');
    const next = await startOther();
    const done = await next.client.request('operation.follow', { id });
    expect(done).toMatchObject({ state: 'done', name: 'survivor' });
    const view = await next.client.request('deployment.get', {
      name: 'survivor'
    });
    expect(view.tag).toBe(tag);
    await next.client.request('deployment.delete', { name: 'survivor' });
  });
});
