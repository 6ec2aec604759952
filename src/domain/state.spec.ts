// SPDX-License-Identifier: BSD-3-Clause
import fc from 'fast-check';
import type { State } from '../protocol';
import { deploymentViews } from './chain';
import type { Condition, Snapshot } from './kube';
import {
  aBento,
  aDeployment,
  aJob,
  APPLIED,
  aRequest,
  at,
  BENTO,
  builderPod,
  BUILDING,
  container,
  ended,
  meta,
  NAME,
  ownedBy,
  runningSince,
  said,
  servingParts,
  servingPod,
  snapshotOf,
  stamp,
  STARTED,
  TAG,
  VERSION,
  WAITING,
  workload
} from './testObjects';

type Row = [
  what: string,
  state: State,
  parts: Partial<Snapshot>,
  seconds?: number
];

/** A barebones builder pod of the image builders before 1.1.18. */
function barePod(phase: string, states: Parameters<typeof builderPod>[1] = {}) {
  const pod = builderPod(phase, states);
  const { 'yatai.ai/bento-request': _none, ...labels } = pod.metadata.labels;
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      labels,
      ownerReferences: ownedBy('BentoRequest', BENTO)
    }
  };
}

const DOWNLOADED = ended(0);
const building = builderPod('Running', {
  downloader: DOWNLOADED,
  builder: runningSince(10)
});
const failedDownload = builderPod('Failed', { downloader: ended(22) });
const failedBuild = builderPod('Failed', {
  downloader: DOWNLOADED,
  builder: ended(42)
});
const retry = { name: 'job-1-b', created: 40 };
const jobFailed: Condition = {
  type: 'Failed',
  status: 'True',
  reason: 'PodFailurePolicy'
};
const isFailed = said(
  'ImageBuilding',
  'False',
  'Image building job job-1 is failed.'
);

const request = [aRequest(BUILDING)];
const waiting = [aDeployment(WAITING)];

