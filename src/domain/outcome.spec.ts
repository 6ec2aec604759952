// SPDX-License-Identifier: BSD-3-Clause
import { deploymentViews } from './chain';
import type { Snapshot } from './kube';
import { outcome, type Outcome, type Patience } from './outcome';
import {
  aBento,
  aDeployment,
  aJob,
  APPLIED,
  aRequest,
  at,
  builderPod,
  BUILDING,
  ended,
  NAME,
  runningSince,
  said,
  servingParts,
  servingPod,
  snapshotOf,
  stamp,
  STARTED,
  TAG,
  WAITING
} from './testObjects';

type Parts = Partial<Snapshot>;

/** Judges the same objects at several moments of one wait. */
function judge(parts: Parts, ...seconds: number[]): Outcome[] {
  const patience: Patience = new Map();
  return seconds.map(second => {
    const [view] = deploymentViews(snapshotOf(parts), {
      now: at(second),
      notPickedUpSeconds: 30
    });
    if (!view) {
      throw new Error('no deployment');
    }
    return outcome(view, patience, at(second));
  });
}

function failedAt(
  parts: Parts,
  second = 60
): Extract<Outcome, { kind: 'failed' }> {
  const [result] = judge(parts, second);
  if (result?.kind !== 'failed') {
    throw new Error(`it is ${String(result?.kind)}`);
  }
  return result;
}

const waiting = [aDeployment(WAITING)];

function attempt(exitCode: number, rest: Parts = {}): Parts {
  return {
    bentoRequests: [aRequest(BUILDING)],
    bentoDeployments: waiting,
    jobs: [aJob()],
    pods: [builderPod('Failed', { downloader: ended(exitCode) })],
    ...rest
  };
}

function serve(main: Parameters<typeof servingPod>[1]): Parts {
  return { ...servingParts('rolling'), pods: [servingPod(NAME, main)] };
}

