// SPDX-License-Identifier: BSD-3-Clause
import { deployment as schema, type Operation } from '../protocol';
import { deploymentViews, type ViewOptions } from './chain';
import type { Snapshot } from './kube';
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
  ended,
  IMAGE,
  meta,
  NAME,
  runningSince,
  said,
  servingParts,
  servingPod,
  snapshotOf,
  stamp,
  STARTED,
  TAG,
  WAITING,
  workload
} from './testObjects';

function views(parts: Partial<Snapshot>, options: Partial<ViewOptions> = {}) {
  return deploymentViews(snapshotOf(parts), {
    now: at(60),
    notPickedUpSeconds: 30,
    ...options
  });
}

/** BentoRequests of TAG are named by hand in these tests; this tag's name is computed. */
const PLAIN = 'iris:v1';

function operation(rest: Partial<Operation> = {}): Operation {
  return {
    id: '1',
    kind: 'deploy',
    state: 'running',
    tag: PLAIN,
    namespace: 'ds',
    name: 'iris',
    startedAt: stamp(0),
    notes: [],
    stages: [
      { stage: 'preflight', state: 'done', startedAt: stamp(0), ms: 120 },
      { stage: 'export', state: 'running', startedAt: stamp(1) }
    ],
    ...rest
  };
}

function plainRequest(labels: Record<string, string> = {}) {
  return {
    metadata: meta('BentoRequest', 'iris--v1', { labels }),
    spec: { bentoTag: PLAIN, runners: [], models: [] },
    conditions: STARTED
  };
}

describe('rows', () => {
  it('are one per BentoDeployment, as the protocol has them', () => {
    const [view, ...more] = views(servingParts('complete'));
    expect(more).toEqual([]);
    expect(schema.parse(view)).toEqual(view);
    expect(view).toMatchObject({
      namespace: 'ds',
      name: NAME,
      state: 'ready',
      tag: TAG,
      bento: BENTO,
      image: IMAGE,
      managed: true,
      createdAt: stamp(1),
      since: stamp(50),
      replicas: { ready: 3, wanted: 3 },
      findings: []
    });
    expect(view?.pods.map(({ role, ready }) => [role, ready])).toEqual([
      ['api-server', true],
      ['runner', true],
      ['runner', true]
    ]);
  });

  it('show the pods of the build while it lasts', () => {
    const [view] = views({
      bentoRequests: [aRequest(BUILDING)],
      bentoDeployments: [aDeployment(WAITING)],
      jobs: [aJob()],
      pods: [builderPod('Failed', { downloader: ended(22) })]
    });
    expect(view?.pods).toMatchObject([
      {
        role: 'builder',
        phase: 'Failed',
        containers: [
          {
            name: 'bento-downloader',
            init: true,
            state: 'terminated',
            exitCode: 22
          },
          { name: 'builder', init: false, state: 'waiting' }
        ]
      }
    ]);
  });

  it('are there for a BentoRequest that was made here and that nobody uses', () => {
    expect(
      views({ bentoRequests: [aRequest(STARTED)] }).map(view => [
        view.name,
        view.state
      ])
    ).toEqual([[BENTO, 'checking']]);
    expect(views({ bentoRequests: [plainRequest()] })).toEqual([]);
    expect(
      views({
        bentoRequests: [aRequest(STARTED)],
        bentoDeployments: [aDeployment(WAITING)]
      })
    ).toHaveLength(1);
  });

  it('are there for an operation, under its name, from the first moment on', () => {
    const operations = [operation()];
    const [exporting] = views({}, { operations });
    expect(schema.parse(exporting)).toEqual(exporting);
    expect(exporting).toMatchObject({
      name: 'iris',
      state: 'exporting',
      tag: PLAIN,
      createdAt: stamp(0)
    });
    const between = views({ bentoRequests: [plainRequest()] }, { operations });
    expect(between).toMatchObject([{ name: 'iris', state: 'checking' }]);
  });

  it.each([
    ['in another namespace', operation({ namespace: 'other' })],
    ['that has ended', operation({ state: 'failed' })],
    ['that only exports', operation({ kind: 'export' })]
  ])('are not there for an operation %s', (_what, one) => {
    expect(views({}, { operations: [one] })).toEqual([]);
  });

  it('sort by name, and a deployment wins over a request of its name', () => {
    const twin = {
      ...plainRequest({ 'app.kubernetes.io/managed-by': 'jupyterlab-bento' }),
      metadata: meta('BentoRequest', NAME, {
        labels: { 'app.kubernetes.io/managed-by': 'jupyterlab-bento' }
      })
    };
    const rows = views(
      {
        ...servingParts('complete'),
        bentoRequests: [aRequest(BUILDING), twin]
      },
      { operations: [operation({ name: 'a-first' })] }
    );
    expect(rows.map(view => [view.name, view.state])).toEqual([
      ['a-first', 'exporting'],
      [NAME, 'ready']
    ]);
  });

  it('are not called ours without our label', () => {
    const [view] = views({
      bentoDeployments: [aDeployment(WAITING, { labels: {} })]
    });
    expect(view?.managed).toBe(false);
  });
});

