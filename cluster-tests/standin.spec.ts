// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';

import type { Kind } from '../playground/controllers/kube/objects';
import type {
  BentoRequest,
  Job
} from '../playground/controllers/operators/types';
import { addressAnnotation } from '../playground/controllers/runner/services';
import type { Pod } from '../playground/controllers/runner/types';
import { waitFor } from '../playground/wait';
import { asAdmin, kubectl } from './kubectl';
import {
  type Follower,
  namespace,
  pidsOf,
  readyOf,
  saying,
  says,
  StandinCluster
} from './standinCluster';

const name = 'standin';
const builders = `yatai.ai/bento-request=${name}`;
const servers = `yatai.ai/bento-deployment=${name}`;
let cluster: StandinCluster;

beforeAll(async () => {
  cluster = await StandinCluster.open();
});

afterAll(() => {
  cluster.close();
});

function texts({ updates }: Follower): string[] {
  return updates.map(({ text }) => text);
}

/** What there is, as `kind/name`, of these names or with a name that one of them begins. */
async function remaining(names: string[]): Promise<string[]> {
  const kinds =
    'bentorequests,bentodeployments,bentoes,jobs,deployments,replicasets,pods,services,hpa,configmaps';
  const output = await asAdmin(cluster.instance, [
    'get',
    kinds,
    `--namespace=${namespace}`,
    '--output=name'
  ]);
  return output.split('\n').filter(line => {
    const called = line.split('/')[1];
    return names.some(
      each => called === each || called?.startsWith(`${each}-`)
    );
  });
}

/** The first update that says so, in the API server's order of all updates; 0 if there is none. */
function when({ updates }: Follower, said: string): number {
  return (
    updates.find(({ text }) =>
      text.split('; ').some(one => one.startsWith(said))
    )?.resourceVersion ?? 0
  );
}

