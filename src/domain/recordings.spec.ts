// SPDX-License-Identifier: BSD-3-Clause
// What watches of a real API server delivered while the real operators worked,
// replayed event by event. The recordings are no part of the project; without
// them these tests are skipped.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  keepBento,
  keepBentoDeployment,
  keepBentoRequest,
  keepDeployment,
  keepEvent,
  keepJob,
  keepPod
} from '../bridge/cluster/keep';
import type { Deployment, State } from '../protocol';
import { deploymentViews } from './chain';
import type { Snapshot } from './kube';
import { MANAGED_LABEL, MANAGER } from './objects';
import { outcome, type Patience } from './outcome';

const HOME = join(
  process.env.BENTO_REFERENCE_DIR ?? resolve(__dirname, '../../../shared'),
  'recordings'
);
const describeReplay = existsSync(HOME) ? describe : describe.skip;

/** How far time moves at once while nothing happens, in milliseconds. */
const TICK = 5000;

type ListName = keyof Omit<Snapshot, 'namespace'>;

interface Line {
  t_ms: number;
  verb: 'INITIAL' | 'ADDED' | 'MODIFIED' | 'DELETED';
  object: {
    kind: string;
    metadata: {
      uid: string;
      namespace: string;
      creationTimestamp: string;
      labels?: Record<string, string>;
    };
    spec?: unknown;
  };
}

const KEPT: Record<string, [ListName, (raw: unknown) => object]> = {
  BentoRequest: ['bentoRequests', keepBentoRequest],
  Bento: ['bentoes', keepBento],
  BentoDeployment: ['bentoDeployments', keepBentoDeployment],
  Job: ['jobs', keepJob],
  Pod: ['pods', keepPod],
  Deployment: ['deployments', keepDeployment],
  Event: ['events', keepEvent]
};

/** What one deployment went through. */
interface Story {
  states: State[];
  /** Codes of all findings that were ever shown. */
  codes: Set<string>;
  last: Deployment;
  /** How the first wait for it ended, and in which second. */
  ended?: { kind: string; code?: string; cause?: string; second: number };
}

function readLines(scenario: string): Line[] {
  const specs = new Map<string, unknown>();
  return ['initial.jsonl', 'watch.jsonl']
    .map(file => join(HOME, scenario, file))
    .filter(existsSync)
    .flatMap(file => readFileSync(file, 'utf8').trim().split('\n'))
    .map(text => {
      const line = JSON.parse(text) as Line;
      const { object } = line;
      // The spec is written out only where it differs from the line before.
      if (object.spec === '$prev') {
        object.spec = specs.get(object.metadata.uid);
      }
      specs.set(object.metadata.uid, object.spec);
      return line;
    })
    .filter(line => line.object.kind in KEPT);
}

class Replay {
  readonly stories = new Map<string, Story>();
  views: Deployment[] = [];
  private readonly objects = new Map<string, [ListName, object]>();
  private readonly waits = new Map<string, Patience>();
  private namespace = '';
  private now: number;

  constructor(private readonly base: number) {
    this.now = base;
  }

  apply({ t_ms, verb, object }: Line): void {
    this.passUntil(this.base + t_ms);
    const { uid, namespace } = object.metadata;
    this.namespace = namespace;
    const [list, keep] = KEPT[object.kind] as (typeof KEPT)[string];
    if (verb === 'DELETED') {
      this.objects.delete(uid);
    } else {
      if (object.kind === 'BentoRequest') {
        // As if it had been made here, so that it has a row of its own.
        object.metadata.labels = {
          ...object.metadata.labels,
          [MANAGED_LABEL]: MANAGER
        };
      }
      this.objects.set(uid, [list, keep(object)]);
    }
    // What was there before makes up one first look.
    if (verb !== 'INITIAL') {
      this.look();
    }
  }

  /** Lets time pass in steps, as the bridge looks again without an event. */
  passUntil(moment: number): void {
    while (this.now + TICK < moment) {
      this.now += TICK;
      this.look();
    }
    this.now = Math.max(this.now, moment);
  }

  /** The views as a bridge sees them that starts now. */
  fresh(): Deployment[] {
    return deploymentViews(this.snapshot(), {
      now: this.now,
      notPickedUpSeconds: 30
    });
  }

  private look(): void {
    const before = this.views;
    this.views = deploymentViews(this.snapshot(), {
      now: this.now,
      notPickedUpSeconds: 30,
      previous: before
    });
    this.views.forEach(view => {
      const same = before.find(one => one.name === view.name);
      if (same?.state === view.state) {
        expect(view.since).toBe(same.since);
      }
      this.tell(view);
    });
  }

  private tell(view: Deployment): void {
    const story = this.stories.get(view.name) ?? {
      states: [],
      codes: new Set(),
      last: view
    };
    this.stories.set(view.name, story);
    if (story.states.at(-1) !== view.state) {
      story.states.push(view.state);
    }
    view.findings.forEach(finding => story.codes.add(finding.code));
    story.last = view;
    const patience = this.waits.get(view.name) ?? new Map<string, number>();
    this.waits.set(view.name, patience);
    const result = outcome(view, patience, this.now);
    if (result.kind !== 'pending' && !story.ended) {
      story.ended = {
        kind: result.kind,
        second: Math.round((this.now - this.base) / 1000),
        ...(result.kind === 'failed'
          ? { code: result.error.code, cause: result.cause?.code }
          : {})
      };
    }
  }