/** While there is no Bento. */
const BUILD: Row[] = [
  ['created a moment ago', 'requested', { bentoRequests: [aRequest()] }, 5],
  ['no status for long', 'notPickedUp', { bentoRequests: [aRequest()] }, 31],
  ['picked up', 'checking', { bentoRequests: [aRequest(STARTED)] }],
  [
    'reconcile error before any Job',
    'checking',
    {
      bentoRequests: [
        aRequest([said('BentoAvailable', 'False', 'ensure image exists: …')])
      ]
    }
  ],
  ['Job without a pod', 'queued', { bentoRequests: request, jobs: [aJob()] }],
  [
    'pod without a node, called running',
    'queued',
    {
      bentoRequests: request,
      jobs: [aJob({ active: 1 })],
      pods: [
        builderPod(
          'Pending',
          {},
          {
            initStatuses: [],
            statuses: [],
            conditions: [
              {
                type: 'PodScheduled',
                status: 'False',
                reason: 'Unschedulable'
              }
            ]
          }
        )
      ]
    }
  ],
  [
    'containers being prepared',
    'queued',
    { bentoRequests: request, jobs: [aJob()], pods: [builderPod('Pending')] }
  ],
  [
    'a mesh runs before the download',
    'queued',
    {
      bentoRequests: request,
      jobs: [aJob()],
      pods: [
        builderPod(
          'Pending',
          {},
          {
            initStatuses: [
              container('istio-proxy', runningSince(3)),
              container('bento-downloader')
            ]
          }
        )
      ]
    }
  ],
  [
    'downloader runs',
    'downloading',
    {
      bentoRequests: request,
      jobs: [aJob({ active: 1 })],
      pods: [builderPod('Pending', { downloader: runningSince(3) })]
    }
  ],
  [
    'one of two downloads done',
    'downloading',
    {
      bentoRequests: request,
      jobs: [aJob()],
      pods: [
        builderPod(
          'Pending',
          {},
          {
            initStatuses: [
              container('bento-downloader', DOWNLOADED),
              container('model-downloader-0', runningSince(5))
            ]
          }
        )
      ]
    }
  ],
  [
    'download done, builder about to start',
    'building',
    {
      bentoRequests: request,
      jobs: [aJob()],
      pods: [builderPod('Pending', { downloader: DOWNLOADED })]
    }
  ],
  [
    'builder runs',
    'building',
    { bentoRequests: request, jobs: [aJob({ active: 1 })], pods: [building] }
  ],
  [
    'pod succeeded, Bento not made yet',
    'building',
    { bentoRequests: request, jobs: [aJob()], pods: [builderPod('Succeeded')] }
  ],
  [
    'Job removed at success, as by 1.2.52 and later',
    'building',
    { bentoRequests: request, pods: [builderPod('Succeeded')] }
  ],
  [
    'first download failed, the Job does not count it yet',
    'attemptFailed',
    { bentoRequests: request, jobs: [aJob()], pods: [failedDownload] }
  ],
  [
    'between two attempts, pods cleared away',
    'attemptFailed',
    { bentoRequests: request, jobs: [aJob({ failed: 1 })] }
  ],
  [
    'second download runs',
    'attemptFailed',
    {
      bentoRequests: request,
      jobs: [aJob({ failed: 1, active: 1 })],
      pods: [
        failedDownload,
        builderPod('Pending', { downloader: runningSince(41) }, retry)
      ]
    }
  ],
  [
    'second download was good',
    'building',
    {
      bentoRequests: request,
      jobs: [aJob({ failed: 1, active: 1 })],
      pods: [
        failedDownload,
        builderPod(
          'Running',
          { downloader: DOWNLOADED, builder: runningSince(45) },
          retry
        )
      ]
    }
  ],
  [
    'second build runs (Kubernetes 1.24 retries these)',
    'attemptFailed',
    {
      bentoRequests: request,
      jobs: [aJob({ failed: 1, active: 1 })],
      pods: [
        failedBuild,
        builderPod(
          'Running',
          { downloader: DOWNLOADED, builder: runningSince(45) },
          retry
        )
      ]
    }
  ],
  [
    'Job bound to fail',
    'buildFailed',
    {
      bentoRequests: request,
      jobs: [aJob({ conditions: [{ type: 'FailureTarget', status: 'True' }] })],
      pods: [failedBuild]
    }
  ],
  [
    'Job failed',
    'buildFailed',
    {
      bentoRequests: request,
      jobs: [aJob({ failed: 1, conditions: [jobFailed] })],
      pods: [failedBuild]
    }
  ],
  [
    'only the condition is left, and the other one says "building" (1.2.44 and later)',
    'buildFailed',
    {
      bentoRequests: [
        aRequest([
          isFailed,
          said('ImageExists', 'False', '…'),
          said('BentoAvailable', 'Unknown', 'Bento image is building')
        ])
      ]
    }
  ],
  [
    'the condition speaks of the Job before',
    'queued',
    { bentoRequests: [aRequest([isFailed])], jobs: [aJob({}, 'job-2')] }
  ],
  [
    'built out of time, as by 1.1.25',
    'buildFailed',
    {
      bentoRequests: [
        aRequest([
          { type: 'ImageBuilding', status: 'False', reason: 'Timeout' }
        ])
      ]
    }
  ],
  [
    'image found in the registry, Bento not made yet',
    'checking',
    { bentoRequests: [aRequest([said('ImageExists', 'True', 'image')])] }
  ],
  [
    'bare pod downloads (1.1.3)',
    'downloading',
    {
      bentoRequests: request,
      pods: [barePod('Pending', { downloader: runningSince(3) })]
    }
  ],
  [
    'bare pod failed (1.1.3), which is never retried',
    'buildFailed',
    { bentoRequests: request, pods: [barePod('Failed', { builder: ended(1) })] }
  ],
  [
    'a new Job takes over from one that goes',
    'queued',
    {
      bentoRequests: request,
      jobs: [
        {
          ...aJob({ failed: 2 }),
          metadata: { ...aJob().metadata, deletionTimestamp: stamp(30) }
        },
        aJob({}, 'job-2')
      ],
      pods: [failedDownload]
    }
  ]
];

