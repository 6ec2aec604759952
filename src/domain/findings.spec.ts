// SPDX-License-Identifier: BSD-3-Clause
import type { Finding } from '../protocol';
import { deploymentViews } from './chain';
import { FINDING_TEXTS, type FindingCode } from './findingTexts';
import type { Condition, Snapshot } from './kube';
import {
  aBento,
  aDeployment,
  aJob,
  anEvent,
  APPLIED,
  aRequest,
  at,
  builderPod,
  BUILDING,
  container,
  ended,
  NAME,
  runningSince,
  said,
  servingParts,
  servingPod,
  snapshotOf,
  STARTED,
  WAITING,
  workload
} from './testObjects';

type Parts = Partial<Snapshot>;
type Case = [
  code: FindingCode,
  parts: Parts,
  options?: { severity?: Finding['severity']; seconds?: number; says?: string }
];

const QUOTA =
  'Error creating: pods "x" is forbidden: failed quota: kf-resource-quota: must specify limits.cpu for: builder';
const SECURITY =
  'pods "x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false';

function builderSays(text: string): Parts {
  return {
    bentoRequests: [
      aRequest([...STARTED, said('BentoAvailable', 'False', text)])
    ]
  };
}

function build(pod: ReturnType<typeof builderPod>, rest: Parts = {}): Parts {
  return {
    bentoRequests: [aRequest(BUILDING)],
    jobs: [aJob({ active: 1 })],
    pods: [pod],
    ...rest
  };
}

function download(exitCode: number): Parts {
  return build(builderPod('Failed', { downloader: ended(exitCode) }));
}

function serve(pod: ReturnType<typeof servingPod>, rest: Parts = {}): Parts {
  return { ...servingParts('rolling'), pods: [pod], ...rest };
}

function withCondition(condition: Condition): Parts {
  const broken = workload(NAME, 'rolling');
  return {
    ...servingParts('rolling'),
    deployments: [{ ...broken, conditions: [condition] }]
  };
}

const refused = (text: string): Condition =>
  said('Available', 'False', `Failed to reconcile BentoDeployment: ${text}`);

