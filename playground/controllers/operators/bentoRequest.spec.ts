// SPDX-License-Identifier: BSD-3-Clause
import type { Stored } from '../kube/objects';
import { MemoryBuilder, stored } from '../testing/worlds';
import { reconcileRequest } from './bentoRequest';
import type { BentoRequest, BentoRequestSpec, Job } from './types';

const image = '127.0.0.1:5000/yatai-bentos:yatai.iris.v1';
const push =
  'docker-registry.kubeflow.svc.cluster.local:5000/yatai-bentos:yatai.iris.v1';

function request(spec: Partial<BentoRequestSpec> = {}): Stored<BentoRequest> {
  return stored({
    apiVersion: 'resources.yatai.ai/v1alpha1',
    kind: 'BentoRequest',
    metadata: { name: 'iris' },
    spec: { bentoTag: 'iris:v1', downloadUrl: 'http://s3/iris.tar', ...spec }
  });
}

/** Passes until there is nothing to do at once. */
async function settle(world: MemoryBuilder): Promise<void> {
  while ((await reconcileRequest(world)) === 'again') {
    // Another pass.
  }
}

async function withJob(): Promise<{ world: MemoryBuilder; job: Stored<Job> }> {
  const world = new MemoryBuilder(request());
  await settle(world);
  const [job] = world.all;
  world.takeUpdates();
  return { world, job: job as Stored<Job> };
}

const checked = [
  `ImageExistsChecked=Unknown ${image}`,
  `ImageExistsChecked=False Image not exists: ${image}`
];

