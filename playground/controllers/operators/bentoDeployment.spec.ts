// SPDX-License-Identifier: BSD-3-Clause
import type { Stored } from '../kube/objects';
import { MemoryDeployer, stored } from '../testing/worlds';
import { reconcileDeployment } from './bentoDeployment';
import { withConditions } from './conditions';
import type {
  Bento,
  BentoDeployment,
  BentoDeploymentSpec,
  BentoRequest
} from './types';

function deployment(
  spec: Partial<BentoDeploymentSpec> = {}
): Stored<BentoDeployment> {
  return stored({
    apiVersion: 'serving.yatai.ai/v2alpha1',
    kind: 'BentoDeployment',
    metadata: { name: 'd' },
    spec: { bento: 'b', ...spec }
  });
}

function bento(name = 'b', runners: string[] = []): Stored<Bento> {
  return stored({
    apiVersion: 'resources.yatai.ai/v1alpha1',
    kind: 'Bento',
    metadata: { name },
    spec: {
      tag: `iris:${name}`,
      image: `127.0.0.1:5000/yatai-bentos:yatai.iris.${name}`,
      runners: runners.map(runner => ({ name: runner }))
    }
  });
}

function failedRequest(message: string): Stored<BentoRequest> {
  return stored({
    apiVersion: 'resources.yatai.ai/v1alpha1',
    kind: 'BentoRequest',
    metadata: { name: 'b' },
    status: {
      conditions: withConditions(
        [],
        [{ type: 'BentoAvailable', status: 'False', message }],
        0
      )
    }
  });
}

async function ready(
  spec: Partial<BentoDeploymentSpec> = {},
  runners: string[] = []
): Promise<MemoryDeployer> {
  const world = new MemoryDeployer(deployment(spec));
  world.bentos.set('b', bento('b', runners));
  await reconcileDeployment(world);
  world.takeUpdates();
  world.done.splice(0);
  world.notes.splice(0);
  return world;
}

const starting = 'Unknown Starting to reconcile BentoDeployment';