describe('the stand-in on a real API server', () => {
  let request: Follower;
  let deployment: Follower;
  let pods: Follower;

  beforeAll(async () => {
    const one = { fieldSelector: `metadata.name=${name}` };
    request = await cluster.follow('BentoRequest', one);
    deployment = await cluster.follow('BentoDeployment', one);
    pods = await cluster.follow('Pod', { labelSelector: servers });
    await cluster.request(name);
    await cluster.deploy(name);
    await cluster.untilPods(servers, readyOf);
    for (const follower of [request, deployment, pods]) {
      await follower.stop();
    }
  });

  it('tells of the request update by update', async () => {
    const image = `127.0.0.1:5000/yatai-bentos:yatai.${name}.${cluster.version}`;
    const [job] = await cluster.list<Job>('Job', builders);
    const running = `Image building job ${job?.metadata.name ?? ''} is running`;
    const starting = 'Unknown Starting to reconcile BentoRequest';
    const flicker = ['Unknown Reconciling', 'True Bento is generated'].map(
      text => `BentoAvailable=${text}`
    );
    // Two updates come as often as the Job moves; the rest is always the same.
    const steps = texts(request).filter(
      text =>
        !/^ImageExistsChecked=(Unknown|False)[^;]*$/.test(text) &&
        !text.endsWith('is waiting')
    );
    const end = steps.indexOf(flicker[1] ?? '') + 1;
    expect(steps.slice(0, end)).toEqual([
      `ModelsSeeding=${starting}; ImageBuilding=${starting}; ImageExists=${starting}`,
      'BentoAvailable=Unknown Reconciling',
      `BentoAvailable=Unknown Checking image exists; ImageExistsChecked=Unknown ${image}`,
      `ImageExists=False Image ${image} is not exists; ImageExistsChecked=False Image not exists: ${image}`,
      `ImageBuilding=True ${running}`,
      `ImageExists=True ${image}; ImageExistsChecked=True ${image}`,
      'BentoAvailable=True Bento is generated'
    ]);
    // Each event of the Bento or the Job after that makes it flicker once.
    const flickers = steps.slice(end);
    expect(flickers.length).toBeGreaterThanOrEqual(2);
    expect(flickers).toEqual(flickers.map((_, index) => flicker[index % 2]));
    expect(flickers.at(-1)).toBe(flicker[1]);
    const built = await cluster.until<BentoRequest>(
      'BentoRequest',
      name,
      says('BentoAvailable', 'True')
    );
    expect(saying(built, 'ImageBuilding', 'True')).toBe(running);
  });

  it('tells of the deployment update by update', () => {
    const seen = texts(deployment);
    const starting = 'Unknown Starting to reconcile BentoDeployment';
    expect(seen.filter(text => !text.startsWith('BentoRequestFound='))).toEqual(
      [
        `Available=${starting}; BentoFound=${starting}`,
        'BentoFound=False Bento not found',
        'BentoFound=True Bento found',
        'Available=True Reconciling'
      ]
    );
    // Each update of the request makes this one flicker until the Bento is there.
    const found = seen.filter(text => text.startsWith('BentoRequestFound='));
    const flicker = ['Unknown', 'True'].map(
      status => `BentoRequestFound=${status} Bento not found`
    );
    expect(found.length).toBeGreaterThanOrEqual(4);
    expect(found).toEqual(found.map((_, index) => flicker[index % 2]));
    expect(found.at(-1)).toBe(flicker[1]);
  });

  it('calls the deployment available before any pod is ready', () => {
    const available = when(deployment, 'Available=True');
    const ready = when(pods, 'Ready=True');
    expect(available).toBeGreaterThan(0);
    expect(ready).toBeGreaterThan(available);
  });

  it('makes objects that belong to the request or the deployment', async () => {
    const [job] = await cluster.list<Job>('Job', builders);
    expect(job?.metadata.name).toMatch(
      /^yatai-bento-image-builder-[0-9a-v]{20}$/
    );
    const jobName = job?.metadata.name ?? '';
    const [builder] = await cluster.list<Pod>(
      'Pod',
      `batch.kubernetes.io/job-name=${jobName}`
    );
    expect(builder?.metadata.name).toMatch(
      new RegExp(`^${jobName}-[a-z0-9]{5}$`)
    );
    expect(builder?.metadata.labels).toMatchObject({
      'yatai.ai/bento-request': name,
      'yatai.ai/is-bento-image-builder': 'true'
    });
    const owned: [Kind, string, 'BentoRequest' | 'BentoDeployment'][] = [
      ['Job', jobName, 'BentoRequest'],
      ['Bento', name, 'BentoRequest'],
      ['ConfigMap', `${name}-envoy-config`, 'BentoDeployment'],
      ['Deployment', name, 'BentoDeployment'],
      ['HorizontalPodAutoscaler', name, 'BentoDeployment'],
      ['Service', name, 'BentoDeployment']
    ];
    for (const [kind, called, ownerKind] of owned) {
      const owner = await cluster.client.get(ownerKind, namespace, name);
      const object = await cluster.client.get(kind, namespace, called);
      expect(object?.metadata.ownerReferences).toEqual([
        expect.objectContaining({
          kind: ownerKind,
          uid: owner?.metadata.uid,
          controller: true,
          blockOwnerDeletion: true
        })
      ]);
    }
  });

  it('tells the truth about the builder’s pod, and has its logs', async () => {
    const [pod] = await cluster.untilPods(
      builders,
      ([found]) => found?.status?.phase === 'Succeeded'
    );
    const { initContainerStatuses, containerStatuses } = pod?.status ?? {};
    for (const status of [
      ...(initContainerStatuses ?? []),
      ...(containerStatuses ?? [])
    ]) {
      expect(status.state.terminated).toMatchObject({
        exitCode: 0,
        reason: 'Completed'
      });
    }
    const log = await kubectl(
      cluster.instance,
      ...`-n ${namespace} logs ${pod?.metadata.name ?? ''} -c builder`.split(
        ' '
      )
    );
    // It has a terminal, so its lines end as a terminal's do.
    expect(log.stdout).toMatch(
      /Pushed docker-registry\S+standin\.v[0-9a-f]{8}\r\n/
    );
  });

  it('is reached at the address that the Service tells', async () => {
    const service = await cluster.until(
      'Service',
      name,
      ({ metadata }) => metadata.annotations?.[addressAnnotation] !== undefined
    );
    const address = service.metadata.annotations?.[addressAnnotation] ?? '';
    const response = await fetch(`http://${address}/say`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ text: 'hello' })
    });
    expect(await response.json()).toMatchObject({ said: 'hello' });
  });

  it('hands no key of the product to a pod', async () => {
    const [pod] = await cluster.untilPods(servers, readyOf);
    const pids = pidsOf(pod?.metadata.uid ?? '');
    expect(pids.length).toBeGreaterThan(0);
    for (const pid of pids) {
      const environment = fs.readFileSync(
        `/proc/${String(pid)}/environ`,
        'utf8'
      );
      expect(environment).not.toContain('AWS_');
      if (cluster.instance.user) {
        const { uid } = fs.statSync(`/proc/${String(pid)}`);
        expect([0, cluster.instance.user.uid]).not.toContain(uid);
      }
    }
  });

  it('restarts a server that crashed, and keeps how it ended and what it said', async () => {
    const [before] = await cluster.untilPods(servers, readyOf);
    pidsOf(before?.metadata.uid ?? '').forEach(pid => {
      process.kill(pid, 'SIGKILL');
    });
    const [pod] = await cluster.untilPods(servers, pods => {
      const [main] = pods[0]?.status?.containerStatuses ?? [];
      return main?.restartCount === 1 && readyOf(pods);
    });
    const [main] = pod?.status?.containerStatuses ?? [];
    expect(main?.lastState.terminated).toMatchObject({
      exitCode: 137,
      reason: 'Error'
    });
    const previous = await kubectl(
      cluster.instance,
      ...`-n ${namespace} logs ${pod?.metadata.name ?? ''} -c main --previous`.split(
        ' '
      )
    );
    expect(previous.stdout).toContain('Service');
  });

  it('leaves nothing of a deployment and a request that are deleted', async () => {
    const [pod] = await cluster.untilPods(servers, readyOf);
    const { uid, name: podName } = pod?.metadata ?? { uid: '', name: '' };
    const [job] = await cluster.list<Job>('Job', builders);
    const names = [name, `${name}-envoy-config`, job?.metadata.name ?? ''];
    expect(await remaining(names)).toHaveLength(11);
    await cluster.remove('BentoDeployment', name);
    await cluster.remove('BentoRequest', name);
    await waitFor(
      async () =>
        (await remaining(names)).length === 0 &&
        !(await cluster.client.get('PortForward', namespace, podName)) &&
        !(await cluster.client.get('Logs', namespace, podName))
          ? true
          : undefined,
      { what: 'everything to be gone', timeoutMs: 60_000 }
    );
    expect(pidsOf(uid)).toEqual([]);
  });

  it('builds nothing when the registry has the image', async () => {
    await cluster.request(name);
    await cluster.until('BentoRequest', name, says('BentoAvailable', 'True'));
    const items = await cluster.list('Job', builders);
    expect(items).toEqual([]);
    await cluster.remove('BentoRequest', name);
  });
});
