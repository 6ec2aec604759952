// SPDX-License-Identifier: BSD-3-Clause
import {
  FakeView,
  type PodSketch,
  sketchPod
} from '../bridge/forward/testing/fakeView';
import type { BentoError } from './errors';
import type { Snapshot } from './kube';
import { servicePods } from './servicePods';

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
    { name: 'one', uid: 'uid-one', port: 5000 }
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