describe('a pass of the deployment operator', () => {
  it('applies everything in order and calls that available', async () => {
    const world = new MemoryDeployer(deployment());
    world.bentos.set('b', bento('b', ['m']));
    expect(await reconcileDeployment(world)).toBe('done');
    expect(world.updates).toEqual([
      `Available=${starting}; BentoFound=${starting}`,
      'BentoFound=True Bento found',
      'Available=True Reconciling'
    ]);
    expect(
      world.done.map(line => line.replace(/-[0-9a-f]{32}$/, '-MD5'))
    ).toEqual([
      'create Deployment ds/d-runner-0',
      'create HorizontalPodAutoscaler ds/d-runner-0',
      'create Service ds/d-runner-MD5',
      'create ConfigMap ds/d-envoy-config',
      'create Deployment ds/d',
      'create HorizontalPodAutoscaler ds/d',
      'create Service ds/d'
    ]);
  });

  it('tells each step of a deployment without runners', async () => {
    const world = new MemoryDeployer(deployment());
    world.bentos.set('b', bento());
    await reconcileDeployment(world);
    const steps = ['Deployment', 'HPA', 'Service'].flatMap(kind => [
      `Getting ${kind} ds/d`,
      `Creating a new ${kind} ds/d`,
      `Created ${kind} ds/d`
    ]);
    expect(world.told).toEqual([
      'Starting to reconcile BentoDeployment',
      'Getting Bento b',
      'Bento b is found',
      ...steps,
      'Generating hostname for ingress',
      'Generated hostname for ingress: d-ds.example.com',
      'Getting Ingress ds/d',
      'Skipping Ingress ds/d',
      'All resources updated!'
    ]);
  });

  it('waits for the Bento while its request is under way', async () => {
    const world = new MemoryDeployer(deployment());
    world.requests.set('b', stored({ ...failedRequest(''), status: {} }));
    await reconcileDeployment(world);
    await reconcileDeployment(world);
    expect(world.updates).toEqual([
      `Available=${starting}; BentoFound=${starting}`,
      'BentoFound=False Bento not found',
      'BentoRequestFound=Unknown Bento not found',
      'BentoRequestFound=True Bento not found',
      'BentoRequestFound=Unknown Bento not found',
      'BentoRequestFound=True Bento not found'
    ]);
    expect(world.done).toEqual([]);
  });

  it('ends with a request found even where there is none', async () => {
    const world = new MemoryDeployer(deployment());
    await reconcileDeployment(world);
    const missing =
      'False get BentoRequest ds/b: BentoRequest.resources.yatai.ai "b" not found';
    expect(world.updates.slice(-2)).toEqual([
      `BentoFound=${missing}; BentoRequestFound=${missing}`,
      'BentoRequestFound=True Bento not found'
    ]);
  });

  it('passes on that a request failed, and keeps it until the next complete pass', async () => {
    const world = new MemoryDeployer(deployment());
    world.requests.set('b', failedRequest('it broke'));
    await reconcileDeployment(world);
    const why = 'BentoRequest ds/b is not available: it broke';
    expect(world.updates.slice(-2)).toEqual([
      `Available=False ${why}; BentoFound=False ${why}`,
      `Available=False Failed to reconcile BentoDeployment: ${why}`
    ]);
    expect(
      world.notes.slice(-2).map(({ type, reason }) => [type, reason])
    ).toEqual([
      ['Warning', 'GetBentoRequest'],
      ['Warning', 'ReconcileError']
    ]);
    world.requests.clear();
    world.takeUpdates();
    await reconcileDeployment(world);
    expect(world.takeUpdates().join()).not.toContain('Available=');
    world.bentos.set('b', bento());
    await reconcileDeployment(world);
    expect(world.takeUpdates()).toEqual([
      'BentoFound=True Bento found',
      'Available=True Reconciling'
    ]);
  });

  it('changes nothing, and no condition, on a pass without news', async () => {
    const world = await ready({}, ['m']);
    await reconcileDeployment(world);
    expect(world.updates).toEqual([]);
    expect(world.done).toEqual([]);
    expect(world.told).toContain('Skipping update Deployment ds/d-runner-0');
  });

  it('moves to another Bento in place and leaves what it no longer needs', async () => {
    const world = await ready({}, ['a', 'b']);
    const before = new Set(world.objects.keys());
    world.bentos.set('v2', bento('v2', ['a']));
    world.current = {
      ...world.current,
      spec: { bento: 'v2' }
    };
    await reconcileDeployment(world);
    expect(world.updates).toEqual([]);
    expect(world.done).toContain('replace Deployment ds/d-runner-0');
    expect(world.done).toContain('replace Service ds/d');
    for (const what of before) {
      expect(world.objects.has(what)).toBe(true);
    }
    const service = world.objects.get('Service ds/d') as {
      spec?: { selector?: Record<string, string> };
    };
    expect(service.spec?.selector?.['yatai.ai/bento-version']).toBe('v2');
  });

  it('tells an error, swallows it, and leaves what was applied before', async () => {
    const world = new MemoryDeployer(deployment());
    world.bentos.set('b', bento('b', ['m', 'n']));
    world.refusals.set('Deployment ds/d-runner-1', 'no such luck');
    expect(await reconcileDeployment(world)).toBe('done');
    expect(world.updates.at(-1)).toBe(
      'Available=False Failed to reconcile BentoDeployment: create or update deployment: no such luck'
    );
    expect(world.told).toContain(
      'Failed to create Deployment ds/d-runner-1: no such luck'
    );
    expect(world.objects.has('Deployment ds/d-runner-0')).toBe(true);
    expect(world.objects.has('Deployment ds/d')).toBe(false);
  });

  it('fails on the domain suffix after everything was applied', async () => {
    const world = new MemoryDeployer(deployment());
    world.bentos.set('b', bento());
    world.suffixError =
      'failed to wait for ingress default-domain-x to be ready: timed out waiting for the condition';
    await reconcileDeployment(world);
    expect(world.objects.has('Service ds/d')).toBe(true);
    expect(world.updates.at(-1)).toBe(
      `Available=False Failed to reconcile BentoDeployment: get domain suffix: ${world.suffixError}`
    );
  });

  it('keeps Available when its Bento goes', async () => {
    const world = await ready();
    world.bentos.clear();
    await reconcileDeployment(world);
    expect(world.updates.join()).not.toContain('Available=');
    expect(world.updates[0]).toBe('BentoFound=False Bento not found');
  });
});
