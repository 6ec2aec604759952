// SPDX-License-Identifier: BSD-3-Clause
import {
  FakeView,
  type PodSketch,
  sketchPod
} from '../bridge/forward/testing/fakeView';
import type { BentoError } from './errors';
import type { Snapshot } from './kube';
import { servicePods, whyBroken } from './servicePods';

function snapshot(pods: PodSketch[], version = 'v1'): Snapshot {
  const view = new FakeView();
  view.set(pods, ['demo', 'other'], version);
  return view.snapshot();
}

function names(content: Snapshot): string[] {
  return servicePods(content, 'demo').map(({ name }) => name);
}

function failure(content: Snapshot, name = 'demo'): BentoError {
  try {
    servicePods(content, name);
  } catch (error) {
    return error as BentoError;
  }
  throw new Error('no error');
}

it('takes ready API server pods of the deployment, newest first', () => {
  const content = snapshot([
    { name: 'old', created: '2026-01-01T00:00:00Z' },
    { name: 'new', created: '2026-01-03T00:00:00Z' },
    { name: 'unready', ready: false },
    { name: 'going', terminating: true },
    { name: 'runner', component: 'runner' },
    { name: 'stranger', deployment: 'other' }
  ]);
  expect(names(content)).toEqual(['new', 'old']);
});

it('follows the version that the Service selects, not the readiest one', () => {
  const pods = [{ name: 'before', version: 'v1' }];
  expect(names(snapshot(pods, 'v1'))).toEqual(['before']);
  const next = [...pods, { name: 'next', version: 'v2' }];
  expect(names(snapshot(next, 'v2'))).toEqual(['next']);
  const error = failure(snapshot(pods, 'v2'));
  expect(error.code).toBe('serviceNotReady');
  expect(error.message).toContain('version v2');
});

it('takes any version where the operator has not made the Deployment yet', () => {
  const content = snapshot([{ name: 'one', version: 'v7' }]);
  expect(names({ ...content, deployments: [] })).toEqual(['one']);
});

it('leaves out the copies that debugging makes', () => {
  const debug = sketchPod({ name: 'demo-d' });
  debug.metadata.labels['yatai.ai/bento-deployment-target-type'] = 'debug';
  const content = snapshot([{ name: 'one' }]);
  expect(names({ ...content, pods: [...content.pods, debug] })).toEqual([
    'one'
  ]);
});

it('takes the number of the port named http, which the PORT variable moves', () => {
  const content = snapshot([{ name: 'one', port: 5000 }]);
  expect(servicePods(content, 'demo')).toEqual([
    { name: 'one', uid: 'uid-one', port: 5000, restarts: 0 }
  ]);
});

it('names the deployments that there are for one that there is not', () => {
  const error = failure(snapshot([]), 'demmo');
  expect(error.code).toBe('notFound');
  expect(error.hint).toBe('Known: demo, other');
});

describe('says why no pod can answer', () => {
  const asItIs = () => undefined;

  it.each<[string, PodSketch[], (content: Snapshot) => void]>([
    ['it has no pod yet.', [], asItIs],
    ['pod one is going away.', [{ name: 'one', terminating: true }], asItIs],
    [
      'container main of pod one is not ready.',
      [{ name: 'one', ready: false }],
      asItIs
    ],
    [
      'pod one is Pending.',
      [{ name: 'one', ready: false }],
      ({ pods }) => pods.forEach(pod => (pod.phase = 'Pending'))
    ],
    [
      'container main of pod one waits (CrashLoopBackOff).',
      [{ name: 'one', ready: false }],
      ({ pods }) =>
        pods.forEach(pod =>
          pod.statuses.forEach(
            status => (status.waiting = { reason: 'CrashLoopBackOff' })
          )
        )
    ],
    [
      'pod one has no container port named "http".',
      [{ name: 'one' }],
      ({ pods }) => pods.forEach(pod => (pod.containers = []))
    ],
    [
      'it is being deleted.',
      [],
      ({ bentoDeployments }) =>
        bentoDeployments.forEach(
          ({ metadata }) => (metadata.deletionTimestamp = 'now')
        )
    ]
  ])('%s', (reason, pods, change) => {
    const content = snapshot(pods);
    change(content);
    expect(failure(content).params.reason).toBe(reason);
  });
});

describe('connections to a pod', () => {
  const before = { name: 'one', uid: 'uid-one', port: 3000, restarts: 0 };
  const after = (change: (content: Snapshot) => void) => {
    const content = snapshot([{ name: 'one' }]);
    change(content);
    return whyBroken(content, before);
  };
  const statuses = ({ pods }: Snapshot) => pods.flatMap(pod => pod.statuses);

  it('last while it is going away or not ready', () => {
    expect(after(() => undefined)).toBeUndefined();
    const pods = [{ name: 'one', ready: false, terminating: true }];
    expect(whyBroken(snapshot(pods), before)).toBeUndefined();
  });

  it('have broken when it is gone, also when another has its name', () => {
    expect(whyBroken(snapshot([]), before)).toBe('the pod is gone');
    const replaced = after(({ pods }) =>
      pods.forEach(pod => (pod.metadata.uid = 'uid-2'))
    );
    expect(replaced).toBe('the pod is gone');
  });

  it('have broken when its container has ended or is another', () => {
    const restarted = after(content =>
      statuses(content).forEach(status => (status.restartCount = 1))
    );
    expect(restarted).toBe('its container was restarted');
    const ended = after(content =>
      statuses(content).forEach(status => (status.terminated = { exitCode: 9 }))
    );
    expect(ended).toBe('its container has ended');
    const other = after(content =>
      content.pods.forEach(pod =>
        pod.statuses.push({
          name: 'proxy',
          ready: true,
          restartCount: 3,
          image: 'envoy'
        })
      )
    );
    expect(other).toBeUndefined();
  });
});
