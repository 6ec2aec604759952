// SPDX-License-Identifier: BSD-3-Clause
import type { State } from '../protocol';
import type { Condition, DeploymentObject } from './kube';
import {
  type Chain,
  type Component,
  isCurrentPod,
  LABELS,
  tagVersion
} from './links';
import {
  BUILDER,
  buildPhase,
  condition,
  failedContainer,
  podTroubles
} from './pods';

/** What the state depends on besides the objects. */
export interface Clock {
  /** Milliseconds since the epoch, as the API server's clock has it. */
  now: number;
  /** After how many seconds without a status an object counts as not picked up. */
  notPickedUpSeconds: number;
}

/** How one component stands against what is asked for. */
export type ComponentState =
  /** Its Deployment does not exist. */
  | 'missing'
  /** Its Deployment still names another version or image. */
  | 'outdated'
  /** Pods are being replaced, or started for the first time. */
  | 'rolling'
  /** The rollout was complete once; fewer replicas than wanted are available. */
  | 'short'
  | 'settled';

/**
 * The one table of states; the first line that fits decides. Objects decide and
 * conditions of the two operators only where nothing else tells, because these
 * flicker, say "is running" for a pod without a node, and call a deployment
 * available before any pod is ready or unavailable while all are.
 */
export function chainState(chain: Chain, clock: Clock): State {
  if ((chain.deployment ?? chain.request)?.metadata.deletionTimestamp) {
    return 'deleting';
  }
  if (!chain.bento) {
    return servesWithoutBento(chain) ? 'degraded' : buildState(chain, clock);
  }
  if (!chain.deployment) {
    return 'built';
  }
  return servingState(chain, clock);
}

/**
 * Whether pods of an earlier state go on serving although the Bento is missing
 * and nothing will bring it: the operator leaves them alone.
 */
function servesWithoutBento(chain: Chain): boolean {
  const coming = chain.request && !isBentoReported(chain);
  return !coming && chain.owned.some(one => one.availableReplicas > 0);
}

/** Whether the image builder says that it has made the Bento. */
export function isBentoReported({ request }: Chain): boolean {
  return (
    condition(request?.conditions ?? [], 'BentoAvailable')?.status === 'True'
  );
}

/** State of the image build: from the BentoRequest to the Bento. */
function buildState(chain: Chain, clock: Clock): State {
  const { job, builderPods, request } = chain;
  if (!request) {
    return 'requested';
  }
  const newest = builderPods.at(-1);
  const phase = newest && buildPhase(newest);
  if (buildHasFailed(chain)) {
    return 'buildFailed';
  }
  if (phase === 'succeeded' || (job && hasSucceeded(job.conditions))) {
    return 'building';
  }
  if (isRetrying(chain)) {
    return 'attemptFailed';
  }
  if (phase === 'downloading' || phase === 'building') {
    return phase;
  }
  if (job || newest) {
    return 'queued';
  }
  if (request.conditions.length > 0) {
    return 'checking';
  }
  return isOverdue(request, clock) ? 'notPickedUp' : 'requested';
}

/**
 * Whether the build is over and has failed. A bare pod (image builders before
 * 1.1.18) is never retried. The condition alone counts only while it does not
 * speak of an earlier Job, since its text stays until the next pass.
 */
export function buildHasFailed(chain: Chain): boolean {
  const { job, builderPods, request } = chain;
  if (job && failure(job.conditions)) {
    return true;
  }
  const bare = builderPods.at(-1);
  if (
    !job &&
    bare?.phase === 'Failed' &&
    bare.metadata.ownerReferences.some(owner => owner.kind === 'BentoRequest')
  ) {
    return true;
  }
  const said = condition(request?.conditions ?? [], 'ImageBuilding');
  const message = said?.message ?? '';
  return (
    said?.status === 'False' &&
    (message.includes('is failed') || said.reason === 'Timeout') &&
    (!job || message.includes(job.metadata.name))
  );
}

/** The condition with which a Job says that it has failed or is bound to. */
export function failure(conditions: Condition[]): Condition | undefined {
  return ['Failed', 'FailureTarget']
    .map(type => condition(conditions, type))
    .find(found => found?.status === 'True');
}

function hasSucceeded(conditions: Condition[]): boolean {
  return ['Complete', 'SuccessCriteriaMet'].some(
    type => condition(conditions, type)?.status === 'True'
  );
}

/** How many attempts of the build have failed; the Job counts a second late. */
export function failedAttempts(chain: Chain): number {
  const pods = chain.builderPods.filter(pod => pod.phase === 'Failed');
  return Math.max(pods.length, chain.job?.failed ?? 0);
}

/**
 * Whether an attempt has failed and the one after it has not come further yet.
 * So a retry that downloads again does not look like a first download.
 */
export function isRetrying(chain: Chain): boolean {
  if (failedAttempts(chain) === 0) {
    return false;
  }
  const newest = chain.builderPods.at(-1);
  const builderFailed = chain.builderPods.some(
    pod =>
      pod.phase === 'Failed' && failedContainer(pod)?.status.name === BUILDER
  );
  return builderFailed || !newest || buildPhase(newest) !== 'building';
}