const CASES: Case[] = [
  ['requestNotPickedUp', { bentoRequests: [aRequest()] }],
  [
    'deploymentNotPickedUp',
    { bentoDeployments: [aDeployment()] },
    { severity: 'warning' }
  ],
  [
    'deploymentNotPickedUp',
    {
      bentoes: [aBento([], { ownerReferences: [] })],
      bentoDeployments: [aDeployment()]
    },
    { severity: 'error', seconds: 100 }
  ],
  [
    'namespaceNotWatched',
    {
      bentoRequests: [aRequest(BUILDING)],
      bentoes: [aBento()],
      bentoDeployments: [aDeployment()]
    },
    { seconds: 100, says: 'BENTO_DEPLOYMENT_NAMESPACES' }
  ],
  [
    'operatorBusy',
    {
      bentoRequests: [aRequest(BUILDING)],
      bentoes: [aBento()],
      bentoDeployments: [
        aDeployment(),
        {
          ...aDeployment(APPLIED, { uid: 'other' }),
          metadata: { ...aDeployment().metadata, name: 'other', uid: 'other' }
        }
      ]
    },
    { seconds: 100 }
  ],
  [
    'deploymentStalled',
    { ...servingParts(), deployments: [], pods: [] },
    { seconds: 100 }
  ],
  [
    'waitsForIngress',
    {
      ...servingParts('complete'),
      bentoDeployments: [
        aDeployment(
          [refused('get domain suffix: failed to wait for ingress')],
          {
            runners: ['a', 'b']
          }
        )
      ]
    }
  ],
  [
    'waitsForIngress',
    {
      ...servingParts('complete'),
      bentoDeployments: [aDeployment(WAITING, { runners: ['a', 'b'] })]
    },
    { seconds: 100 }
  ],
  [
    'deployRefused',
    {
      ...servingParts('rolling'),
      bentoDeployments: [
        aDeployment([refused('Service "has.dot" is invalid')], {
          runners: ['a', 'b']
        })
      ]
    },
    { says: 'Service "has.dot" is invalid' }
  ],
  [
    'deployRefused',
    {
      ...servingParts('complete'),
      bentoDeployments: [
        aDeployment([refused('Service "x" is invalid')], {
          runners: ['a', 'b']
        })
      ]
    },
    { severity: 'warning' }
  ],
  ['bentoMissing', { bentoDeployments: [aDeployment(WAITING)] }],
  [
    'bentoGone',
    {
      bentoRequests: [
        aRequest([said('BentoAvailable', 'True', 'Bento is generated')])
      ]
    }
  ],
  [
    'imageReused',
    {
      bentoRequests: [
        aRequest([
          ...STARTED.slice(0, 2),
          said('ImageExists', 'True', 'reg/x:1')
        ])
      ],
      bentoes: [aBento()]
    }
  ],
  [
    'registryUnset',
    builderSays(
      'ensure image exists: the environment variable DOCKER_REGISTRY_SERVER is not set: not found'
    )
  ],
  [
    'registryDenied',
    builderSays(
      'ensure image exists: check image x exists: get tags: http: non-successful response (status=401 body="")'
    )
  ],
  [
    'registryUnreachable',
    builderSays(
      'ensure image exists: check image x exists: create docker registry client for http://r:5000: dial tcp: lookup r: no such host'
    )
  ],
  [
    'pullSecretInvalid',
    builderSays('get docker config json secret reg: secret "reg" not found')
  ],
  [
    'downloadUrlMissing',
    builderSays(
      "generate image builder pod template spec: can't get yatai client, please check yatai configuration"
    )
  ],
  [
    'jobRejected',
    builderSays(
      'create image builder job x: Job.batch "x" is invalid: metadata.labels'
    )
  ],
  ['builderError', builderSays('something else')],
  ['downloadRefused', download(22)],
  [
    'downloadUnreachable',
    download(6),
    { severity: 'warning', says: 'host name' }
  ],
  [
    'downloadUnreachable',
    download(7),
    { severity: 'warning', says: 'nothing listens' }
  ],
  [
    'downloadUnreachable',
    download(28),
    { severity: 'warning', says: 'too long' }
  ],
  [
    'downloadUnreachable',
    {
      ...download(28),
      jobs: [
        aJob({
          failed: 7,
          conditions: [
            { type: 'Failed', status: 'True', reason: 'BackoffLimitExceeded' }
          ]
        })
      ]
    },
    { severity: 'error' }
  ],
  ['downloadTls', download(35)],
  ['downloadTls', download(60)],
  ['downloadFailed', download(1)],
  ['archiveInvalid', download(2)],
  [
    'imageBuildFailed',
    build(builderPod('Failed', { downloader: ended(0), builder: ended(42) }))
  ],
  [
    'builderOom',
    build(
      builderPod('Failed', {
        downloader: ended(0),
        builder: ended(137, 'OOMKilled')
      })
    )
  ],
  [
    'jobFailed',
    {
      bentoRequests: [aRequest(BUILDING)],
      jobs: [
        aJob({
          conditions: [
            { type: 'Failed', status: 'True', reason: 'BackoffLimitExceeded' }
          ]
        })
      ]
    },
    { says: 'BackoffLimitExceeded' }
  ],
  [
    'jobFailed',
    {
      bentoRequests: [
        aRequest([
          said('ImageBuilding', 'False', 'Image building job job-1 is failed.')
        ])
      ]
    }
  ],
  [
    'builderImagePull',
    build(
      builderPod('Pending', {
        downloader: {
          waiting: {
            reason: 'ImagePullBackOff',
            message: 'Back-off pulling image "q/d:1"'
          }
        }
      })
    ),
    { says: 'q/d:1' }
  ],
  [
    'imagePull',
    serve(
      servingPod(NAME, {
        waiting: {
          reason: 'ErrImagePull',
          message: 'not found: 127.0.0.1:5000/x'
        }
      })
    ),
    { says: '127.0.0.1:5000/x' }
  ],
  [
    'containerConfig',
    serve(
      servingPod(NAME, {
        waiting: {
          reason: 'CreateContainerConfigError',
          message: 'secret "x" not found'
        }
      })
    ),
    { says: 'secret "x" not found' }
  ],
  [
    'oomKilled',
    serve(
      servingPod(NAME, {
        waiting: { reason: 'CrashLoopBackOff' },
        restartCount: 2,
        lastTerminated: { exitCode: 137, reason: 'OOMKilled' }
      })
    )
  ],
  [
    'crashLoop',
    serve(
      servingPod(NAME, {
        ...runningSince(50),
        restartCount: 4,
        lastTerminated: { exitCode: 1 }
      })
    ),
    { says: 'exit code 1, 4 restarts' }
  ],
  [
    'crashLoop',
    serve(
      servingPod(NAME, {
        waiting: { reason: 'CrashLoopBackOff' },
        restartCount: 1
      })
    ),
    { severity: 'warning' }
  ],
  [
    'unschedulable',
    build(
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
              reason: 'Unschedulable',
              message: '0/1 nodes are available'
            }
          ]
        }
      )
    ),
    { says: '0/1 nodes' }
  ],
  [
    'evicted',
    build(
      builderPod('Failed', {}, { reason: 'Evicted', message: 'low on disk' })
    )
  ],
  [
    'podQuota',
    {
      bentoRequests: [aRequest(BUILDING)],
      jobs: [aJob()],
      events: [anEvent('Job', 'job-1', 'FailedCreate', QUOTA)]
    },
    { says: 'must specify limits.cpu' }
  ],
  [
    'podQuota',
    withCondition({
      type: 'ReplicaFailure',
      status: 'True',
      reason: 'FailedCreate',
      message: 'pods "x" is forbidden: exceeded quota: q, requested: pods=1'
    })
  ],
  [
    'podSecurity',
    withCondition({ type: 'ReplicaFailure', status: 'True', message: SECURITY })
  ],
  [
    'podRejected',
    {
      bentoRequests: [aRequest(BUILDING)],
      jobs: [aJob()],
      events: [
        anEvent(
          'Job',
          'job-1',
          'FailedCreate',
          'error looking up service account ds/x: not found'
        )
      ]
    }
  ],
  [
    'volumeFailed',
    serve(servingPod(NAME, { waiting: { reason: 'ContainerCreating' } }), {
      events: [
        anEvent(
          'Pod',
          `${NAME}-7d9c-x2x4z`,
          'FailedMount',
          'secret "x" not found'
        )
      ]
    })
  ],
  [
    'unhealthy',
    serve(servingPod(NAME, runningSince(42)), {
      events: [
        anEvent(
          'Pod',
          `${NAME}-7d9c-x2x4z`,
          'Unhealthy',
          'Liveness probe failed: 503'
        )
      ]
    })
  ],
  [
    'rolloutStuck',
    withCondition({
      type: 'Progressing',
      status: 'False',
      reason: 'ProgressDeadlineExceeded',
      message: 'has timed out progressing'
    })
  ],
  [
    'runnerIgnored',
    {
      ...servingParts(),
      bentoDeployments: [aDeployment(APPLIED, { runners: ['a', 'b', 'c'] })]
    },
    { says: 'a, b' }
  ],
  [
    'runnerDefaults',
    {
      ...servingParts(),
      bentoDeployments: [aDeployment(APPLIED, { runners: ['a'] })]
    }
  ],
  [
    'surplusRunner',
    {
      ...servingParts(),
      deployments: [
        ...(servingParts().deployments ?? []),
        workload(`${NAME}-runner-2`, 'complete', { version: 'old' })
      ]
    }
  ]
];