describe('since', () => {
  const building = {
    bentoRequests: [aRequest(BUILDING)],
    bentoDeployments: [aDeployment(WAITING)],
    jobs: [aJob()],
    pods: [
      builderPod('Running', { downloader: ended(0), builder: runningSince(12) })
    ]
  };

  it('is what the objects tell, at first sight', () => {
    expect(views(building)[0]?.since).toBe(stamp(12));
    expect(views(building, { now: at(900) })[0]?.since).toBe(stamp(12));
  });

  it('stays while the state does and moves when it is seen to change', () => {
    const first = views(building, { now: at(20) });
    const second = views(
      { ...building, bentoRequests: [aRequest(STARTED)] },
      { now: at(30), previous: first }
    );
    expect(second[0]?.since).toBe(first[0]?.since);
    const third = views(servingParts('complete'), {
      now: at(70),
      previous: second
    });
    expect(third[0]?.since).toBe(new Date(at(70)).toISOString());
  });
});

describe('stages', () => {
  const table = (parts: Partial<Snapshot>, options?: Partial<ViewOptions>) =>
    Object.fromEntries(
      (views(parts, options)[0]?.stages ?? []).map(
        ({ stage, state, ms, note }) => [stage, [state, ms, note]]
      )
    );

  it('come from the objects', () => {
    expect(table(servingParts('complete'))).toEqual({
      preflight: ['done', undefined, undefined],
      export: ['done', undefined, undefined],
      request: ['done', 0, undefined],
      build: ['done', 40_000, undefined],
      ready: ['done', 10_000, undefined]
    });
  });

  it('preflight and export come from the operation', () => {
    const operations = [
      operation({
        tag: TAG,
        name: NAME,
        state: 'done',
        stages: [
          { stage: 'preflight', state: 'done', ms: 120 },
          { stage: 'export', state: 'done', ms: 900 }
        ]
      })
    ];
    expect(table(servingParts('complete'), { operations })).toMatchObject({
      preflight: ['done', 120, undefined],
      export: ['done', 900, undefined]
    });
  });

  it('say what they wait for', () => {
    expect(
      table(
        {
          bentoRequests: [aRequest()],
          bentoDeployments: [aDeployment()]
        },
        { now: at(45) }
      )
    ).toMatchObject({
      request: ['running', undefined, 'notPickedUp'],
      build: ['pending', undefined, undefined],
      ready: ['pending', undefined, undefined]
    });
    expect(
      table({
        bentoRequests: [aRequest(BUILDING)],
        bentoDeployments: [aDeployment(WAITING)],
        jobs: [aJob()]
      })
    ).toMatchObject({ build: ['running', undefined, 'queued'] });
    expect(table(servingParts('rolling'))).toMatchObject({
      ready: ['running', undefined, 'deploying']
    });
  });

  it('say when the build failed', () => {
    expect(
      table({
        bentoRequests: [aRequest(BUILDING)],
        bentoDeployments: [aDeployment(WAITING)],
        jobs: [
          aJob({
            conditions: [
              { type: 'Failed', status: 'True', lastTransitionTime: stamp(25) }
            ]
          })
        ]
      })
    ).toMatchObject({
      build: ['failed', 25_000, undefined],
      ready: ['pending', undefined, undefined]
    });
  });

  it('are skipped for an image that was given', () => {
    const bento = aBento(['a', 'b'], { ownerReferences: [] });
    expect(
      table({
        ...servingParts('complete'),
        bentoRequests: [],
        bentoes: [bento]
      })
    ).toMatchObject({
      export: ['skipped', undefined, 'an image was given'],
      request: ['skipped', undefined, 'an image was given'],
      build: ['skipped', undefined, 'an image was given'],
      ready: ['done', 10_000, undefined]
    });
  });

  it('count a later rollout from its own first pod', () => {
    const names = [NAME, `${NAME}-runner-0`, `${NAME}-runner-1`];
    const late = { creationTimestamp: stamp(45) };
    expect(
      table({
        ...servingParts('complete'),
        deployments: names.map(name =>
          workload(name, 'complete', { revision: 2 })
        ),
        pods: names.map(name => {
          const pod = servingPod(name);
          return { ...pod, metadata: { ...pod.metadata, ...late } };
        })
      })
    ).toMatchObject({ ready: ['done', 5000, undefined] });
  });

  it('a recovery does not change how long it took to become ready', () => {
    const names = [NAME, `${NAME}-runner-0`, `${NAME}-runner-1`];
    const healed = names.map(name => {
      const one = workload(name, 'complete');
      return {
        ...one,
        conditions: one.conditions.map(condition =>
          condition.type === 'Available'
            ? { ...condition, lastTransitionTime: stamp(5000) }
            : condition
        )
      };
    });
    expect(
      table({ ...servingParts('complete'), deployments: healed })
    ).toMatchObject({ ready: ['done', 10_000, undefined] });
  });
});

describe('replicas', () => {
  it('count ready pods of the version that is asked for', () => {
    const old = servingPod(NAME, undefined, { version: 'old', name: 'old-1' });
    const [view] = views({
      ...servingParts('rolling'),
      bentoDeployments: [aDeployment(APPLIED)],
      pods: [old, servingPod(`${NAME}-runner-0`)]
    });
    expect(view?.replicas).toEqual({ ready: 1, wanted: 3 });
  });

  it('count what serves while the Bento is missing', () => {
    const [view] = views({
      ...servingParts('complete'),
      bentoes: [],
      bentoRequests: [],
      bentoDeployments: [aDeployment([said('BentoFound', 'False', 'x')])]
    });
    expect(view?.replicas).toEqual({ ready: 3, wanted: 3 });
  });
});