/** State of a deployment whose Bento exists. */
function servingState(chain: Chain, clock: Clock): State {
  const states = chain.components.map(component =>
    componentState(chain, component)
  );
  const every = (...wanted: ComponentState[]) =>
    states.every(state => wanted.includes(state));
  if (every('settled')) {
    return 'ready';
  }
  if (every('settled', 'short')) {
    return 'degraded';
  }
  if (isBlocked(chain, states, clock.now)) {
    return 'failed';
  }
  if (every('missing')) {
    return !chain.deployment?.conditions.length &&
      isOverdue(chain.deployment, clock)
      ? 'notPickedUp'
      : 'built';
  }
  const changed = chain.components.some((component, index) =>
    hasFormerLife(component, states[index])
  );
  return changed ? 'rollingOut' : 'deploying';
}

/**
 * How one component stands. A rollout is over when the Deployment's newest
 * generation was observed, all its pods are of the newest revision and as many
 * as wanted are available. Pods of all revisions count as available, so without
 * the total an old pod would pass for the new one.
 */
export function componentState(
  chain: Chain,
  component: Component
): ComponentState {
  const { deployment } = component;
  if (!deployment) {
    return 'missing';
  }
  if (!isWantedVersion(chain, deployment)) {
    return 'outdated';
  }
  const observed =
    deployment.observedGeneration >= (deployment.metadata.generation ?? 0);
  if (!observed || deployment.totalReplicas !== deployment.updatedReplicas) {
    return 'rolling';
  }
  const wanted = wantedReplicas(component);
  if (
    deployment.updatedReplicas >= wanted &&
    deployment.availableReplicas >= wanted
  ) {
    return 'settled';
  }
  return wasComplete(deployment) ? 'short' : 'rolling';
}

/** Replicas that must be available; the autoscaler raises a new Deployment from 1 to its minimum. */
export function wantedReplicas(component: Component): number {
  return Math.max(
    1,
    component.minReplicas,
    component.deployment?.replicas ?? 0
  );
}

/** Whether Deployment and Bento name the same version and image. */
function isWantedVersion(chain: Chain, deployment: DeploymentObject): boolean {
  const bento = chain.bento?.spec;
  return (
    bento !== undefined &&
    deployment.metadata.labels[LABELS.version] === tagVersion(bento.tag) &&
    (deployment.image === undefined || deployment.image === bento.image)
  );
}

/** Kubernetes sets this reason when a rollout ends and keeps it until the next begins. */
function wasComplete(deployment: DeploymentObject): boolean {
  return (
    condition(deployment.conditions, 'Progressing')?.reason ===
    'NewReplicaSetAvailable'
  );
}

/** Whether something ran here before what is being started now. */
function hasFormerLife(
  { deployment }: Component,
  state: ComponentState | undefined
): boolean {
  if (!deployment || state === 'settled' || state === 'short') {
    return false;
  }
  const revision = Number(
    deployment.metadata.annotations['deployment.kubernetes.io/revision'] ?? 0
  );
  return (
    state === 'outdated' ||
    revision > 1 ||
    deployment.totalReplicas > deployment.updatedReplicas ||
    wasComplete(deployment)
  );
}

/** Whether the deployment cannot come further unless someone acts. */
function isBlocked(
  chain: Chain,
  states: ComponentState[],
  now: number
): boolean {
  const trouble = chain.servingPods
    .filter(
      pod =>
        pod.metadata.deletionTimestamp === undefined && isCurrentPod(chain, pod)
    )
    .some(pod => podTroubles(pod, now).some(found => found.lasting));
  const stuck = chain.components.some(
    ({ deployment }) => deployment && isRolloutStuck(deployment)
  );
  const waiting = states.some(
    state => state === 'missing' || state === 'outdated'
  );
  return trouble || stuck || (waiting && deployRefusal(chain) !== undefined);
}

/** Whether Kubernetes has given up waiting for progress (600 s with the operator's setting). */
export function isRolloutStuck(deployment: DeploymentObject): boolean {
  const progressing = condition(deployment.conditions, 'Progressing');
  return (
    progressing?.status === 'False' &&
    progressing.reason === 'ProgressDeadlineExceeded'
  );
}

/**
 * The condition with which the operator says that it could not create the
 * objects of the deployment; it does not try again by itself. Two other texts
 * stand in the same condition and do not count: a failed build (it stays after
 * the build was mended), and the wait for an ingress address, which happens
 * after all workloads have been created.
 */
export function deployRefusal(chain: Chain): Condition | undefined {
  const available = condition(chain.deployment?.conditions ?? [], 'Available');
  const message = available?.message ?? '';
  const refused =
    available?.status === 'False' &&
    message.startsWith('Failed to reconcile BentoDeployment:') &&
    !message.includes('is not available:') &&
    !message.includes('get domain suffix');
  return refused ? available : undefined;
}

/** Whether an object has existed for longer than an operator should need to notice it. */
export function isOverdue(
  object: { metadata: { creationTimestamp: string } } | undefined,
  clock: Clock
): boolean {
  const age = clock.now - Date.parse(object?.metadata.creationTimestamp ?? '');
  return age >= clock.notPickedUpSeconds * 1000;
}