function findingsOf(parts: Parts, seconds = 60): Finding[] {
  return deploymentViews(snapshotOf(parts), {
    now: at(seconds),
    notPickedUpSeconds: 30
  }).flatMap(view => (view.name === 'other' ? [] : view.findings));
}

const LISTS: Record<string, keyof Parts> = {
  BentoRequest: 'bentoRequests',
  Bento: 'bentoes',
  BentoDeployment: 'bentoDeployments',
  Job: 'jobs',
  Pod: 'pods',
  Deployment: 'deployments'
};

/** The same objects without what a finding says that it rests on. */
function without(
  parts: Parts,
  { object, field, value }: Finding['evidence']
): Parts {
  const [kind = '', name = ''] = object.split('/');
  const event = /^event (.+)$/.exec(field)?.[1];
  if (event) {
    return {
      ...parts,
      events: parts.events?.filter(one => one.reason !== event)
    };
  }
  const list = LISTS[kind] as keyof Parts;
  const changed = (parts[list] as { metadata: { name: string } }[]).flatMap(
    one => (one.metadata.name === name ? change(one, field, value) : [one])
  );
  return { ...parts, [list]: changed };
}

/** The object without one field; no object when the field cannot be absent. */
function change(object: object, field: string, value: string): object[] {
  const copy = structuredClone(object) as {
    conditions: Condition[];
    reason?: string;
    initStatuses: Record<string, unknown>[];
    statuses: Record<string, unknown>[];
    spec: { runners: { name: string }[] };
  };
  const type = /^status\.conditions\[(.+)\]$/.exec(field)?.[1];
  const [, init, container, life, part] =
    /^status\.(init)?[cC]ontainerStatuses\[(.+)\]\.(state|lastState)\.(\w+)/.exec(
      field
    ) ?? [];
  if (type) {
    copy.conditions = copy.conditions.filter(one => one.type !== type);
  } else if (container && part) {
    const statuses = init ? copy.initStatuses : copy.statuses;
    const status = statuses.find(one => one.name === container);
    delete status?.[life === 'lastState' ? 'lastTerminated' : part];
  } else if (field === 'status.conditions') {
    copy.conditions = [said('Any', 'Unknown', 'picked up')];
  } else if (field === 'status.reason') {
    delete copy.reason;
  } else if (field === 'spec.runners[].name') {
    copy.spec.runners = copy.spec.runners.filter(one => one.name !== value);
  } else {
    return [];
  }
  return [copy];
}