/** Once the Bento exists. */
const SERVE: Row[] = [
  ['nothing created yet', 'built', { ...servingParts(), deployments: [] }, 45],
  [
    'no status for long',
    'notPickedUp',
    {
      ...servingParts(),
      deployments: [],
      bentoDeployments: [aDeployment()]
    },
    100
  ],
  [
    'a status, but nothing created for long',
    'built',
    { ...servingParts(), deployments: [] },
    500
  ],
  ['Deployments created', 'deploying', servingParts('new')],
  [
    'called available before any pod is ready',
    'deploying',
    servingParts('rolling')
  ],
  [
    'API server ready, a runner not',
    'deploying',
    {
      ...servingParts('rolling'),
      deployments: [
        workload(NAME, 'complete'),
        workload(`${NAME}-runner-0`, 'complete'),
        workload(`${NAME}-runner-1`, 'rolling')
      ]
    }
  ],
  [
    'a runner has no Deployment',
    'deploying',
    {
      ...servingParts(),
      deployments: [
        workload(NAME, 'complete'),
        workload(`${NAME}-runner-0`, 'complete')
      ]
    }
  ],
  ['all ready', 'ready', servingParts('complete')],
  [
    'all ready, called unavailable',
    'ready',
    {
      ...servingParts('complete'),
      bentoDeployments: [
        aDeployment([
          said(
            'Available',
            'False',
            'Failed to reconcile BentoDeployment: get domain suffix: failed to wait for ingress x to be ready: timed out waiting for the condition'
          )
        ])
      ]
    }
  ],
  [
    'a runner of an earlier version is left',
    'ready',
    {
      ...servingParts('complete'),
      deployments: [
        ...(servingParts('complete').deployments ?? []),
        workload(`${NAME}-runner-2`, 'short', { version: 'old' })
      ]
    }
  ],
  [
    'a pod died',
    'degraded',
    {
      ...servingParts('complete'),
      deployments: [
        workload(NAME, 'complete'),
        workload(`${NAME}-runner-0`, 'short'),
        workload(`${NAME}-runner-1`, 'complete')
      ]
    }
  ],
  [
    'two replicas asked for, one there',
    'degraded',
    {
      ...servingParts('complete'),
      bentoDeployments: [
        {
          ...aDeployment(APPLIED),
          spec: { bento: BENTO, minReplicas: 2, runners: [] }
        }
      ]
    }
  ],
  [
    'the old pod is available, the new one is not',
    'rollingOut',
    {
      ...servingParts('complete'),
      deployments: [NAME, `${NAME}-runner-0`, `${NAME}-runner-1`].map(name =>
        workload(name, 'surging', { revision: 2 })
      )
    }
  ],
  [
    'the Deployments name the version before',
    'rollingOut',
    {
      ...servingParts('complete'),
      deployments: [NAME, `${NAME}-runner-0`, `${NAME}-runner-1`].map(name =>
        workload(name, 'complete', { version: 'before' })
      )
    }
  ],
  [
    'same version, other image',
    'rollingOut',
    {
      ...servingParts('complete'),
      deployments: [NAME, `${NAME}-runner-0`, `${NAME}-runner-1`].map(name =>
        workload(name, 'complete', { image: 'elsewhere/x:1' })
      )
    }
  ],
  [
    'the operator refused',
    'failed',
    {
      ...servingParts(),
      deployments: [],
      bentoDeployments: [
        aDeployment([
          said(
            'Available',
            'False',
            'Failed to reconcile BentoDeployment: create or update deployment: …'
          )
        ])
      ]
    }
  ],
  [
    'a text about the build that was mended',
    'built',
    {
      ...servingParts(),
      deployments: [],
      bentoDeployments: [
        aDeployment([
          said(
            'Available',
            'False',
            'Failed to reconcile BentoDeployment: BentoRequest ds/x is not available: Image building job job-0 is failed.'
          )
        ])
      ]
    },
    45
  ],
  [
    'first crash',
    'deploying',
    {
      ...servingParts('rolling'),
      pods: [
        servingPod(NAME, {
          waiting: { reason: 'CrashLoopBackOff' },
          restartCount: 1,
          lastTerminated: { exitCode: 1 }
        })
      ]
    }
  ],
  [
    'crash loop, waiting',
    'failed',
    {
      ...servingParts('rolling'),
      pods: [
        servingPod(NAME, {
          waiting: { reason: 'CrashLoopBackOff' },
          restartCount: 2,
          lastTerminated: { exitCode: 1 }
        })
      ]
    }
  ],
  [
    'crash loop, running for a moment',
    'failed',
    {
      ...servingParts('rolling'),
      pods: [
        servingPod(NAME, {
          ...runningSince(90),
          restartCount: 3,
          lastTerminated: { exitCode: 0 }
        })
      ]
    },
    100
  ],
  [
    'image cannot be pulled',
    'failed',
    {
      ...servingParts('rolling'),
      pods: [servingPod(NAME, { waiting: { reason: 'ErrImagePull' } })]
    }
  ],
  [
    'no node',
    'deploying',
    {
      ...servingParts('rolling'),
      pods: [
        servingPod(NAME, undefined, {
          phase: 'Pending',
          statuses: [],
          conditions: [
            { type: 'PodScheduled', status: 'False', reason: 'Unschedulable' }
          ]
        })
      ]
    }
  ],
  [
    'no progress for ten minutes',
    'failed',
    {
      ...servingParts('rolling'),
      deployments: [
        {
          ...workload(NAME, 'rolling'),
          conditions: [
            {
              type: 'Progressing',
              status: 'False',
              reason: 'ProgressDeadlineExceeded'
            }
          ]
        }
      ]
    }
  ],
  [
    'Deployments of a namesake that was deleted',
    'built',
    {
      ...servingParts('complete'),
      bentoDeployments: [aDeployment(APPLIED, { uid: 'another' })]
    },
    45
  ],
  [
    'being deleted',
    'deleting',
    {
      ...servingParts('complete'),
      bentoDeployments: [aDeployment(APPLIED, { deletionTimestamp: stamp(60) })]
    }
  ],
  [
    'pods serve on although the Bento is gone',
    'degraded',
    { ...servingParts('complete'), bentoRequests: [], bentoes: [] }
  ],
  [
    'neither Bento nor BentoRequest',
    'requested',
    { bentoDeployments: [aDeployment(WAITING)] }
  ],
  [
    'a Bento of another tag',
    'checking',
    {
      bentoRequests: [aRequest(STARTED)],
      bentoes: [{ ...aBento(), spec: { tag: 'a:b', image: 'x', runners: [] } }],
      bentoDeployments: [aDeployment(WAITING)]
    }
  ],
  [
    'a Bento of a BentoRequest that was deleted',
    'checking',
    {
      bentoRequests: [aRequest(STARTED, { uid: 'another' })],
      bentoes: [aBento()],
      bentoDeployments: [aDeployment(WAITING)]
    }
  ]
];