describe('a pass of the image builder', () => {
  it('opens a new request with a burst of updates and creates the Job', async () => {
    const world = new MemoryBuilder(request());
    await settle(world);
    const starting = 'Unknown Starting to reconcile BentoRequest';
    expect(world.updates).toEqual([
      `ModelsSeeding=${starting}; ImageBuilding=${starting}; ImageExists=${starting}`,
      'BentoAvailable=Unknown Reconciling',
      `BentoAvailable=Unknown Checking image exists; ImageExistsChecked=Unknown ${image}`,
      `ImageExists=False Image ${image} is not exists; ImageExistsChecked=False Image not exists: ${image}`
    ]);
    expect(world.all).toHaveLength(1);
    const name = world.all[0]?.metadata.name ?? '';
    expect(name).toMatch(/^yatai-bento-image-builder-[0-9a-v]{20}$/);
    expect(world.told).toEqual([
      'Making sure docker config secret yatai-regcred in namespace ds',
      'Docker config secret yatai-regcred in namespace ds is ready',
      `Checking image exists: ${image}`,
      `Image not exists: ${image}`,
      'Getting configmap yatai-image-builder-config from namespace kubeflow',
      'Configmap yatai-image-builder-config is not found in namespace kubeflow',
      'Getting secret yatai-image-builder-build-args from namespace kubeflow',
      'Secret yatai-image-builder-build-args is not found in namespace kubeflow',
      `Creating image builder job: ${name}`,
      `Created image builder job: ${name}`
    ]);
  });

  it.each([
    [{ active: 1 }, ['ImageBuilding=True', 'running']],
    [{}, ['ImageBuilding=Unknown', 'waiting']],
    [{ active: 0, conditions: [] }, ['ImageBuilding=Unknown', 'waiting']]
  ])('looks at a Job with status %j', async (status, [said, word]) => {
    const { world, job } = await withJob();
    job.status = status;
    await settle(world);
    expect(world.updates).toEqual([
      ...checked,
      `${String(said)} Image building job ${job.metadata.name} is ${String(word)}`
    ]);
    expect(world.told.slice(-2)).toEqual([
      `Found image builder job: ${job.metadata.name}`,
      'Image is building now'
    ]);
  });

  it('says that a Job failed, without the cause, and leaves it at that', async () => {
    const { world, job } = await withJob();
    job.status = { conditions: [{ type: 'Failed', status: 'True' }] };
    expect(await reconcileRequest(world)).toBe('done');
    const failed = `False Image building job ${job.metadata.name} is failed.`;
    expect(world.updates).toEqual([
      ...checked,
      `ImageBuilding=${failed}; BentoAvailable=${failed}`
    ]);
    expect(world.done).toEqual([]);
  });

  it('generates the Bento once the image is there, and flickers on the next event', async () => {
    const { world, job } = await withJob();
    job.status = { active: 1 };
    await settle(world);
    world.takeUpdates();
    world.pushed.add(push);
    await settle(world);
    expect(world.takeUpdates()).toEqual([
      `ImageExistsChecked=Unknown ${image}`,
      `ImageExists=True ${image}; ImageExistsChecked=True ${image}`,
      'BentoAvailable=True Bento is generated'
    ]);
    expect(world.made?.spec).toEqual({ tag: 'iris:v1', image });
    await settle(world);
    expect(world.takeUpdates()).toEqual([
      'BentoAvailable=Unknown Reconciling',
      'BentoAvailable=True Bento is generated'
    ]);
    const building = world.current?.status?.conditions?.find(
      ({ type }) => type === 'ImageBuilding'
    );
    expect(building?.status).toBe('True');
  });

  it('builds nothing when the registry has the image', async () => {
    const world = new MemoryBuilder(request());
    world.pushed.add(push);
    await settle(world);
    expect(world.all).toEqual([]);
    expect(world.updates.at(-1)).toBe('BentoAvailable=True Bento is generated');
    expect(world.told).toContain(`Image exists: ${image}`);
  });

  it.each([
    ['the spec', { spec: { buildArgs: ['A=1'] } }],
    ['a label', { labels: { touched: '1' } }],
    ['an annotation', { annotations: { touched: '1' } }]
  ])('throws a Job away when %s was edited', async (_what, edit) => {
    const { world, job } = await withJob();
    const { spec, ...metadata } = edit as {
      spec?: Partial<BentoRequestSpec>;
      labels?: Record<string, string>;
    };
    const current = world.current as Stored<BentoRequest>;
    world.current = {
      ...current,
      metadata: { ...current.metadata, ...metadata },
      spec: { ...(current.spec as BentoRequestSpec), ...spec }
    };
    await settle(world);
    expect(world.done).toEqual([`delete ${job.metadata.name}`]);
    // It is still there while its pods end: nothing is done meanwhile.
    await settle(world);
    expect(world.all).toHaveLength(1);
    world.all = [];
    await settle(world);
    expect(world.all).toHaveLength(1);
    expect(world.all[0]?.metadata.name).not.toBe(job.metadata.name);
  });

  it('keeps one Job of several for the same request', async () => {
    const { world, job } = await withJob();
    const twin = structuredClone(job);
    twin.metadata.name = 'twin';
    world.all.push(twin);
    await settle(world);
    expect(world.done).toEqual(['delete twin']);
  });

  it('tells errors and throws them on, to be tried again', async () => {
    const world = new MemoryBuilder(request({ downloadUrl: '' }));
    await reconcileRequest(world);
    const why =
      'ensure image exists: generate image builder job: generate image builder pod template spec: ' +
      "can't get yatai client, please check yatai configuration";
    await expect(reconcileRequest(world)).rejects.toThrow(why);
    expect(world.updates.at(-1)).toBe(`BentoAvailable=False ${why}`);
    expect(world.notes.at(-1)).toEqual({
      type: 'Warning',
      reason: 'ReconcileError',
      message: `Failed to reconcile BentoRequest: ${why}`
    });
    await reconcileRequest(world);
    expect(world.updates.at(-1)).toBe('BentoAvailable=Unknown Reconciling');
  });

  it('names the Job that the API server refused', async () => {
    const world = new MemoryBuilder(request());
    world.refusal = 'Job.batch "x" is invalid: metadata.labels';
    await reconcileRequest(world);
    await expect(reconcileRequest(world)).rejects.toThrow(
      /^ensure image exists: create image builder job .*: Job\.batch "x" is invalid/
    );
  });

  it('takes over a Bento whose spec differs, and leaves one that says the same', async () => {
    const world = new MemoryBuilder(request({ runners: [{ name: 'r' }] }));
    world.pushed.add(push);
    world.made = stored({
      apiVersion: 'resources.yatai.ai/v1alpha1',
      kind: 'Bento',
      metadata: { name: 'iris' },
      spec: { tag: 'iris:v1', image: 'mine' }
    });
    await settle(world);
    expect(world.done).toEqual(['update Bento']);
    expect(world.made.spec).toMatchObject({ image, runners: [{ name: 'r' }] });
    await settle(world);
    expect(world.done).toEqual(['update Bento']);
  });

  it('leaves alone what is gone or going', async () => {
    const going = request();
    going.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
    for (const current of [undefined, going]) {
      const world = new MemoryBuilder(current);
      expect(await reconcileRequest(world)).toBe('done');
      expect(world.updates).toEqual([]);
    }
  });
});
