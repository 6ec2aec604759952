// SPDX-License-Identifier: BSD-3-Clause
import type { ContainerView, PodView } from '../protocol';
import type { Condition, ContainerStatus, Pod } from './kube';
import { LABELS } from './links';

/** What keeps a container, or a pod as a whole, from running. */
export type TroubleKind =
  | 'imagePull'
  | 'containerConfig'
  | 'crashLoop'
  | 'oomKilled'
  | 'unschedulable'
  | 'evicted';

/** One trouble of a pod with the field that shows it. */
export interface Trouble {
  kind: TroubleKind;
  /** Whether it lasts unless someone acts, as far as Kubernetes tells. */
  lasting: boolean;
  /** Absent for a trouble of the pod as a whole. */
  container?: string;
  /** Path of the field from the pod, for instance `status.containerStatuses[main].state.waiting.reason`. */
  field: string;
  value: string;
}

const PULL = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'ImageInspectError',
  'RegistryUnavailable'
]);
const CONFIG = new Set([
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError'
]);

/** From this many restarts on a container that is not ready counts as looping. */
const LOOPING = 2;

/** The kubelet forgets earlier ends of a container that has run for this long. */
const FORGOTTEN_MS = 600_000;

/** Builder containers that fetch the archive and the models. */
const DOWNLOADER = /^(bento-downloader|model-downloader-\d+|ca-bundle-init)$/;

/** The container that builds the image. */
export const BUILDER = 'builder';

/** How far a builder pod has come. */
export type BuildPhase =
  'queued' | 'downloading' | 'building' | 'succeeded' | 'failed';

/**
 * How far a builder pod has come. Only the pod tells a download from a build;
 * the operator's conditions say "is running" for both, and for a pod that waits
 * for a node. Containers are found by name, since a mesh may add its own.
 */
export function buildPhase(pod: Pod): BuildPhase {
  if (pod.phase === 'Succeeded') {
    return 'succeeded';
  }
  if (pod.phase === 'Failed') {
    return 'failed';
  }
  const builder = pod.statuses.find(status => status.name === BUILDER);
  const downloads = pod.initStatuses.filter(status =>
    DOWNLOADER.test(status.name)
  );
  if (builder?.running ?? builder?.terminated) {
    return 'building';
  }
  if (!downloads.some(status => status.running ?? status.terminated)) {
    return 'queued';
  }
  return downloads.every(status => status.terminated?.exitCode === 0)
    ? 'building'
    : 'downloading';
}

/** The container of a failed builder pod that ended badly, if its status says so. */
export function failedContainer(
  pod: Pod
): { status: ContainerStatus; init: boolean } | undefined {
  const bad = (status: ContainerStatus) =>
    status.terminated !== undefined && status.terminated.exitCode !== 0;
  const init = pod.initStatuses.find(
    status => DOWNLOADER.test(status.name) && bad(status)
  );
  const builder = pod.statuses.find(
    status => status.name === BUILDER && bad(status)
  );
  return init
    ? { status: init, init: true }
    : builder && { status: builder, init: false };
}

/** Everything that a pod's status shows to be wrong; `now` in milliseconds. */
export function podTroubles(pod: Pod, now: number): Trouble[] {
  const recent = (status: ContainerStatus) =>
    status.running?.startedAt === undefined ||
    now - Date.parse(status.running.startedAt) < FORGOTTEN_MS;
  return [
    ...podAsWhole(pod),
    ...pod.initStatuses
      .filter(recent)
      .flatMap(status => containerTrouble(status, true)),
    ...pod.statuses
      .filter(recent)
      .flatMap(status => containerTrouble(status, false))
  ];
}

