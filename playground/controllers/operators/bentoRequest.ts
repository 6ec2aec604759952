// SPDX-License-Identifier: BSD-3-Clause
import type { EventNote } from '../kube/events';
import type { Stored } from '../kube/objects';
import { controlledBy } from '../kube/objects';
import type { Outcome } from '../kube/queue';
import {
  builderJob,
  hashAnnotation,
  newJobSuffix,
  requestHash
} from './builderJob';
import type { ConditionWrite } from './conditions';
import { conditionOf, says } from './conditions';
import type { ImageNames } from './images';
import { imageNames } from './images';
import type { Bento, BentoRequest, Job } from './types';
import { jobIs } from './types';

/** What a pass of the image builder sees and does; everything concerns one request. */
export interface BuilderWorld {
  request(): Promise<Stored<BentoRequest> | undefined>;
  /** One update of the request's status. */
  write(writes: ConditionWrite[]): Promise<void>;
  event(note: EventNote): void;
  /** Whether the registry lists the image. */
  imageExists(names: ImageNames): Promise<boolean>;
  jobs(): Promise<Stored<Job>[]>;
  createJob(job: Job): Promise<void>;
  deleteJob(job: Stored<Job>): Promise<void>;
  /** The account for pods whose request names none. */
  serviceAccount(): Promise<string>;
  bento(): Promise<Stored<Bento> | undefined>;
  createBento(bento: Bento): Promise<void>;
  updateBento(bento: Bento): Promise<void>;
}

const operatorNamespace = 'kubeflow';
const started = ['ModelsSeeding', 'ImageBuilding', 'ImageExists'];

function normal(reason: string, message: string): EventNote {
  return { type: 'Normal', reason, message };
}

/** Where a pass stands after its image step. */
type ImageStep = 'exists' | 'pending' | 'failed' | 'again';

/**
 * One pass of yatai-image-builder 1.2.28 over a request: the same status updates in the same order
 * with the same texts, the same objects. Errors become `BentoAvailable` False and are thrown on, so
 * that the queue repeats the pass.
 */
export async function reconcileRequest(world: BuilderWorld): Promise<Outcome> {
  const request = await world.request();
  if (!request?.spec || request.metadata.deletionTimestamp) {
    return 'done';
  }
  try {
    return await pass(world, request);
  } catch (error) {
    const { message } = error as Error;
    await world.write([says('BentoAvailable', 'False', message)]);
    world.event({
      type: 'Warning',
      reason: 'ReconcileError',
      message: `Failed to reconcile BentoRequest: ${message}`
    });
    throw error;
  }
}

async function pass(
  world: BuilderWorld,
  request: Stored<BentoRequest>
): Promise<Outcome> {
  const conditions = request.status?.conditions;
  if (started.some(type => !conditionOf(conditions, type))) {
    const message = 'Starting to reconcile BentoRequest';
    await world.write(started.map(type => says(type, 'Unknown', message)));
  }
  if (conditionOf(conditions, 'BentoAvailable')?.status !== 'Unknown') {
    await world.write([says('BentoAvailable', 'Unknown', 'Reconciling')]);
    return 'again';
  }
  const { bentoTag = '', image } = request.spec ?? {};
  const names = imageNames(bentoTag, image);
  const step = await ensureImage(world, request, names).catch(
    (error: unknown) => {
      throw new Error(`ensure image exists: ${(error as Error).message}`);
    }
  );
  if (step === 'again') {
    return { againAfterMs: 1_000 };
  }
  if (step === 'exists') {
    await ensureBento(world, request, names);
    await world.write([says('BentoAvailable', 'True', 'Bento is generated')]);
  }
  return 'done';
}

async function ensureImage(
  world: BuilderWorld,
  request: Stored<BentoRequest>,
  names: ImageNames
): Promise<ImageStep> {
  const known = conditionOf(request.status?.conditions, 'ImageExists');
  if (known?.status === 'True' && known.message === names.pull) {
    return 'exists';
  }
  if (await checkImage(world, request, names)) {
    return 'exists';
  }
  const jobs = await world.jobs();
  const hash = requestHash(request);
  const [job, ...surplus] = jobs.filter(
    ({ metadata }) =>
      metadata.annotations?.[hashAnnotation] === hash &&
      !metadata.deletionTimestamp
  );
  const stale = [...jobs.filter(other => other !== job), ...surplus];
  if (stale.length > 0) {
    const alive = stale.filter(old => !old.metadata.deletionTimestamp);
    for (const old of new Set(alive)) {
      await world.deleteJob(old);
    }
    // Their end is an event that starts the next pass.
    return 'pending';
  }
  return job ? followJob(world, job) : startJob(world, request);
}

