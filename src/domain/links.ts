// SPDX-License-Identifier: BSD-3-Clause
import type {
  BentoDeployment,
  BentoObject,
  BentoRequest,
  DeploymentObject,
  Job,
  Metadata,
  Pod,
  Snapshot
} from './kube';
import { runnerDeploymentName } from './names';

/** Labels that the operators write and that are relied on. */
export const LABELS = {
  deployment: 'yatai.ai/bento-deployment',
  component: 'yatai.ai/bento-deployment-component-type',
  runner: 'yatai.ai/bento-deployment-component-name',
  target: 'yatai.ai/bento-deployment-target-type',
  /** On pods: name of their Deployment. */
  selector: 'yatai.ai/selector',
  version: 'yatai.ai/bento-version',
  request: 'yatai.ai/bento-request',
  builder: 'yatai.ai/is-bento-image-builder',
  seeder: 'yatai.ai/is-model-seeder'
} as const;

/** The API server or one runner, and the Deployment that must run it. */
export interface Component {
  role: 'api-server' | 'runner';
  /** Name of the runner. */
  runner?: string;
  /** Name of its Deployment. */
  name: string;
  /** Replicas that are asked for at least. */
  minReplicas: number;
  /** Absent until the operator has created it. */
  deployment?: DeploymentObject;
}

/** Everything that hangs on one BentoDeployment, or on a BentoRequest that has none. */
export interface Chain {
  namespace: string;
  name: string;
  deployment?: BentoDeployment;
  /** Name of the Bento and of its BentoRequest. */
  bentoName: string;
  request?: BentoRequest;
  /** The Bento, if it is for the tag that is asked for and stays. */
  bento?: BentoObject;
  /** The build Job of now: the newest that is not being deleted. */
  job?: Job;
  /** Pods of that Job, or of the image builders before Jobs; oldest first. */
  builderPods: Pod[];
  /** What must run, once the Bento tells the runners. */
  components: Component[];
  /** All Deployments of the BentoDeployment, whatever their version. */
  owned: DeploymentObject[];
  /** Pods of the API server and of the runners, whatever their version; oldest first. */
  servingPods: Pod[];
}

/** Gathers what hangs on a BentoDeployment. */
export function chainOfDeployment(
  snapshot: Snapshot,
  deployment: BentoDeployment
): Chain {
  const { name } = deployment.metadata;
  const bentoName = deployment.spec.bento;
  const request = named(snapshot.bentoRequests, bentoName);
  const bento = currentBento(snapshot, bentoName, request);
  const owned = snapshot.deployments.filter(
    candidate =>
      candidate.metadata.labels[LABELS.target] !== 'debug' &&
      isOwnedBy(candidate, deployment)
  );
  const components = bento ? wantedComponents(deployment, bento, owned) : [];
  return {
    namespace: snapshot.namespace,
    name,
    deployment,
    bentoName,
    request,
    bento,
    ...build(snapshot, request),
    components,
    owned,
    servingPods: oldestFirst(snapshot.pods.filter(pod => isServing(pod, name)))
  };
}

/** Gathers what hangs on a BentoRequest that no BentoDeployment uses. */
export function chainOfRequest(
  snapshot: Snapshot,
  request: BentoRequest,
  name = request.metadata.name
): Chain {
  const bentoName = request.metadata.name;
  return {
    namespace: snapshot.namespace,
    name,
    bentoName,
    request,
    bento: currentBento(snapshot, bentoName, request),
    ...build(snapshot, request),
    components: [],
    owned: [],
    servingPods: []
  };
}

/** The tag that a chain is about, as far as it is known. */
export function chainTag(chain: Chain): string | undefined {
  return chain.request?.spec.bentoTag ?? chain.bento?.spec.tag;
}

/** The version part of a tag, as the operator splits it: behind the first `:`. */
export function tagVersion(tag: string): string {
  const colon = tag.indexOf(':');
  return colon < 0 ? '' : tag.slice(colon + 1);
}

/** Whether a pod runs the version that the chain's Bento names. */
export function isCurrentPod(chain: Chain, pod: Pod): boolean {
  return (
    chain.bento !== undefined &&
    pod.metadata.labels[LABELS.version] === tagVersion(chain.bento.spec.tag)
  );
}

