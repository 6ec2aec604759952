// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

import {
  GetObjectCommand,
  PutObjectCommand,
  S3Client
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';

import { adminClient } from '../playground/controllers/adminClient';
import type { KubeClient } from '../playground/controllers/kube/client';
import type {
  Kind,
  KubeObject,
  Stored
} from '../playground/controllers/kube/objects';
import { Reflector } from '../playground/controllers/kube/reflector';
import type {
  BentoDeployment,
  BentoRequest,
  Condition,
  Job
} from '../playground/controllers/operators/types';
import { addressAnnotation } from '../playground/controllers/runner/services';
import type { Pod } from '../playground/controllers/runner/types';
import { type Instance, setFaults } from '../playground/instance';
import { waitFor } from '../playground/wait';
import { writeEchoBento } from './echoBento';
import { kubectl } from './kubectl';
import { sharedPlayground } from './product';

let instance: Instance;
let client: KubeClient;
let home: string;
const namespace = 'ds';
/** New for each run, since a playground that goes on has the images of the last one. */
const version = `v${randomBytes(4).toString('hex')}`;
const resources = {
  requests: { cpu: '100m', memory: '200Mi' },
  limits: { cpu: '500m', memory: '1Gi' }
};

beforeAll(async () => {
  instance = await sharedPlayground();
  client = adminClient(instance);
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'standin-'));
});

afterAll(() => {
  setFaults(instance, []);
  client.close();
  fs.rmSync(home, { recursive: true });
});

afterEach(() => {
  setFaults(instance, []);
});

/** Puts a small bento into S3 and returns its tag and an address that needs no keys. */
async function uploaded(name: string): Promise<{ tag: string; url: string }> {
  const tag = writeEchoBento({ home, name, version, user: null });
  const folder = path.join(home, 'bentos', name, version);
  const { endpoint, region, bucket, prefix } = instance.s3;
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = instance.productEnv;
  const s3 = new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    credentials: {
      accessKeyId: String(AWS_ACCESS_KEY_ID),
      secretAccessKey: String(AWS_SECRET_ACCESS_KEY)
    }
  });
  const object = { Bucket: bucket, Key: `${prefix}/standin/${name}.tar` };
  const Body = execFileSync('tar', ['-cf', '-', '-C', folder, '.']);
  await s3.send(new PutObjectCommand({ ...object, Body }));
  const url = await getSignedUrl(s3, new GetObjectCommand(object), {
    expiresIn: 3600
  });
  s3.destroy();
  return { tag, url };
}

async function request(name: string): Promise<void> {
  const { tag, url } = await uploaded(name);
  await client.create({
    apiVersion: 'resources.yatai.ai/v1alpha1',
    kind: 'BentoRequest',
    metadata: { name, namespace },
    spec: {
      bentoTag: tag,
      downloadUrl: url,
      imageBuilderContainerResources: resources
    }
  });
}

async function deploy(name: string, bento = name): Promise<void> {
  await client.create({
    apiVersion: 'serving.yatai.ai/v2alpha1',
    kind: 'BentoDeployment',
    metadata: { name, namespace },
    spec: { bento, resources, ingress: { enabled: false } }
  });
}

/** Waits until an object is as wanted, and returns it. */
function until<T extends KubeObject>(
  kind: Kind,
  name: string,
  wanted: (object: Stored<T>) => boolean
): Promise<Stored<T>> {
  return waitFor(
    async () => {
      const found = await client.get<T>(kind, namespace, name);
      return found && wanted(found) ? found : undefined;
    },
    { what: `${kind} ${name} to be as wanted`, timeoutMs: 90_000 }
  );
}

/** Waits until the pods with a label are as wanted, and returns them. */
function untilPods(
  labelSelector: string,
  wanted: (pods: Stored<Pod>[]) => boolean
): Promise<Stored<Pod>[]> {
  return waitFor(
    async () => {
      const { items } = await client.list<Pod>('Pod', {
        namespace,
        labelSelector
      });
      return wanted(items) ? items : undefined;
    },
    { what: `the pods ${labelSelector} to be as wanted`, timeoutMs: 90_000 }
  );
}

function says(
  conditions: Condition[] | undefined,
  type: string,
  status: string
): string | undefined {
  return conditions?.find(
    condition => condition.type === type && condition.status === status
  )?.message;
}

function requestSays(type: string, status: string) {
  return ({ status: { conditions } = {} }: Stored<BentoRequest>): boolean =>
    says(conditions, type, status) !== undefined;
}

async function remove(kind: Kind, name: string): Promise<void> {
  await client.delete({ kind, namespace, name });
}

const readyOf = ([pod]: Stored<Pod>[]): boolean =>
  pod?.status?.conditions?.some(
    ({ type, status }) => type === 'Ready' && status === 'True'
  ) ?? false;