function stateOf(parts: Partial<Snapshot>, seconds = 60): State | undefined {
  return deploymentViews(snapshotOf(parts), {
    now: at(seconds),
    notPickedUpSeconds: 30
  })[0]?.state;
}

describe('the table of states', () => {
  it.each(BUILD)('build: %s → %s', (_what, state, parts, seconds = 60) => {
    expect(stateOf({ bentoDeployments: waiting, ...parts }, seconds)).toBe(
      state
    );
    // The same without a BentoDeployment.
    expect(stateOf(parts, seconds)).toBe(state);
  });

  it.each(SERVE)('serve: %s → %s', (_what, state, parts, seconds = 60) => {
    expect(stateOf(parts, seconds)).toBe(state);
  });

  it('built, when no BentoDeployment is there', () => {
    expect(stateOf({ bentoRequests: request, bentoes: [aBento()] })).toBe(
      'built'
    );
  });
});

/** Every text that the operators write into conditions that flicker. */
const NOISE: [string, string[]][] = [
  [
    'BentoAvailable',
    ['Reconciling', 'Checking image exists', 'Bento image is building']
  ],
  [
    'ImageExists',
    ['Starting to reconcile BentoRequest', 'Image x is not exists']
  ],
  ['ImageExistsChecked', ['x', 'Image not exists: x']],
  ['ModelsSeeding', ['Starting to reconcile BentoRequest']],
  [
    'ImageBuilding',
    [
      'Image building job job-1 is waiting',
      'Image building job job-1 is running'
    ]
  ]
];
const NOISE_ABOVE: [string, string[]][] = [
  ['Available', ['Reconciling', 'Starting to reconcile BentoDeployment']],
  ['BentoFound', ['Bento not found', 'Bento found']],
  ['BentoRequestFound', ['Bento not found', 'get BentoRequest ds/x: not found']]
];

