// SPDX-License-Identifier: BSD-3-Clause
import { phaseOf, podStatus } from './podStatus';
import type {
  ContainerState,
  ContainerStatus,
  Pod,
  PodSpec,
  PodStatus
} from './types';

const startedAt = '2026-01-01T00:00:00Z';
const running: ContainerState = { running: { startedAt } };
const waiting: ContainerState = { waiting: { reason: 'PodInitializing' } };

function ended(exitCode: number): ContainerState {
  const reason = exitCode === 0 ? 'Completed' : 'Error';
  const finishedAt = startedAt;
  return {
    terminated: { exitCode, reason, startedAt, finishedAt, containerID: 'x' }
  };
}

function container(
  name: string,
  state: ContainerState,
  more: Partial<ContainerStatus> = {}
): ContainerStatus {
  return {
    name,
    state,
    lastState: {},
    ready: false,
    started: false,
    restartCount: 0,
    image: 'i',
    imageID: '',
    ...more
  };
}

describe('the phase of a pod', () => {
  const init = (state: ContainerState): ContainerStatus[] => [
    container('i', state)
  ];
  const main = (
    state: ContainerState,
    lastState: ContainerState = {}
  ): ContainerStatus[] => [container('m', state, { lastState })];
  const crashed = { waiting: { reason: 'CrashLoopBackOff' } };

  it.each<
    [
      string,
      PodSpec['restartPolicy'],
      ContainerStatus[],
      ContainerStatus[],
      string
    ]
  >([
    ['nothing begun', 'Never', init(waiting), main(waiting), 'Pending'],
    ['initializing', 'Never', init(running), main(waiting), 'Pending'],
    ['initialized', 'Never', init(ended(0)), main(waiting), 'Pending'],
    ['running', 'Never', init(ended(0)), main(running), 'Running'],
    [
      'an init container failed',
      'Never',
      init(ended(22)),
      main(waiting),
      'Failed'
    ],
    ['ended well', 'Never', init(ended(0)), main(ended(0)), 'Succeeded'],
    ['ended badly', 'Never', init(ended(0)), main(ended(42)), 'Failed'],
    ['serving', 'Always', [], main(running), 'Running'],
    ['ended and to be restarted', 'Always', [], main(ended(0)), 'Running'],
    ['crashed and waiting', 'Always', [], main(crashed, ended(1)), 'Running'],
    ['without its image', 'Always', [], main(waiting), 'Pending'],
    [
      'without the image of one of two',
      'Always',
      [],
      [...main(waiting), ...main(running)],
      'Pending'
    ]
  ])('that is %s, restarted %s', (_what, policy, inits, mains, phase) => {
    expect(phaseOf(policy, inits, mains)).toBe(phase);
  });
});

function statusOf(
  inits: ContainerStatus[],
  containers: ContainerStatus[],
  before?: PodStatus,
  now = Date.parse(startedAt)
): PodStatus {
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: { restartPolicy: 'Never', containers: [] },
    status: before
  };
  const podIP = '10.244.0.2';
  return podStatus({ pod, inits, containers, podIP, startedAt: now, now });
}

function condition(status: PodStatus, type: string): object | undefined {
  return status.conditions?.find(found => found.type === type);
}

describe('the status of a pod', () => {
  it('names what is not ready and not complete', () => {
    const status = statusOf(
      [container('a', ended(0)), container('b', running)],
      [container('x', waiting), container('y', waiting)]
    );
    expect(condition(status, 'Initialized')).toMatchObject({
      status: 'False',
      reason: 'ContainersNotInitialized',
      message: 'containers with incomplete status: [b]'
    });
    expect(condition(status, 'Ready')).toMatchObject({
      status: 'False',
      reason: 'ContainersNotReady',
      message: 'containers with unready status: [x y]'
    });
  });

  it('is ready when all containers are', () => {
    const status = statusOf([], [container('x', running, { ready: true })]);
    expect(condition(status, 'Ready')).toMatchObject({ status: 'True' });
    expect(condition(status, 'ContainersReady')).toMatchObject({
      status: 'True'
    });
  });

  it.each([
    [0, 'Succeeded', 'PodCompleted'],
    [42, 'Failed', 'PodFailed']
  ])('after exit %d', (exitCode, phase, reason) => {
    const status = statusOf([], [container('x', ended(exitCode))]);
    expect(status.phase).toBe(phase);
    expect(condition(status, 'Ready')).toMatchObject({
      status: 'False',
      reason
    });
  });

  it('keeps what the scheduler wrote, and times while nothing changes', () => {
    const scheduled = {
      type: 'PodScheduled',
      status: 'True' as const,
      lastProbeTime: null,
      lastTransitionTime: startedAt
    };
    const first = statusOf([], [container('x', running)], {
      conditions: [scheduled]
    });
    expect(condition(first, 'PodScheduled')).toEqual(scheduled);
    const later = Date.parse(startedAt) + 60_000;
    const second = statusOf(
      [],
      [container('x', running, { ready: true })],
      first,
      later
    );
    expect(condition(second, 'Initialized')).toEqual(
      condition(first, 'Initialized')
    );
    expect(condition(second, 'Ready')).toMatchObject({
      lastTransitionTime: '2026-01-01T00:01:00Z'
    });
  });
});
