// SPDX-License-Identifier: BSD-3-Clause
import * as fc from 'fast-check';
import * as keep from './keep';

const metadata = {
  name: 'demo',
  namespace: 'ns',
  uid: 'u-1',
  resourceVersion: '7',
  generation: 2,
  creationTimestamp: '2026-01-01T00:00:00Z',
  labels: { 'yatai.ai/bento-repository': 'demo', odd: 3 },
  annotations: {
    'banzaicloud.com/last-applied': 'x'.repeat(5000),
    'kubectl.kubernetes.io/last-applied-configuration': '{}',
    'jupyterlab-bento/digest': 'abc'
  },
  ownerReferences: [
    { apiVersion: 'v1', kind: 'Job', name: 'j', uid: 'u-0', controller: true }
  ],
  managedFields: [{ manager: 'x' }]
};
const kept = {
  name: 'demo',
  namespace: 'ns',
  uid: 'u-1',
  resourceVersion: '7',
  generation: 2,
  creationTimestamp: '2026-01-01T00:00:00Z',
  labels: { 'yatai.ai/bento-repository': 'demo' },
  annotations: { 'jupyterlab-bento/digest': 'abc' },
  ownerReferences: [{ kind: 'Job', name: 'j', uid: 'u-0' }]
};
const condition = {
  type: 'Available',
  status: 'True',
  reason: 'Reconciling',
  message: 'fine',
  lastTransitionTime: '2026-01-01T00:00:01Z'
};

it('a BentoRequest', () => {
  const raw = {
    metadata,
    spec: {
      bentoTag: 'demo:v1',
      downloadUrl: 'https://s3/x?X-Amz-Signature=abc',
      runners: [{ name: 'r', runnableType: 'x' }],
      models: [{ tag: 'm:1', downloadUrl: 'https://s3/m?X-Amz-Signature=abc' }]
    },
    status: { conditions: [condition], imageBuilderPodStatus: {} }
  };
  const object = keep.keepBentoRequest(raw);
  expect(object).toEqual({
    metadata: kept,
    spec: {
      bentoTag: 'demo:v1',
      image: undefined,
      runners: [{ name: 'r' }],
      models: [{ tag: 'm:1' }]
    },
    conditions: [condition]
  });
  expect(JSON.stringify(object)).not.toContain('X-Amz');
});

it('a Bento and a BentoDeployment', () => {
  expect(
    keep.keepBento({
      metadata,
      spec: { tag: 'demo:v1', image: 'registry/x:y', runners: null }
    }).spec
  ).toEqual({ tag: 'demo:v1', image: 'registry/x:y', runners: [] });
  expect(
    keep.keepBentoDeployment({
      metadata,
      spec: {
        bento: 'demo--v1',
        autoscaling: { minReplicas: 2, maxReplicas: 3 },
        runners: [{ name: 'r', autoscaling: { minReplicas: 0 } }, { name: 's' }]
      }
    })
  ).toMatchObject({
    spec: {
      bento: 'demo--v1',
      minReplicas: 2,
      runners: [{ name: 'r', minReplicas: 0 }, { name: 's' }]
    },
    conditions: []
  });
});

it('a Job', () => {
  expect(
    keep.keepJob({ metadata, status: { active: 1, failed: 2 } })
  ).toMatchObject({ active: 1, succeeded: 0, failed: 2, conditions: [] });
});

it('a Pod, also one without labels', () => {
  const terminated = {
    exitCode: 42,
    reason: 'Error',
    message: 'out of disk',
    finishedAt: '2026-01-01T00:01:00Z',
    containerID: 'x'
  };
  const { labels: _none, ...bare } = metadata;
  const pod = keep.keepPod({
    metadata: bare,
    spec: {
      containers: [
        {
          name: 'main',
          image: 'x',
          ports: [{ name: 'http', containerPort: 3000 }, { containerPort: 9 }]
        }
      ]
    },
    status: {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: 'False' }],
      initContainerStatuses: [
        { name: 'init', state: { terminated }, restartCount: 0, image: 'i' }
      ],
      containerStatuses: [
        {
          name: 'main',
          ready: false,
          restartCount: 3,
          image: 'x',
          state: {
            waiting: { reason: 'CrashLoopBackOff', message: 'back-off' }
          },
          lastState: { terminated }
        }
      ]
    }
  });
  expect(pod).toMatchObject({
    metadata: { labels: {} },
    phase: 'Running',
    containers: [
      {
        name: 'main',
        ports: [{ name: 'http', containerPort: 3000 }, { containerPort: 9 }]
      }
    ],
    initStatuses: [{ name: 'init', terminated: { exitCode: 42 } }],
    statuses: [
      {
        name: 'main',
        ready: false,
        restartCount: 3,
        waiting: { reason: 'CrashLoopBackOff', message: 'back-off' },
        running: undefined,
        lastTerminated: { exitCode: 42, message: 'out of disk' }
      }
    ]
  });
});

it('a Deployment', () => {
  expect(
    keep.keepDeployment({
      metadata,
      spec: {
        replicas: 0,
        template: {
          spec: {
            containers: [
              { name: 'proxy', image: 'envoy' },
              { name: 'main', image: 'bento:v1' }
            ]
          }
        }
      },
      status: { observedGeneration: 2, replicas: 3, updatedReplicas: 1 }
    })
  ).toMatchObject({
    replicas: 0,
    image: 'bento:v1',
    observedGeneration: 2,
    totalReplicas: 3,
    updatedReplicas: 1,
    readyReplicas: 0,
    availableReplicas: 0
  });
});

it.each([
  [
    { lastTimestamp: '2', count: 5 },
    { lastSeen: '2', count: 5 }
  ],
  [
    { eventTime: '3', lastTimestamp: null },
    { lastSeen: '3', count: 1 }
  ],
  [
    { series: { count: 9, lastObservedTime: '4' }, eventTime: '3' },
    { lastSeen: '4', count: 9 }
  ],
  [{}, { lastSeen: '1', count: 1 }]
])('an Event with %j', (fields, expected) => {
  expect(
    keep.keepEvent({
      metadata: { name: 'e', creationTimestamp: '1' },
      involvedObject: { kind: 'Pod', name: 'p', uid: 'u', fieldPath: 'x' },
      type: 'Warning',
      reason: 'FailedScheduling',
      message: 'no nodes',
      ...fields
    })
  ).toEqual({
    involved: { kind: 'Pod', name: 'p', uid: 'u' },
    type: 'Warning',
    reason: 'FailedScheduling',
    message: 'no nodes',
    ...expected
  });
});

it('takes whatever an object holds, as long as it has a name', () => {
  const some = fc.record({
    metadata: fc.record({
      name: fc.constant('x'),
      labels: fc.anything(),
      annotations: fc.anything(),
      ownerReferences: fc.anything()
    }),
    spec: fc.oneof(
      fc.anything(),
      fc.record({ runners: fc.anything(), containers: fc.anything() })
    ),
    status: fc.oneof(
      fc.anything(),
      fc.record({ conditions: fc.anything(), containerStatuses: fc.anything() })
    )
  });
  fc.assert(
    fc.property(some, raw => {
      for (const one of Object.values(keep)) {
        expect(() => one(raw)).not.toThrow();
      }
    })
  );
  expect(() => keep.keepPod({ metadata: {} })).toThrow(/without a name/);
});