function noise(table: [string, string[]][]): fc.Arbitrary<Condition[]> {
  return fc.tuple(
    ...table.map(([type, messages]) =>
      fc
        .tuple(
          fc.constantFrom('True', 'False', 'Unknown'),
          fc.constantFrom(...messages)
        )
        .map(([status, message]) => said(type, status, message))
    )
  );
}

/** Rows whose objects alone decide. */
const FIRM = [...BUILD, ...SERVE].filter(
  ([, , { jobs, pods, deployments }, seconds]) =>
    seconds === undefined && (jobs ?? pods ?? deployments)
);

describe('conditions that flicker', () => {
  it('never move a state that objects decide', () => {
    const rows = FIRM.filter(
      ([what]) => !/refused|condition|gone|tag/.test(what)
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...rows),
        noise(NOISE),
        noise(NOISE_ABOVE),
        ([, state, parts], below, above) => {
          const noisy = {
            bentoDeployments: waiting,
            ...parts,
            bentoRequests: parts.bentoRequests?.map(one => ({
              ...one,
              conditions: below
            }))
          };
          noisy.bentoDeployments = noisy.bentoDeployments.map(one => ({
            ...one,
            conditions: above
          }));
          expect(stateOf(noisy)).toBe(state);
        }
      )
    );
  });
});

describe('what the state does not depend on', () => {
  it('the order in which objects arrived', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...FIRM),
        fc.infiniteStream(fc.nat(1000)),
        ([, state, parts], numbers) => {
          const shuffled = Object.fromEntries(
            Object.entries(parts).map(([key, list]) => [
              key,
              [...(list as object[])]
                .map(one => ({ one, order: numbers.next().value ?? 0 }))
                .sort((one, other) => one.order - other.order)
                .map(({ one }) => one)
            ])
          );
          expect(stateOf({ bentoDeployments: waiting, ...shuffled })).toBe(
            state
          );
        }
      )
    );
  });

  it('objects of other deployments', () => {
    const other = {
      metadata: meta('BentoRequest', 'other'),
      spec: { bentoTag: 'other:1', runners: [], models: [] },
      conditions: []
    };
    const views = deploymentViews(
      snapshotOf({
        ...servingParts('complete'),
        bentoRequests: [...request, other],
        jobs: [
          {
            ...aJob({ conditions: [jobFailed] }, 'job-9'),
            metadata: meta('Job', 'job-9', {
              ownerReferences: ownedBy('BentoRequest', 'other')
            })
          }
        ]
      }),
      { now: at(60), notPickedUpSeconds: 30 }
    );
    expect(views.map(view => [view.name, view.state])).toEqual([
      [NAME, 'ready']
    ]);
    expect(views[0]).toMatchObject({
      tag: TAG,
      replicas: { ready: 3, wanted: 3 }
    });
    expect(VERSION.length).toBeGreaterThan(0);
  });
});