  private snapshot(): Snapshot {
    const snapshot: Snapshot = {
      namespace: this.namespace,
      bentoRequests: [],
      bentoes: [],
      bentoDeployments: [],
      jobs: [],
      pods: [],
      deployments: [],
      events: []
    };
    for (const [list, object] of this.objects.values()) {
      (snapshot[list] as object[]).push(object);
    }
    return snapshot;
  }
}

function replay(scenario: string, seconds = 0): Replay {
  const lines = readLines(scenario);
  const base = Math.max(
    ...lines
      .filter(line => line.verb === 'ADDED' || line.verb === 'INITIAL')
      .map(
        line => Date.parse(line.object.metadata.creationTimestamp) - line.t_ms
      )
  );
  const played = new Replay(base);
  lines.forEach(line => played.apply(line));
  played.passUntil(base + seconds * 1000);
  return played;
}

const BUILD: State[] = [
  'requested',
  'checking',
  'queued',
  'downloading',
  'building'
];
const SERVE: State[] = ['built', 'deploying', 'ready'];

interface Expected {
  states: State[];
  /** Codes of all findings ever shown; none when absent. */
  codes?: string[];
  ended?: Partial<Story['ended']>;
}

const READY = { kind: 'ready' };

/** Scenario → seconds to go on after its last event → deployments. */
const SCENARIOS: [string, number, Record<string, Expected>][] = [
  [
    '01-bentorequest-happy',
    740,
    {
      'fraud-detection': {
        states: [...BUILD, ...SERVE],
        codes: ['waitsForIngress'],
        ended: READY
      },
      'blocked-second': {
        states: ['built', 'notPickedUp'],
        codes: ['operatorBusy'],
        ended: { kind: 'failed', code: 'notPickedUp' }
      }
    }
  ],
  [
    '01b-bentorequest-happy-with-ingress-ip',
    0,
    { 'fraud-detection': { states: [...BUILD, ...SERVE], ended: READY } }
  ],
  [
    '01c-bentorequest-happy-domain-suffix-set',
    0,
    {
      'fraud-detection-c': {
        states: [...BUILD, ...SERVE],
        ended: { ...READY, second: 44 }
      }
    }
  ],
  [
    '02-prebuilt-bento',
    0,
    { 'fraud-prebuilt2': { states: SERVE, ended: READY } }
  ],
  [
    '03-download-403',
    0,
    {
      'dl-403': {
        states: [...BUILD.slice(0, 4), 'attemptFailed', 'buildFailed'],
        codes: ['downloadFailed'],
        // The BentoRequest says so after 664 seconds only.
        ended: {
          kind: 'failed',
          code: 'buildFailed',
          cause: 'downloadFailed',
          second: 7
        }
      }
    }
  ],
  [
    '03b-download-403-then-url-fixed',
    0,
    {
      'dl-fixed': {
        states: [
          ...BUILD.slice(0, 4),
          'attemptFailed',
          'checking',
          'queued',
          'downloading',
          'building',
          ...SERVE
        ],
        codes: ['downloadRefused'],
        ended: { kind: 'failed', cause: 'downloadRefused' }
      }
    }
  ],
  [
    '04-build-failure',
    0,
    {
      'build-fail': {
        states: [
          ...BUILD,
          'attemptFailed',
          'buildFailed',
          'queued',
          'downloading',
          'building',
          ...SERVE
        ],
        codes: ['imageBuildFailed', 'jobFailed'],
        ended: { kind: 'failed', cause: 'imageBuildFailed', second: 14 }
      }
    }
  ],
  [
    '04c-builder-imagepullbackoff',
    0,
    {
      'build-pull': {
        states: ['requested', 'checking', 'queued', 'requested'],
        codes: ['builderImagePull', 'bentoMissing'],
        ended: { kind: 'failed', cause: 'builderImagePull' }
      }
    }
  ],
  [
    '04d-build-timeout',
    0,
    {
      'build-timeout': {
        states: [...BUILD, 'requested'],
        codes: ['bentoMissing']
      }
    }
  ],
  [
    '05-builder-unschedulable',
    0,
    {
      'build-unsched2': {
        states: ['requested', 'checking', 'queued', 'requested'],
        codes: ['unschedulable', 'bentoMissing']
      }
    }
  ],
  [
    '06-bento-missing-then-appears',
    0,
    {
      'late-bento2': {
        states: ['requested', ...SERVE],
        codes: ['bentoMissing'],
        ended: { kind: 'failed', cause: 'bentoMissing' }
      }
    }
  ],
  [
    '07-runner-names-mismatch',
    0,
    {
      mismatch2: {
        states: SERVE,
        codes: ['runnerIgnored', 'runnerDefaults'],
        ended: READY
      }
    }
  ],
  [
    '08-rollout-new-bento',
    0,
    {
      rollout2: {
        states: [
          ...SERVE,
          'rollingOut',
          'ready',
          'degraded',
          'rollingOut',
          'ready'
        ],
        codes: ['bentoMissing', 'surplusRunner'],
        ended: READY
      }
    }
  ],
  ['09-delete-bd-then-br', 0, { 'fraud-detection': { states: ['built'] } }],
  [
    '10-custom-envfrom-models-presigned',
    0,
    { 'custom-src': { states: [...BUILD, ...SERVE], ended: READY } }
  ],
  [
    '11-unwatched-namespace',
    0,
    {
      elsewhere: {
        states: [...BUILD, 'built', 'notPickedUp', 'built'],
        codes: ['namespaceNotWatched'],
        ended: {
          kind: 'failed',
          code: 'notPickedUp',
          cause: 'namespaceNotWatched'
        }
      }
    }
  ],
  [
    '12-bentoml-1.4-no-runners',
    0,
    { v14: { states: [...BUILD, ...SERVE], ended: READY } }
  ],
  [
    '14-odd-names',
    0,
    {
      odd: {
        states: ['built', 'deploying', 'failed'],
        codes: ['deployRefused'],
        ended: { kind: 'failed', code: 'deployFailed' }
      },
      ['n'.repeat(64)]: {
        states: ['built', 'failed'],
        codes: ['deployRefused'],
        ended: { kind: 'failed', code: 'deployFailed' }
      },
      'has.dot': {
        states: ['built', 'deploying', 'ready'],
        codes: ['deployRefused'],
        ended: { kind: 'failed', code: 'deployFailed' }
      },
      notag: { states: ['requested', 'checking', 'queued'] },
      upper: { states: ['requested', 'checking', 'queued'] },
      nourl: {
        states: ['requested', 'checking'],
        codes: ['downloadUrlMissing'],
        ended: { kind: 'failed', cause: 'downloadUrlMissing' }
      }
    }
  ],
  [
    '15-image-builder-1.2.56',
    0,
    {
      ib56: {
        // The Bento was deleted; an older image builder made it anew later.
        states: [...BUILD, ...SERVE, 'degraded', 'checking', 'ready'],
        codes: ['bentoGone'],
        ended: READY
      },
      'ib56-fail': {
        states: [...BUILD, 'attemptFailed', 'buildFailed'],
        codes: ['imageBuildFailed'],
        ended: { kind: 'failed', code: 'buildFailed' }
      }
    }
  ],
  [
    '16-image-builder-1.1.3-pod-based',
    0,
    {
      ibold: { states: [...BUILD, 'built'] },
      'ibold-fail': {
        states: [...BUILD, 'buildFailed'],
        codes: ['imageBuildFailed'],
        ended: { kind: 'failed', code: 'buildFailed' }
      }
    }
  ],
  [
    '16b-kubeflow-1.7-1.8-pair-on-k8s-1.24',
    0,
    {
      // The operator was replaced at the end, which started a rollout.
      old: { states: [...BUILD, ...SERVE, 'rollingOut'], ended: READY },
      'old-fail': {
        states: [...BUILD, 'buildFailed'],
        codes: ['imageBuildFailed'],
        ended: { kind: 'failed', code: 'buildFailed' }
      }
    }
  ],
  [
    '17-current-operators-on-k8s-1.24',
    0,
    {
      k24: { states: [...BUILD, ...SERVE], ended: READY },
      'k24-fail': {
        states: [...BUILD, 'attemptFailed'],
        codes: ['imageBuildFailed'],
        ended: { kind: 'failed', cause: 'imageBuildFailed', second: 43 }
      }
    }
  ]
];