describe('findings', () => {
  it.each(CASES)('%s', (code, parts, options = {}) => {
    const { severity = FINDING_TEXTS[code].severity, seconds, says } = options;
    const found = findingsOf(parts, seconds).filter(one => one.code === code);
    expect(found.map(one => one.severity)).toEqual([severity]);
    const [finding] = found as [Finding];
    expect(finding.evidence.object).toMatch(/^[A-Z]\w+\/.+/);
    expect(finding.evidence.value).not.toBe('');
    const text = `${finding.message} ${finding.hint}`;
    expect(text).not.toMatch(/\{\w+\}/);
    expect(text).toContain(says ?? '');
  });

  it('has a case for every code', () => {
    expect([...new Set(CASES.map(([code]) => code))].sort()).toEqual(
      Object.keys(FINDING_TEXTS).sort()
    );
  });

  it.each(CASES)('%s goes with its evidence', (_code, parts, options = {}) => {
    const found = findingsOf(parts, options.seconds);
    expect(found.length).toBeGreaterThan(0);
    for (const finding of found) {
      const rest = findingsOf(
        without(parts, finding.evidence),
        options.seconds
      );
      const same = rest.filter(
        one =>
          one.code === finding.code &&
          one.evidence.object === finding.evidence.object &&
          one.evidence.field === finding.evidence.field
      );
      expect(same).toEqual([]);
    }
  });

  it.each([
    [
      'a good build',
      build(
        builderPod('Running', {
          downloader: ended(0),
          builder: runningSince(5)
        })
      )
    ],
    ['a good deployment', servingParts('complete')],
    [
      'a young request',
      {
        bentoRequests: [
          aRequest([], { creationTimestamp: new Date(at(50)).toISOString() })
        ]
      }
    ],
    ['a build that waits for its turn', { bentoRequests: [aRequest(STARTED)] }]
  ])('there are none in %s', (_what, parts) => {
    expect(findingsOf(parts)).toEqual([]);
  });

  it('an event about a Job that has its pod by now is over', () => {
    const parts = build(
      builderPod('Pending', { downloader: runningSince(5) }),
      {
        events: [anEvent('Job', 'job-1', 'FailedCreate', QUOTA)]
      }
    );
    expect(findingsOf(parts)).toEqual([]);
  });

  it('a failed attempt is over when the next one builds', () => {
    const parts = build(builderPod('Failed', { downloader: ended(28) }));
    const next = builderPod(
      'Running',
      { downloader: ended(0), builder: runningSince(50) },
      { name: 'job-1-b', created: 40 }
    );
    expect(
      findingsOf({ ...parts, pods: [...(parts.pods ?? []), next] })
    ).toEqual([]);
  });

  it('old restarts of a pod that has run for long are forgotten', () => {
    const pod = servingPod(NAME, {
      ...runningSince(42),
      restartCount: 3,
      lastTerminated: { exitCode: 1 }
    });
    expect(findingsOf(serve(pod), 100).map(one => one.code)).toEqual([
      'crashLoop'
    ]);
    expect(findingsOf(serve(pod), 700).map(one => one.code)).toEqual([]);
  });

  it('shows the worst first', () => {
    const found = findingsOf({
      ...serve(servingPod(NAME, { waiting: { reason: 'ErrImagePull' } })),
      bentoDeployments: [aDeployment(APPLIED, { runners: ['a', 'c'] })]
    });
    expect(found.map(one => one.severity)).toEqual([
      'error',
      'warning',
      'info'
    ]);
  });

  it('never shows the query of an address', () => {
    const text =
      'get "https://s3.local/b/x.tar?X-Amz-Signature=abc&X-Amz-Credential=AKIA": no such host';
    const shown = JSON.stringify(findingsOf(builderSays(text)));
    expect(shown).toContain('https://s3.local/b/x.tar?…');
    expect(shown).not.toMatch(/X-Amz|AKIA|abc/);
  });

  it('keeps containers of a mesh apart from those of the build', () => {
    const pod = builderPod('Pending', { downloader: runningSince(3) });
    pod.initStatuses.push(container('istio-proxy', ended(1)));
    expect(findingsOf(build(pod))).toEqual([]);
  });
});

describe('an error that flickers', () => {
  const text = "can't get yatai client, please check yatai configuration";
  const failing = builderSays(text);
  const trying: Parts = {
    bentoRequests: [
      aRequest([
        ...STARTED,
        said('BentoAvailable', 'Unknown', 'Checking image exists', 59)
      ])
    ]
  };
  const views = (parts: Parts, seconds: number, previous = true) =>
    deploymentViews(snapshotOf(parts), {
      now: at(seconds),
      notPickedUpSeconds: 30,
      ...(previous
        ? {
            previous: deploymentViews(snapshotOf(failing), {
              now: at(55),
              notPickedUpSeconds: 30
            })
          }
        : {})
    })[0];

  it('keeps its text while the operator tries again', () => {
    const codes = views(trying, 60)?.findings.map(finding => finding.code);
    expect(codes).toEqual(['downloadUrlMissing']);
  });

  it('is gone once there is a Job', () => {
    expect(views({ ...trying, jobs: [aJob()] }, 60)?.findings).toEqual([]);
  });

  it('is gone when nothing was seen of it, and after the longest pause', () => {
    expect(views(trying, 60, false)?.findings).toEqual([]);
    expect(views(trying, 1300)?.findings).toEqual([]);
  });
});
