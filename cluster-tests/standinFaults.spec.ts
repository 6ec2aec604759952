// SPDX-License-Identifier: BSD-3-Clause
import type { KubeObject } from '../playground/controllers/kube/objects';
import type {
  BentoDeployment,
  BentoRequest,
  Job
} from '../playground/controllers/operators/types';
import type { Pod } from '../playground/controllers/runner/types';
import { setFaults } from '../playground/instance';
import {
  namespace,
  resources,
  saying,
  says,
  StandinCluster
} from './standinCluster';

let cluster: StandinCluster;

beforeAll(async () => {
  cluster = await StandinCluster.open();
});

afterAll(() => {
  cluster.close();
});

afterEach(() => {
  setFaults(cluster.instance, []);
});

function noImage([pod]: Pod[]): boolean {
  const [first] = pod?.status?.containerStatuses ?? [];
  return /^(ErrImagePull|ImagePullBackOff)$/.test(
    first?.state.waiting?.reason ?? ''
  );
}

/** A pod that nobody but the runner looks at. */
function podWithoutImage(name: string): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: name } },
    spec: {
      containers: [
        { name: 'main', image: '127.0.0.1:5000/no/such:image', resources }
      ]
    }
  };
}

describe('the stand-in with faults', () => {
  it('retries a refused download, starts over after an edit, and succeeds in the end', async () => {
    const name = 'refused';
    const label = `yatai.ai/bento-request=${name}`;
    setFaults(cluster.instance, ['s3-refuses-download']);
    await cluster.request(name);
    const [pod] = await cluster.untilPods(
      label,
      ([found]) => found?.status?.phase === 'Failed'
    );
    const [init] = pod?.status?.initContainerStatuses ?? [];
    expect(init?.state.terminated).toMatchObject({
      exitCode: 22,
      reason: 'Error'
    });
    expect(pod?.status?.containerStatuses?.[0]?.state.waiting?.reason).toBe(
      'PodInitializing'
    );
    setFaults(cluster.instance, []);
    const target = { kind: 'BentoRequest', namespace, name } as const;
    await cluster.client.patch(target, {
      metadata: { labels: { touched: '1' } }
    });
    await cluster.until('BentoRequest', name, says('BentoAvailable', 'True'));
    // The edit threw the first Job away, with its pods, at the Job's next event.
    const items = await cluster.list<Job>('Job', label);
    const owner = pod?.metadata.ownerReferences?.[0]?.uid;
    expect(items.map(({ metadata }) => metadata.uid)).not.toContain(owner);
    await cluster.remove('BentoRequest', name);
  });

  it('fails a build at once, tells the deployment, and builds again after an edit', async () => {
    const name = 'failing';
    setFaults(cluster.instance, ['build-fails']);
    await cluster.request(name);
    await cluster.deploy(name);
    const failed = await cluster.until<BentoRequest>(
      'BentoRequest',
      name,
      says('BentoAvailable', 'False')
    );
    const message = saying(failed, 'BentoAvailable', 'False');
    expect(message).toMatch(/^Image building job \S+ is failed\.$/);
    expect(saying(failed, 'ImageBuilding', 'False')).toBe(message);
    const items = await cluster.list<Job>(
      'Job',
      `yatai.ai/bento-request=${name}`
    );
    expect(items[0]?.status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'Failed', reason: 'PodFailurePolicy' })
    );
    const told = `Failed to reconcile BentoDeployment: BentoRequest ds/${name} is not available: ${String(message)}`;
    await cluster.until<BentoDeployment>(
      'BentoDeployment',
      name,
      deployment => saying(deployment, 'Available', 'False') === told
    );
    setFaults(cluster.instance, []);
    const target = { kind: 'BentoRequest', namespace, name } as const;
    await cluster.client.patch(target, { spec: { buildArgs: ['A=1'] } });
    await cluster.until<BentoDeployment>(
      'BentoDeployment',
      name,
      says('Available', 'True')
    );
    await cluster.remove('BentoDeployment', name);
    await cluster.remove('BentoRequest', name);
  });

  it('ignores a namespace that is not watched, and sees what waited when it is', async () => {
    const name = 'ignored';
    setFaults(cluster.instance, ['namespace-not-watched']);
    await cluster.request(name);
    await cluster.deploy(name);
    // The runner works on, in the same process: once it has seen a later pod, the operators have
    // seen these two.
    await cluster.client.create(podWithoutImage('later'));
    await cluster.untilPods('app=later', noImage);
    const kinds = ['BentoRequest', 'BentoDeployment'] as const;
    for (const kind of kinds) {
      const object = await cluster.client.get(kind, namespace, name);
      expect(object?.metadata.name).toBe(name);
      expect(object?.status).toBeUndefined();
    }
    setFaults(cluster.instance, []);
    await cluster.until('BentoRequest', name, says('BentoAvailable', 'True'));
    await cluster.until('BentoDeployment', name, says('Available', 'True'));
    for (const kind of kinds) {
      await cluster.remove(kind, name);
    }
    await cluster.remove('Pod', 'later');
  });

  it('waits for an image that is not there', async () => {
    const name = 'absent';
    await cluster.client.create({
      apiVersion: 'resources.yatai.ai/v1alpha1',
      kind: 'Bento',
      metadata: { name, namespace },
      spec: { tag: 'absent:v1', image: '127.0.0.1:5000/no/such:image' }
    });
    await cluster.deploy(name);
    const [pod] = await cluster.untilPods(
      `yatai.ai/bento-deployment=${name}`,
      noImage
    );
    // As a kubelet has it, although the sidecars run.
    expect(pod?.status?.phase).toBe('Pending');
    await cluster.remove('BentoDeployment', name);
    await cluster.remove('Bento', name);
  });
});