async function checkImage(
  world: BuilderWorld,
  request: Stored<BentoRequest>,
  names: ImageNames
): Promise<boolean> {
  const secret = 'docker config secret yatai-regcred';
  const where = `in namespace ${request.metadata.namespace}`;
  world.event(
    normal('GenerateImageBuilderPod', `Making sure ${secret} ${where}`)
  );
  world.event(
    normal('GenerateImageBuilderPod', `D${secret.slice(1)} ${where} is ready`)
  );
  await world.write([
    says('ImageExistsChecked', 'Unknown', names.pull),
    says('BentoAvailable', 'Unknown', 'Checking image exists')
  ]);
  world.event(normal('CheckingImage', `Checking image exists: ${names.pull}`));
  if (await world.imageExists(names)) {
    await world.write([
      says('ImageExists', 'True', names.pull),
      says('ImageExistsChecked', 'True', names.pull)
    ]);
    world.event(normal('CheckingImage', `Image exists: ${names.pull}`));
    return true;
  }
  const absent = `Image not exists: ${names.pull}`;
  await world.write([
    says('ImageExists', 'False', `Image ${names.pull} is not exists`),
    says('ImageExistsChecked', 'False', absent)
  ]);
  world.event(normal('CheckingImage', absent));
  return false;
}

async function startJob(
  world: BuilderWorld,
  request: Stored<BentoRequest>
): Promise<ImageStep> {
  if (!request.spec?.downloadUrl) {
    throw new Error(
      'generate image builder job: generate image builder pod template spec: ' +
        "can't get yatai client, please check yatai configuration"
    );
  }
  for (const [kind, name] of [
    ['configmap', 'yatai-image-builder-config'],
    ['secret', 'yatai-image-builder-build-args']
  ] as const) {
    const where = `${name} from namespace ${operatorNamespace}`;
    const missing = `${name} is not found in namespace ${operatorNamespace}`;
    const capital = `${kind.charAt(0).toUpperCase()}${kind.slice(1)}`;
    world.event(normal('GenerateImageBuilderPod', `Getting ${kind} ${where}`));
    world.event(normal('GenerateImageBuilderPod', `${capital} ${missing}`));
  }
  const serviceAccount = await world.serviceAccount();
  const job = builderJob(request, { suffix: newJobSuffix(), serviceAccount });
  const { name } = job.metadata;
  world.event(
    normal('GenerateImageBuilderJob', `Creating image builder job: ${name}`)
  );
  try {
    await world.createJob(job);
  } catch (error) {
    const { message } = error as Error;
    throw new Error(`create image builder job ${name}: ${message}`);
  }
  world.event(
    normal('GenerateImageBuilderJob', `Created image builder job: ${name}`)
  );
  return 'pending';
}

/** The Job's state as the one condition that says it; the cause of a failure is never told. */
async function followJob(
  world: BuilderWorld,
  job: Stored<Job>
): Promise<ImageStep> {
  const { name } = job.metadata;
  const is = `Image building job ${name} is`;
  world.event(
    normal('CheckingImageBuilderJob', `Found image builder job: ${name}`)
  );
  if (jobIs(job, 'Failed')) {
    await world.write([
      says('ImageBuilding', 'False', `${is} failed.`),
      says('BentoAvailable', 'False', `${is} failed.`)
    ]);
    return 'failed';
  }
  if (jobIs(job, 'Complete')) {
    await world.write([says('ImageBuilding', 'False', `${is} successed.`)]);
    return 'again';
  }
  await world.write([
    (job.status?.active ?? 0) > 0
      ? says('ImageBuilding', 'True', `${is} running`)
      : says('ImageBuilding', 'Unknown', `${is} waiting`)
  ]);
  world.event(normal('BentoImageBuilder', 'Image is building now'));
  return 'pending';
}

/** The Bento for a request's image: the request's name, and its models with their addresses. */
export function bentoFor(
  request: Stored<BentoRequest>,
  names: ImageNames
): Bento {
  const {
    bentoTag = '',
    serviceName,
    context,
    runners,
    models
  } = request.spec ?? {};
  const optional = { serviceName, context, runners, models };
  const given = Object.entries(optional).filter(
    ([, value]) => value !== undefined && value !== ''
  );
  return {
    apiVersion: 'resources.yatai.ai/v1alpha1',
    kind: 'Bento',
    metadata: {
      name: request.metadata.name,
      namespace: request.metadata.namespace,
      ownerReferences: [controlledBy(request)]
    },
    spec: { tag: bentoTag, image: names.pull, ...Object.fromEntries(given) }
  };
}

async function ensureBento(
  world: BuilderWorld,
  request: Stored<BentoRequest>,
  names: ImageNames
): Promise<void> {
  const wanted = bentoFor(request, names);
  const { name, namespace = '' } = wanted.metadata;
  const about = `Bento CR ${name} in namespace ${namespace}`;
  const found = await world.bento();
  world.event(
    normal('BentoImageBuilder', `${found ? 'Updating' : 'Creating'} ${about}`)
  );
  if (!found) {
    await world.createBento(wanted);
  } else if (!sameFields(wanted.spec, found.spec)) {
    await world.updateBento({
      ...found,
      metadata: {
        ...found.metadata,
        ownerReferences: wanted.metadata.ownerReferences
      },
      spec: wanted.spec
    });
  }
}

/** Whether two objects say the same, whatever the order of their fields. */
function sameFields(a: object = {}, b: object = {}): boolean {
  const flat = (value: object): string =>
    JSON.stringify(Object.entries(value).sort(([x], [y]) => (x < y ? -1 : 1)));
  return flat(a) === flat(b);
}