/** A pod for the protocol. */
export function podView(pod: Pod): PodView {
  const { labels } = pod.metadata;
  const role =
    labels[LABELS.builder] === 'true'
      ? 'builder'
      : labels[LABELS.component] === 'runner'
        ? 'runner'
        : 'api-server';
  return {
    name: pod.metadata.name,
    role,
    ...(role === 'runner' && labels[LABELS.runner] !== undefined
      ? { runner: labels[LABELS.runner] }
      : {}),
    phase: pod.phase,
    ready: isReady(pod),
    terminating: pod.metadata.deletionTimestamp !== undefined,
    createdAt: pod.metadata.creationTimestamp,
    containers: [
      ...pod.initStatuses.map(status => containerView(status, true)),
      ...pod.statuses.map(status => containerView(status, false))
    ]
  };
}

/** Whether a pod takes part in its Service. */
export function isReady(pod: Pod): boolean {
  return (
    pod.metadata.deletionTimestamp === undefined &&
    condition(pod.conditions, 'Ready')?.status === 'True'
  );
}

/** The condition of one type. */
export function condition(
  conditions: Condition[],
  type: string
): Condition | undefined {
  return conditions.find(candidate => candidate.type === type);
}

function podAsWhole(pod: Pod): Trouble[] {
  const scheduled = condition(pod.conditions, 'PodScheduled');
  if (scheduled?.status === 'False' && scheduled.reason === 'Unschedulable') {
    return [
      {
        kind: 'unschedulable',
        lasting: false,
        field: 'status.conditions[PodScheduled]',
        value: scheduled.message ?? scheduled.reason
      }
    ];
  }
  if (pod.reason === 'Evicted') {
    return [
      {
        kind: 'evicted',
        lasting: false,
        field: 'status.reason',
        value: [pod.reason, pod.message].filter(Boolean).join(': ')
      }
    ];
  }
  return [];
}

function containerTrouble(status: ContainerStatus, init: boolean): Trouble[] {
  const list = init ? 'initContainerStatuses' : 'containerStatuses';
  const path = `status.${list}[${status.name}]`;
  const { waiting, terminated, lastTerminated, restartCount } = status;
  const reason = waiting?.reason ?? '';
  const lasting = restartCount >= LOOPING;
  const found = (
    kind: TroubleKind,
    field: string,
    value: string,
    lasts: boolean
  ): Trouble[] => [
    {
      kind,
      lasting: lasts,
      container: status.name,
      field: `${path}.${field}`,
      value
    }
  ];
  if (PULL.has(reason) || CONFIG.has(reason)) {
    const kind = PULL.has(reason) ? 'imagePull' : 'containerConfig';
    const value = [reason, waiting?.message].filter(Boolean).join(': ');
    return found(kind, 'state.waiting.reason', value, true);
  }
  if (status.ready) {
    return [];
  }
  const ended = terminated ?? lastTerminated;
  const field = `${terminated ? 'state' : 'lastState'}.terminated`;
  if (ended?.reason === 'OOMKilled') {
    const value = `OOMKilled, exit code ${String(ended.exitCode)}`;
    return found('oomKilled', `${field}.reason`, value, lasting);
  }
  // Containers of a build end by themselves: their exit codes are read elsewhere.
  if (init || status.name === BUILDER) {
    return [];
  }
  if (ended) {
    const value = `${String(ended.exitCode)}, ${String(restartCount)} restarts`;
    return found('crashLoop', `${field}.exitCode`, value, lasting);
  }
  return reason === 'CrashLoopBackOff'
    ? found('crashLoop', 'state.waiting.reason', reason, lasting)
    : [];
}

function containerView(status: ContainerStatus, init: boolean): ContainerView {
  const { waiting, running, terminated } = status;
  const reason = waiting?.reason ?? terminated?.reason;
  const message = waiting?.message ?? terminated?.message;
  return {
    name: status.name,
    init,
    state: terminated ? 'terminated' : running ? 'running' : 'waiting',
    ready: status.ready,
    restarts: status.restartCount,
    ...(terminated ? { exitCode: terminated.exitCode } : {}),
    ...(reason ? { reason } : {}),
    ...(message ? { message } : {})
  };
}
