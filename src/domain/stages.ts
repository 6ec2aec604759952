// SPDX-License-Identifier: BSD-3-Clause
import type { Operation, Stage, StageName, State } from '../protocol';
import { type Chain, isCurrentPod } from './links';
import { condition, failedContainer } from './pods';
import { failure } from './state';

/**
 * The stages of the path with their durations, from the timestamps of the
 * objects, so that they are the same after a reload and in every client. These
 * have a resolution of one second. A running stage tells only when it began.
 *
 * - request: BentoRequest created → a first sign of the image builder;
 * - build: BentoRequest created → Bento created;
 * - ready: Bento and BentoDeployment created (or the first pod of the version,
 *   if it came later than another version) → last Deployment complete.
 *
 * Preflight and export leave no trace in the cluster; they come from the
 * operation while that is known.
 */
export function chainStages(
  chain: Chain,
  state: State,
  operation?: Operation
): Stage[] {
  return [
    fromOperation('preflight', operation),
    exportStage(chain, operation),
    requestStage(chain, state),
    buildStage(chain, state),
    readyStage(chain, state)
  ];
}

/** The stages of an operation that has created nothing yet. */
export function operationStages(operation: Operation): Stage[] {
  const names: StageName[] = ['request', 'build', 'ready'];
  return [
    fromOperation('preflight', operation),
    fromOperation('export', operation),
    ...names.map((stage): Stage => ({ stage, state: 'pending' }))
  ];
}

/**
 * When a chain entered its state, as its objects tell; of the states that leave
 * no timestamp, when its youngest object was created.
 */
export function stateSince(chain: Chain, state: State): string {
  const created = [chain.deployment, chain.request, chain.bento].map(
    object => object?.metadata.creationTimestamp
  );
  const newest = chain.builderPods.at(-1);
  const marks: Partial<Record<State, string | undefined>> = {
    deleting: (chain.deployment ?? chain.request)?.metadata.deletionTimestamp,
    checking: pickedUpAt(chain),
    queued: newest?.metadata.creationTimestamp,
    downloading: newest?.initStatuses.find(status => status.running)?.running
      ?.startedAt,
    building: newest?.statuses.find(status => status.running)?.running
      ?.startedAt,
    attemptFailed: failedAt(chain),
    buildFailed: failedAt(chain),
    built: chain.bento?.metadata.creationTimestamp,
    ready: completeAt(chain)
  };
  return marks[state] ?? latest(created) ?? '';
}

function fromOperation(name: StageName, operation?: Operation): Stage {
  const known = operation?.stages.find(stage => stage.stage === name);
  return known ?? { stage: name, state: 'done' };
}

function exportStage(chain: Chain, operation?: Operation): Stage {
  return isPrebuilt(chain)
    ? skipped('export')
    : fromOperation('export', operation);
}

function requestStage(chain: Chain, state: State): Stage {
  if (isPrebuilt(chain)) {
    return skipped('request');
  }
  const startedAt = chain.request?.metadata.creationTimestamp;
  if (startedAt === undefined) {
    return { stage: 'request', state: 'pending' };
  }
  const picked = pickedUpAt(chain) ?? chain.bento?.metadata.creationTimestamp;
  return picked === undefined
    ? { stage: 'request', state: 'running', startedAt, note: state }
    : done('request', startedAt, picked);
}

function buildStage(chain: Chain, state: State): Stage {
  if (isPrebuilt(chain)) {
    return skipped('build');
  }
  const startedAt = chain.request?.metadata.creationTimestamp;
  if (startedAt === undefined) {
    return { stage: 'build', state: 'pending' };
  }
  if (chain.bento) {
    return done('build', startedAt, chain.bento.metadata.creationTimestamp);
  }
  if (state === 'buildFailed') {
    const failed = done('build', startedAt, failedAt(chain));
    return { ...failed, state: 'failed' };
  }
  return pickedUpAt(chain) === undefined
    ? { stage: 'build', state: 'pending' }
    : { stage: 'build', state: 'running', startedAt, note: state };
}

function readyStage(chain: Chain, state: State): Stage {
  const created = [chain.bento, chain.deployment].map(
    object => object?.metadata.creationTimestamp
  );
  const startedAt =
    rolloutStart(chain) ??
    (created.includes(undefined) ? undefined : latest(created));
  if (startedAt === undefined) {
    return { stage: 'ready', state: 'pending' };
  }
  if (state === 'ready' || state === 'degraded') {
    return done('ready', startedAt, completeAt(chain));
  }
  return state === 'failed'
    ? { stage: 'ready', state: 'failed', startedAt, note: state }
    : { stage: 'ready', state: 'running', startedAt, note: state };
}

/** An image that was given: a Bento without a BentoRequest. */
function isPrebuilt(chain: Chain): boolean {
  return chain.bento !== undefined && chain.request === undefined;
}

/**
 * When the image builder first showed itself. Conditions carry the time of
 * their last change, so the earliest of all that it wrote or created is taken.
 */
function pickedUpAt(chain: Chain): string | undefined {
  return earliest([
    ...(chain.request?.conditions ?? []).map(said => said.lastTransitionTime),
    chain.job?.metadata.creationTimestamp,
    ...chain.builderPods.map(pod => pod.metadata.creationTimestamp)
  ]);
}

function failedAt(chain: Chain): string | undefined {
  const failed = chain.builderPods.filter(pod => pod.phase === 'Failed').at(-1);
  const said = condition(chain.request?.conditions ?? [], 'ImageBuilding');
  return (
    failure(chain.job?.conditions ?? [])?.lastTransitionTime ??
    (failed && failedContainer(failed)?.status.terminated?.finishedAt) ??
    said?.lastTransitionTime
  );
}

/** When the last component's rollout was complete; undefined while one is not. */
function completeAt(chain: Chain): string | undefined {
  const moments = chain.components.map(({ deployment }) => {
    const progressing = condition(deployment?.conditions ?? [], 'Progressing');
    const available = condition(deployment?.conditions ?? [], 'Available');
    return (
      (progressing?.reason === 'NewReplicaSetAvailable'
        ? progressing.lastUpdateTime
        : undefined) ?? available?.lastTransitionTime
    );
  });
  return moments.includes(undefined) ? undefined : latest(moments);
}

/** When the pods of a later revision began; undefined for the first. */
function rolloutStart(chain: Chain): string | undefined {
  const revised = chain.components.some(
    ({ deployment }) =>
      Number(
        deployment?.metadata.annotations['deployment.kubernetes.io/revision'] ??
          0
      ) > 1
  );
  return revised
    ? earliest(
        chain.servingPods
          .filter(pod => isCurrentPod(chain, pod))
          .map(pod => pod.metadata.creationTimestamp)
      )
    : undefined;
}

function done(
  stage: StageName,
  startedAt: string,
  endedAt: string | undefined
): Stage {
  const ms = Date.parse(endedAt ?? '') - Date.parse(startedAt);
  return {
    stage,
    state: 'done',
    startedAt,
    ...(Number.isNaN(ms) ? {} : { ms: Math.max(0, ms) })
  };
}

function skipped(stage: StageName): Stage {
  return { stage, state: 'skipped', note: 'an image was given' };
}

function earliest(times: (string | undefined)[]): string | undefined {
  return times.filter(isTime).sort()[0];
}

function latest(times: (string | undefined)[]): string | undefined {
  return times.filter(isTime).sort().at(-1);
}

function isTime(time: string | undefined): time is string {
  return time !== undefined && time !== '';
}