describeReplay(
  'recordings of the real operators (skipped without them)',
  () => {
    it.each(SCENARIOS)('%s', (scenario, seconds, expected) => {
      const played = replay(scenario, seconds);
      const told = Object.fromEntries(
        [...played.stories].map(([name, { states, codes, ended }]) => [
          name,
          { states, codes: [...codes].sort(), ended }
        ])
      );
      expect(told).toEqual(
        Object.fromEntries(
          Object.entries(expected).map(([name, { states, codes, ended }]) => [
            name,
            {
              states,
              codes: [...(codes ?? [])].sort(),
              ended: ended && expect.objectContaining(ended)
            }
          ])
        )
      );
    });

    it.each(SCENARIOS)('%s: a reload shows the same', scenario => {
      const played = replay(scenario);
      const show = ({ name, state, stages, pods }: Deployment) => ({
        name,
        state,
        stages,
        pods
      });
      expect(played.fresh().map(show)).toEqual(played.views.map(show));
    });

    it('tells the durations of the stages', () => {
      const { stories } = replay('01c-bentorequest-happy-domain-suffix-set');
      const stages = stories.get('fraud-detection-c')?.last.stages ?? [];
      expect(stages.map(({ stage, state, ms }) => [stage, state, ms])).toEqual([
        ['preflight', 'done', undefined],
        ['export', 'done', undefined],
        ['request', 'done', 0],
        ['build', 'done', 34_000],
        ['ready', 'done', 10_000]
      ]);
    });
  }
);