/**
 * Whether `object` belongs to `owner`. The uid decides, because an object that
 * is deleted and made anew keeps its name while the old dependants still go.
 */
function isOwnedBy(
  object: { metadata: Metadata },
  owner: { metadata: Metadata }
): boolean {
  return object.metadata.ownerReferences.some(
    reference => reference.uid === owner.metadata.uid
  );
}

function named<T extends { metadata: Metadata }>(
  objects: T[],
  name: string
): T | undefined {
  return objects.find(
    ({ metadata }) =>
      metadata.name === name && metadata.deletionTimestamp === undefined
  );
}

/** A Bento of another tag, or of a BentoRequest that is gone, is not what was asked for. */
function currentBento(
  snapshot: Snapshot,
  name: string,
  request: BentoRequest | undefined
): BentoObject | undefined {
  const bento = named(snapshot.bentoes, name);
  if (!bento || !request) {
    return bento;
  }
  const owner = bento.metadata.ownerReferences.find(
    reference => reference.kind === 'BentoRequest'
  );
  const orphan = owner !== undefined && owner.uid !== request.metadata.uid;
  return bento.spec.tag === request.spec.bentoTag && !orphan
    ? bento
    : undefined;
}

function wantedComponents(
  deployment: BentoDeployment,
  bento: BentoObject,
  owned: DeploymentObject[]
): Component[] {
  const { name } = deployment.metadata;
  const find = (wanted: string) => named(owned, wanted);
  const runners = bento.spec.runners.map((runner, index): Component => {
    const own = runnerDeploymentName(name, index);
    const asked = deployment.spec.runners.find(
      candidate => candidate.name === runner.name
    );
    return {
      role: 'runner',
      runner: runner.name,
      name: own,
      minReplicas: asked?.minReplicas ?? 1,
      deployment: find(own)
    };
  });
  const apiServer: Component = {
    role: 'api-server',
    name,
    minReplicas: deployment.spec.minReplicas ?? 1,
    deployment: find(name)
  };
  return [apiServer, ...runners];
}

/**
 * The Job of now and its pods. Image builders before 1.1.18 ran a bare pod that
 * the BentoRequest owns; 1.2.52 and later delete the Job at once when it has
 * succeeded, while its pod lasts a moment longer.
 */
function build(
  snapshot: Snapshot,
  request: BentoRequest | undefined
): Pick<Chain, 'job' | 'builderPods'> {
  if (!request) {
    return { builderPods: [] };
  }
  const job = oldestFirst(
    snapshot.jobs.filter(
      candidate =>
        candidate.metadata.deletionTimestamp === undefined &&
        candidate.metadata.labels[LABELS.seeder] !== 'true' &&
        isOwnedBy(candidate, request)
    )
  ).at(-1);
  const builderPods = snapshot.pods.filter(
    pod =>
      pod.metadata.labels[LABELS.builder] === 'true' &&
      pod.metadata.labels[LABELS.seeder] !== 'true' &&
      pod.metadata.deletionTimestamp === undefined &&
      (job ? isOwnedBy(pod, job) : isLoosePod(pod, request))
  );
  return { job, builderPods: oldestFirst(builderPods) };
}

function isLoosePod(pod: Pod, request: BentoRequest): boolean {
  const { labels, creationTimestamp } = pod.metadata;
  return (
    isOwnedBy(pod, request) ||
    (labels[LABELS.request] === request.metadata.name &&
      creationTimestamp >= request.metadata.creationTimestamp)
  );
}

function isServing(pod: Pod, name: string): boolean {
  const { labels } = pod.metadata;
  return (
    labels[LABELS.deployment] === name && labels[LABELS.target] !== 'debug'
  );
}

function oldestFirst<T extends { metadata: Metadata }>(objects: T[]): T[] {
  return [...objects].sort(
    (one, other) =>
      one.metadata.creationTimestamp.localeCompare(
        other.metadata.creationTimestamp
      ) || one.metadata.name.localeCompare(other.metadata.name)
  );
}
