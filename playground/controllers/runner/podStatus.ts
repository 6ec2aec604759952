// SPDX-License-Identifier: BSD-3-Clause
import type {
  ContainerStatus,
  Pod,
  PodCondition,
  PodSpec,
  PodStatus
} from './types';
import { timeOf } from './types';

/** What a status is worked out from. */
export interface PodFacts {
  pod: Pod;
  inits: ContainerStatus[];
  containers: ContainerStatus[];
  podIP?: string;
  /** Milliseconds. */
  startedAt: number;
  now: number;
}

type Phase = NonNullable<PodStatus['phase']>;

function endedWell({ state }: ContainerStatus): boolean {
  return state.terminated?.exitCode === 0;
}

function endedBadly({ state }: ContainerStatus): boolean {
  return state.terminated !== undefined && state.terminated.exitCode !== 0;
}

/** Where a pod is in its life, as a kubelet works it out from its containers. */
export function phaseOf(
  restartPolicy: PodSpec['restartPolicy'],
  inits: readonly ContainerStatus[],
  containers: readonly ContainerStatus[]
): Phase {
  const never = restartPolicy === 'Never';
  if (never && inits.some(endedBadly)) {
    return 'Failed';
  }
  if (!inits.every(endedWell)) {
    return 'Pending';
  }
  const ended = containers.every(({ state }) => state.terminated);
  if (ended && containers.every(endedWell) && restartPolicy !== 'Always') {
    return 'Succeeded';
  }
  if (ended && never) {
    return 'Failed';
  }
  // One container that has never begun is enough to keep a pod pending.
  const begun = containers.every(
    ({ state, lastState }) =>
      state.running ?? state.terminated ?? lastState.terminated
  );
  return begun ? 'Running' : 'Pending';
}

interface Verdict {
  status: boolean;
  reason?: string;
  message?: string;
}

function verdict(
  bad: readonly string[],
  what: string,
  reason: string
): Verdict {
  return bad.length === 0
    ? { status: true }
    : {
        status: false,
        reason,
        message: `containers with ${what} status: [${bad.join(' ')}]`
      };
}

function readiness(
  phase: Phase,
  containers: readonly ContainerStatus[]
): Verdict {
  if (phase === 'Succeeded') {
    return { status: false, reason: 'PodCompleted' };
  }
  if (phase === 'Failed') {
    return { status: false, reason: 'PodFailed' };
  }
  const unready = containers.filter(({ ready }) => !ready);
  return verdict(
    unready.map(({ name }) => name),
    'unready',
    'ContainersNotReady'
  );
}

function initialization(
  phase: Phase,
  inits: readonly ContainerStatus[]
): Verdict {
  if (phase === 'Succeeded') {
    return { status: true, reason: 'PodCompleted' };
  }
  const open = inits.filter(init => !endedWell(init));
  return verdict(
    open.map(({ name }) => name),
    'incomplete',
    'ContainersNotInitialized'
  );
}

/**
 * A pod's status as a kubelet writes it. Times of conditions move only with their status, and what
 * the scheduler wrote is kept.
 */
export function podStatus(facts: PodFacts): PodStatus {
  const { pod, inits, containers, podIP, now } = facts;
  const phase = phaseOf(pod.spec?.restartPolicy, inits, containers);
  const ended = phase === 'Succeeded' || phase === 'Failed';
  const ready = readiness(phase, containers);
  const verdicts: Record<string, Verdict> = {
    PodReadyToStartContainers: { status: !ended },
    Initialized: initialization(phase, inits),
    Ready: ready,
    ContainersReady: ready
  };
  const before = pod.status?.conditions ?? [];
  const conditions = Object.entries(verdicts).map(
    ([type, { status, ...rest }]): PodCondition => {
      const value = status ? 'True' : 'False';
      const known = before.find(condition => condition.type === type);
      return {
        type,
        status: value,
        lastProbeTime: null,
        lastTransitionTime:
          known?.status === value ? known.lastTransitionTime : timeOf(now),
        ...rest
      };
    }
  );
  const kept = before.filter(({ type }) => !(type in verdicts));
  return {
    phase,
    conditions: [...conditions, ...kept],
    hostIP: '127.0.0.1',
    hostIPs: [{ ip: '127.0.0.1' }],
    ...(podIP ? { podIP, podIPs: [{ ip: podIP }] } : {}),
    startTime: timeOf(facts.startedAt),
    ...(inits.length > 0 ? { initContainerStatuses: inits } : {}),
    containerStatuses: containers
  };
}