/** Follows an object and tells what each update changed of its conditions. */
function follow(
  kind: Kind,
  name: string
): { updates: string[]; stop: () => Promise<void> } {
  const updates: string[] = [];
  const reflector = new Reflector<BentoRequest | BentoDeployment>({
    client,
    kind,
    selection: { namespace, fieldSelector: `metadata.name=${name}` },
    onChange: ({ type, object, previous }) => {
      const before = previous?.status?.conditions ?? [];
      const changed = (object.status?.conditions ?? []).filter(
        now =>
          !before.some(
            old =>
              old.type === now.type &&
              old.message === now.message &&
              old.status === now.status
          )
      );
      if (type !== 'deleted' && changed.length > 0) {
        updates.push(
          changed
            .map(now => `${now.type}=${now.status} ${now.message}`)
            .join('; ')
        );
      }
    }
  });
  return { updates, stop: () => reflector.stop() };
}

function pidsOf(uid: string): number[] {
  const marker = `BENTO_PLAYGROUND_CONTAINER=${uid}/`;
  return fs.readdirSync('/proc').flatMap(entry => {
    try {
      const file = `/proc/${entry}/environ`;
      const environment = fs.readFileSync(file, 'utf8').split('\0');
      const found = environment.some(variable => variable.startsWith(marker));
      return found ? [Number(entry)] : [];
    } catch {
      return [];
    }
  });
}