describe('a wait', () => {
  it('ends when all is ready', () => {
    expect(judge(servingParts('complete'), 60)).toEqual([{ kind: 'ready' }]);
  });

  it.each<[string, Parts]>([
    [
      'building',
      {
        bentoRequests: [aRequest(BUILDING)],
        bentoDeployments: waiting,
        jobs: [aJob()],
        pods: [
          builderPod('Running', {
            downloader: ended(0),
            builder: runningSince(5)
          })
        ]
      }
    ],
    [
      'no deployment operator yet, while the build runs',
      {
        bentoRequests: [aRequest(BUILDING)],
        bentoDeployments: [aDeployment()],
        jobs: [aJob()]
      }
    ],
    ['a name that did not resolve', attempt(6)],
    ['a connection that was refused', attempt(7)],
    ['a download that took too long', attempt(28)],
    ['pods starting', servingParts('rolling')],
    [
      'a first crash',
      serve({
        waiting: { reason: 'CrashLoopBackOff' },
        restartCount: 1,
        lastTerminated: { exitCode: 1 }
      })
    ],
    ['degraded', servingParts('short')],
    [
      'a registry that is down',
      {
        bentoDeployments: waiting,
        bentoRequests: [
          aRequest([
            ...STARTED,
            said(
              'BentoAvailable',
              'False',
              'check image x: dial tcp: no such host'
            )
          ])
        ]
      }
    ]
  ])('goes on: %s', (_what, parts) => {
    expect(judge(parts, 60, 120, 600).map(one => one.kind)).toEqual([
      'pending',
      'pending',
      'pending'
    ]);
  });

  it.each([
    [22, 'downloadRefused'],
    [2, 'archiveInvalid'],
    [1, 'downloadFailed'],
    [60, 'downloadTls']
  ])('ends at the first download that ends with %i', (exitCode, code) => {
    const { error, cause, logTarget } = failedAt(attempt(exitCode));
    expect(error.code).toBe('buildFailed');
    expect(error.params).toMatchObject({
      tag: TAG,
      reason: cause?.message,
      action: cause?.hint
    });
    expect(cause?.code).toBe(code);
    expect(logTarget).toEqual({
      pod: 'job-1-a',
      container: 'bento-downloader'
    });
    expect(error.details[0]).toContain('Pod/job-1-a');
  });

  it('ends with any cause when the last attempt has failed', () => {
    const { cause } = failedAt(
      attempt(6, {
        jobs: [
          aJob({
            failed: 7,
            conditions: [
              { type: 'Failed', status: 'True', reason: 'BackoffLimitExceeded' }
            ]
          })
        ]
      })
    );
    expect(cause?.code).toBe('downloadUnreachable');
  });

  it('ends with a failed build whose pods are gone', () => {
    const { error, logTarget } = failedAt({
      bentoRequests: [
        aRequest([
          said('ImageBuilding', 'False', 'Image building job x is failed.')
        ])
      ],
      bentoDeployments: waiting
    });
    expect(error.code).toBe('buildFailed');
    expect(logTarget).toBeUndefined();
  });

  it('names the log of the life that ended', () => {
    const { error, logTarget } = failedAt(
      serve({
        ...runningSince(55),
        restartCount: 2,
        lastTerminated: { exitCode: 1 }
      })
    );
    expect(error.code).toBe('deployFailed');
    expect(error.params.name).toBe(NAME);
    expect(logTarget).toEqual({
      pod: `${NAME}-7d9c-x2x4z`,
      container: 'main',
      previous: true
    });
  });

  it('ends for a service that looped after it had been ready', () => {
    const parts = {
      ...servingParts('short'),
      pods: [
        servingPod(NAME, {
          waiting: { reason: 'CrashLoopBackOff' },
          restartCount: 3,
          lastTerminated: { exitCode: 1 }
        })
      ]
    };
    expect(failedAt(parts).cause?.code).toBe('crashLoop');
  });

  it('lets the kubelet try again to pull an image', () => {
    const pulling = serve({ waiting: { reason: 'ErrImagePull' } });
    expect(judge(pulling, 60, 70, 89, 91).map(one => one.kind)).toEqual([
      'pending',
      'pending',
      'pending',
      'failed'
    ]);
  });

  it('does not hold against a pull what ended in between', () => {
    const patience: Patience = new Map();
    const look = (parts: Parts, second: number) => {
      const [view] = deploymentViews(snapshotOf(parts), {
        now: at(second),
        notPickedUpSeconds: 30
      });
      return view && outcome(view, patience, at(second)).kind;
    };
    const failing = serve({ waiting: { reason: 'ImagePullBackOff' } });
    const fine = serve({ waiting: { reason: 'ContainerCreating' } });
    expect([
      look(failing, 60),
      look(fine, 80),
      look(failing, 95),
      look(failing, 130)
    ]).toEqual(['pending', 'pending', 'pending', 'failed']);
  });

  it('takes the operator at its word only when it stays', () => {
    const refused = {
      ...servingParts(),
      deployments: [],
      pods: [],
      bentoDeployments: [
        aDeployment([
          said(
            'Available',
            'False',
            'Failed to reconcile BentoDeployment: create or update deployment: invalid'
          )
        ])
      ]
    };
    expect(judge(refused, 60, 62, 66).map(one => one.kind)).toEqual([
      'pending',
      'pending',
      'failed'
    ]);
  });

  it.each<[string, Parts, string]>([
    [
      'the BentoRequest',
      { bentoRequests: [aRequest()], bentoDeployments: [aDeployment(WAITING)] },
      'BentoRequest/'
    ],
    [
      'the BentoDeployment',
      {
        bentoRequests: [aRequest(BUILDING)],
        bentoes: [aBento()],
        bentoDeployments: [aDeployment()]
      },
      'BentoDeployment/'
    ]
  ])('ends when nobody looks at %s', (_what, parts, object) => {
    const { error } = failedAt(parts, 61);
    expect(error.code).toBe('notPickedUp');
    expect(error.params).toMatchObject({ namespace: 'ds', seconds: 60 });
    expect(String(error.params.object)).toContain(object);
  });

  it('ends when the deployment is being deleted', () => {
    const parts = {
      ...servingParts('complete'),
      bentoDeployments: [aDeployment(APPLIED, { deletionTimestamp: stamp(59) })]
    };
    expect(failedAt(parts).error.code).toBe('deploymentDeleted');
  });
});
