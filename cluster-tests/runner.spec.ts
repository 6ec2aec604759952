// SPDX-License-Identifier: BSD-3-Clause
import { ensureEnv } from '../playground/envs';
import type { Deployment, ServiceAnswer } from '../src/protocol';
import { kubectl } from './kubectl';
import { type Product, startProduct } from './product';
import { writeRunnerBento } from './runnerBento';

describe('a deployment with a runner', () => {
  let product: Product;

  beforeAll(async () => {
    await ensureEnv('fraud');
    product = await startProduct();
    const { home, instance } = product;
    const tag = writeRunnerBento({ home, user: instance.user });
    const { id } = await product.client.request('deploy.start', {
      tag,
      runners: { adder: { resources: { requests: { cpu: '100m' } } } }
    });
    await product.client.request('operation.follow', { id });
    await ready();
  });

  afterAll(async () => {
    await product.client.request('deployment.delete', { name: 'sums' });
    await product.stop();
  });

  function ready(): Promise<Deployment> {
    return product.client.request('deployment.wait', {
      name: 'sums',
      timeout: 150_000
    });
  }

  function total(): Promise<ServiceAnswer> {
    return product.client.request('service.request', {
      name: 'sums',
      path: '/total',
      body: { kind: 'inline', encoding: 'utf8', data: '[1, 2, 39]' }
    });
  }

  /** Waits for an event after which the deployment is in a state. */
  function turns(state: Deployment['state'][]): Promise<void> {
    return new Promise(resolve => {
      product.client.onEvent(({ key, value }) => {
        if (
          key === 'sums' &&
          state.includes((value as unknown as Deployment).state)
        ) {
          resolve();
        }
      });
    });
  }

  it('is ready with both pods and answers through the runner', async () => {
    const view = await product.client.request('deployment.get', {
      name: 'sums'
    });
    expect(view.replicas).toEqual({ ready: 2, wanted: 2 });
    expect(view.pods.map(({ role, runner }) => runner ?? role).sort()).toEqual([
      'adder',
      'api-server'
    ]);
    const answer = await total();
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ data: '42' });
  });

  it('fails a request while its runner is dead, says so, and heals', async () => {
    const { namespace } = product.instance;
    await product.client.request('subscribe', {
      topics: [`deployments/${namespace}`]
    });
    const notReady = turns(['degraded', 'rollingOut', 'deploying']);
    const { pods } = await product.client.request('deployment.get', {
      name: 'sums'
    });
    const runner = pods.find(({ role }) => role === 'runner')?.name ?? '';
    await kubectl(
      product.instance,
      'delete',
      'pod',
      runner,
      '--grace-period=0',
      '--force'
    );
    await notReady;
    const answer = await total().then(
      ({ status }) => status,
      (error: { code?: string }) => error.code
    );
    expect([500, 503, 'serviceNotReady', 'serviceUnreachable']).toContain(
      answer
    );
    await ready();
    const healed = await total();
    expect(healed.status).toBe(200);
    expect(healed.body).toMatchObject({ data: '42' });
  });
});