describe('the stand-in on a real API server', () => {
  it('takes a request and a deployment to a serving pod, update by update', async () => {
    const name = 'standin';
    const seen = follow('BentoRequest', name);
    await request(name);
    await deploy(name);
    await untilPods(`yatai.ai/bento-deployment=${name}`, readyOf);
    await seen.stop();
    const image = `127.0.0.1:5000/yatai-bentos:yatai.standin.${version}`;
    const { items: jobs } = await client.list<Job>('Job', {
      namespace,
      labelSelector: `yatai.ai/bento-request=${name}`
    });
    const job = jobs[0]?.metadata.name ?? '';
    const starting = 'Unknown Starting to reconcile BentoRequest';
    const flicker = ['Unknown Reconciling', 'True Bento is generated'].map(
      text => `BentoAvailable=${text}`
    );
    // Two updates come as often as the Job moves; the rest is always the same.
    const steps = seen.updates.filter(
      update =>
        !/^ImageExistsChecked=(Unknown|False)[^;]*$/.test(update) &&
        !update.endsWith('is waiting')
    );
    const end = steps.indexOf(flicker[1] ?? '') + 1;
    expect(steps.slice(0, end)).toEqual([
      `ModelsSeeding=${starting}; ImageBuilding=${starting}; ImageExists=${starting}`,
      'BentoAvailable=Unknown Reconciling',
      `BentoAvailable=Unknown Checking image exists; ImageExistsChecked=Unknown ${image}`,
      `ImageExists=False Image ${image} is not exists; ImageExistsChecked=False Image not exists: ${image}`,
      `ImageBuilding=True Image building job ${job} is running`,
      `ImageExists=True ${image}; ImageExistsChecked=True ${image}`,
      'BentoAvailable=True Bento is generated'
    ]);
    // Each event of the Bento or the Job after that makes it flicker once.
    const flickers = steps.slice(end);
    expect(flickers.length).toBeGreaterThanOrEqual(2);
    expect(flickers).toEqual(flickers.map((_, index) => flicker[index % 2]));
    expect(flickers.at(-1)).toBe(flicker[1]);
  });

  it('tells the truth about the builder’s pod, and has its logs', async () => {
    const label = 'yatai.ai/bento-request=standin';
    const [pod] = await untilPods(
      label,
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
      instance,
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
    const service = await until(
      'Service',
      'standin',
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
    const label = 'yatai.ai/bento-deployment=standin';
    const [pod] = await untilPods(label, readyOf);
    const pids = pidsOf(pod?.metadata.uid ?? '');
    expect(pids.length).toBeGreaterThan(0);
    for (const pid of pids) {
      const environment = fs.readFileSync(
        `/proc/${String(pid)}/environ`,
        'utf8'
      );
      expect(environment).not.toContain('AWS_');
      if (instance.user) {
        const { uid } = fs.statSync(`/proc/${String(pid)}`);
        expect([0, instance.user.uid]).not.toContain(uid);
      }
    }
  });

  it('restarts a server that crashed, and keeps how it ended and what it said', async () => {
    const label = 'yatai.ai/bento-deployment=standin';
    const [before] = await untilPods(label, readyOf);
    pidsOf(before?.metadata.uid ?? '').forEach(pid => {
      process.kill(pid, 'SIGKILL');
    });
    const [pod] = await untilPods(label, pods => {
      const [main] = pods[0]?.status?.containerStatuses ?? [];
      return main?.restartCount === 1 && readyOf(pods);
    });
    const [main] = pod?.status?.containerStatuses ?? [];
    expect(main?.lastState.terminated).toMatchObject({
      exitCode: 137,
      reason: 'Error'
    });
    const previous = await kubectl(
      instance,
      ...`-n ${namespace} logs ${pod?.metadata.name ?? ''} -c main --previous`.split(
        ' '
      )
    );
    expect(previous.stdout).toContain('Service');
  });

  it('ends everything with the deployment and the request', async () => {
    const label = 'yatai.ai/bento-deployment=standin';
    const [pod] = await untilPods(label, readyOf);
    const { uid = '', name = '' } = pod?.metadata ?? {};
    await remove('BentoDeployment', 'standin');
    await remove('BentoRequest', 'standin');
    await untilPods(label, pods => pods.length === 0);
    await untilPods(
      'yatai.ai/bento-request=standin',
      pods => pods.length === 0
    );
    expect(pidsOf(uid)).toEqual([]);
    for (const kind of ['PortForward', 'Logs'] as const) {
      await waitFor(
        async () =>
          (await client.get(kind, namespace, name)) ? undefined : true,
        { what: `${kind} ${name} to go`, timeoutMs: 10_000 }
      );
    }
    expect(await client.get('Bento', namespace, 'standin')).toBeUndefined();
  });

  it('builds nothing when the registry has the image', async () => {
    await request('standin');
    await until(
      'BentoRequest',
      'standin',
      requestSays('BentoAvailable', 'True')
    );
    const { items } = await client.list('Job', {
      namespace,
      labelSelector: 'yatai.ai/bento-request=standin'
    });
    expect(items).toEqual([]);
    await remove('BentoRequest', 'standin');
  });
});

describe('the stand-in with faults', () => {
  it('retries a refused download, starts over after an edit, and succeeds in the end', async () => {
    const name = 'refused';
    const label = `yatai.ai/bento-request=${name}`;
    setFaults(instance, ['s3-refuses-download']);
    await request(name);
    const [pod] = await untilPods(
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
    setFaults(instance, []);
    const target = { kind: 'BentoRequest', namespace, name } as const;
    await client.patch(target, { metadata: { labels: { touched: '1' } } });
    await until('BentoRequest', name, requestSays('BentoAvailable', 'True'));
    // The edit threw the first Job away, with its pods, at the Job's next event.
    const { items } = await client.list<Job>('Job', {
      namespace,
      labelSelector: label
    });
    const owner = pod?.metadata.ownerReferences?.[0]?.uid;
    expect(items.map(({ metadata }) => metadata.uid)).not.toContain(owner);
    await remove('BentoRequest', name);
  });

  it('fails a build at once, tells the deployment, and builds again after an edit', async () => {
    const name = 'failing';
    setFaults(instance, ['build-fails']);
    await request(name);
    await deploy(name);
    const failed = await until<BentoRequest>(
      'BentoRequest',
      name,
      requestSays('BentoAvailable', 'False')
    );
    const message = says(failed.status?.conditions, 'BentoAvailable', 'False');
    expect(message).toMatch(/^Image building job \S+ is failed\.$/);
    expect(says(failed.status?.conditions, 'ImageBuilding', 'False')).toBe(
      message
    );
    const { items } = await client.list<Job>('Job', {
      namespace,
      labelSelector: `yatai.ai/bento-request=${name}`
    });
    expect(items[0]?.status?.conditions).toContainEqual(
      expect.objectContaining({ type: 'Failed', reason: 'PodFailurePolicy' })
    );
    const told = `Failed to reconcile BentoDeployment: BentoRequest ds/${name} is not available: ${String(message)}`;
    await until<BentoDeployment>(
      'BentoDeployment',
      name,
      ({ status }) => says(status?.conditions, 'Available', 'False') === told
    );
    setFaults(instance, []);
    const target = { kind: 'BentoRequest', namespace, name } as const;
    await client.patch(target, { spec: { buildArgs: ['A=1'] } });
    await until<BentoDeployment>(
      'BentoDeployment',
      name,
      ({ status }) =>
        says(status?.conditions, 'Available', 'True') !== undefined
    );
    await remove('BentoDeployment', name);
    await remove('BentoRequest', name);
  });

  it('looks at what waited as soon as the namespace is watched', async () => {
    const name = 'ignored';
    setFaults(instance, ['namespace-not-watched']);
    await request(name);
    const seen = follow('BentoRequest', name);
    setFaults(instance, []);
    await until('BentoRequest', name, requestSays('BentoAvailable', 'True'));
    await seen.stop();
    expect(seen.updates[0]).toContain('Starting to reconcile BentoRequest');
    await remove('BentoRequest', name);
  });

  it('waits for an image that is not there', async () => {
    const name = 'absent';
    await client.create({
      apiVersion: 'resources.yatai.ai/v1alpha1',
      kind: 'Bento',
      metadata: { name, namespace },
      spec: { tag: 'absent:v1', image: '127.0.0.1:5000/no/such:image' }
    });
    await deploy(name);
    const [pod] = await untilPods(
      `yatai.ai/bento-deployment=${name}`,
      ([found]) =>
        /^(ErrImagePull|ImagePullBackOff)$/.test(
          found?.status?.containerStatuses?.[0]?.state.waiting?.reason ?? ''
        )
    );
    expect(pod?.status?.phase).toBe('Running');
    await remove('BentoDeployment', name);
    await remove('Bento', name);
  });
});
