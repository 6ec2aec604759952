// SPDX-License-Identifier: BSD-3-Clause
import { BentoError } from '../../domain/errors';
import {
  ANNOTATIONS,
  type BentoFacts,
  buildBentoDeployment
} from '../../domain/objects';
import { ApiFailure } from './apiErrors';
import type { KubeClient } from './client';
import {
  type Preflight,
  type PreflightOptions,
  runPreflight
} from './preflight';

const OURS = { 'app.kubernetes.io/managed-by': 'jupyterlab-bento' };
const DIGEST = 'ab'.repeat(32);
const BENTO: BentoFacts = {
  tag: 'iris:v1',
  name: 'iris',
  services: [],
  runners: [{ name: 'clf', models: [] }],
  models: []
};

const RESOURCES = '/apis/resources.yatai.ai/v1alpha1';
const SERVING = '/apis/serving.yatai.ai/v2alpha1';
const REQUEST = `${RESOURCES}/namespaces/ds/bentorequests/iris--v1`;
const MADE = `${RESOURCES}/namespaces/ds/bentoes/iris--v1`;
const DEPLOYMENT = `${SERVING}/namespaces/ds/bentodeployments/iris`;
const WORKLOAD = '/apis/apps/v1/namespaces/ds/deployments/iris';
const RUNNER = '/apis/apps/v1/namespaces/ds/deployments/iris-runner-0';
const SERVICE = '/api/v1/namespaces/ds/services/iris';
const JOBS = '/apis/batch/v1/namespaces/ds/jobs';
const PODS = '/api/v1/namespaces/ds/pods';
const QUOTAS = '/api/v1/namespaces/ds/resourcequotas';

/** What the API server holds: objects and lists by path. */
type Cluster = Record<string, unknown>;

const INSTALLED: Cluster = {
  [RESOURCES]: {
    resources: [{ name: 'bentorequests' }, { name: 'bentoes' }]
  },
  [SERVING]: { resources: [{ name: 'bentodeployments' }] }
};

interface Faults {
  /** Rights that are missing, as `verb resource`. */
  denied?: string[];
  /** Paths that answer 403. */
  forbidden?: string[];
}

/** A client of an API server that holds just these objects. */
function clientOf(
  cluster: Cluster,
  { denied = [], forbidden = [] }: Faults
): KubeClient {
  const read = (path: string): unknown => {
    if (forbidden.includes(path)) {
      const params = { verb: 'get', resource: path, namespace: 'ds' };
      throw new BentoError('forbidden', { params });
    }
    if (!(path in cluster)) {
      throw new BentoError('notFound', {
        params: { what: path, hint: '' },
        cause: new ApiFailure(404, 'NotFound', '')
      });
    }
    return cluster[path];
  };
  const client = {
    get: async (path: string) => read(path),
    list: async (path: string, { keep }: { keep(raw: unknown): unknown }) => {
      const items = forbidden.includes(path) ? read(path) : cluster[path];
      return { items: ((items ?? []) as unknown[]).map(keep) };
    },
    create: async (
      _path: string,
      body: {
        spec: { resourceAttributes: { verb: string; resource: string } };
      }
    ) => {
      const { verb, resource } = body.spec.resourceAttributes;
      return { status: { allowed: !denied.includes(`${verb} ${resource}`) } };
    }
  };
  return client as unknown as KubeClient;
}

function run(
  cluster: Cluster = {},
  options: Partial<PreflightOptions> & Faults = {}
): Promise<Preflight> {
  const { denied, forbidden, ...rest } = options;
  return runPreflight({
    client: clientOf({ ...INSTALLED, ...cluster }, { denied, forbidden }),
    namespace: 'ds',
    name: 'iris',
    bento: BENTO,
    deployment: buildBentoDeployment({
      namespace: 'ds',
      name: 'iris',
      bento: BENTO
    }),
    digest: async () => DIGEST,
    ...rest
  });
}

async function codeOf(
  cluster: Cluster,
  options: Partial<PreflightOptions> & Faults = {}
): Promise<string> {
  const error = await run(cluster, options).catch((thrown: unknown) => thrown);
  if (!(error instanceof BentoError)) {
    throw new Error('nothing was thrown', { cause: error });
  }
  expect(error.message).not.toMatch(/\{\w+\}/);
  return error.code;
}

function object(
  name: string,
  rest: object = {},
  metadata: object = {}
): object {
  return {
    metadata: { name, namespace: 'ds', uid: name, ...metadata },
    ...rest
  };
}

function requestWith(digest: string | undefined, tag = 'iris:v1'): object {
  const annotations =
    digest === undefined ? {} : { [ANNOTATIONS.digest]: digest };
  return object(
    'iris--v1',
    { spec: { bentoTag: tag }, status: { conditions: [] } },
    { uid: 'r', labels: OURS, annotations }
  );
}

function bentoWith(image: string): object {
  return object('iris--v1', { spec: { tag: 'iris:v1', image } });
}

function owned(kind: string, name: string): object {
  return object('x', {}, { ownerReferences: [{ kind, name, uid: 'u' }] });
}

describe('preflight', () => {
  it('lets a first deploy pass', async () => {
    expect(await run()).toEqual({
      notes: [],
      reuseRequest: false,
      replaceRequest: false
    });
  });

  it('does not read the bento when there is nothing to compare it with', async () => {
    const digest = jest.fn(async () => DIGEST);
    await run({}, { digest });
    expect(digest).not.toHaveBeenCalled();
  });

  it.each([
    ['no CRDs', RESOURCES, 'crdMissing'],
    ['no BentoDeployment', SERVING, 'crdMissing']
  ])('%s', async (_what, path, code) => {
    expect(await codeOf({ [path]: { resources: [] } })).toBe(code);
  });

  it('names all rights that are needed and missing', async () => {
    const denied = ['create bentorequests', 'watch pods', 'list events'];
    const error = await run({}, { denied }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'missingRights',
      params: {
        namespace: 'ds',
        rights: 'watch pods, create bentorequests.resources.yatai.ai'
      }
    });
  });

  it('needs only the rights of the way that is taken', async () => {
    const denied = ['create bentoes'];
    await expect(run({}, { denied })).resolves.toBeDefined();
    expect(await codeOf({}, { denied, image: 'reg/x:1' })).toBe(
      'missingRights'
    );
  });

  it('says what is missed without the others', async () => {
    const { notes } = await run({}, { denied: ['list events'] });
    expect(notes).toEqual([
      'Without the right to list events, causes that stand in events only are not found.'
    ]);
  });

  it.each<[string, Cluster, string]>([
    [
      'a BentoDeployment of someone else',
      { [DEPLOYMENT]: object('iris', { spec: { bento: 'x' } }) },
      'notOurs'
    ],
    [
      'the Service of a notebook',
      { [SERVICE]: owned('StatefulSet', 'iris') },
      'nameCollision'
    ],
    [
      'a Service that nobody owns',
      { [SERVICE]: object('iris') },
      'nameCollision'
    ],
    [
      'a Deployment of someone else',
      { [WORKLOAD]: object('iris') },
      'nameCollision'
    ],
    [
      'a Deployment where a runner goes',
      { [RUNNER]: owned('BentoDeployment', 'iris-runner-0') },
      'nameCollision'
    ],
    [
      'a BentoRequest of someone else',
      { [REQUEST]: requestWith(undefined) },
      'requestNotOurs'
    ],
    [
      'a BentoRequest of another tag',
      { [REQUEST]: requestWith(DIGEST, 'iris:v2') },
      'requestNotOurs'
    ],
    [
      'the tag with other content',
      { [REQUEST]: requestWith('cd'.repeat(32)) },
      'sameTagOtherContent'
    ],
    [
      'a Bento without a BentoRequest',
      { [MADE]: bentoWith('reg/x:1') },
      'bentoExists'
    ]
  ])('refuses %s', async (_what, cluster, code) => {
    expect(await codeOf(cluster)).toBe(code);
  });

  it('takes what the operator made for the deployment itself', async () => {
    const ours = owned('BentoDeployment', 'iris');
    await expect(
      run({
        [DEPLOYMENT]: object(
          'iris',
          { spec: { bento: 'iris--v1' } },
          { labels: OURS }
        ),
        [SERVICE]: ours,
        [WORKLOAD]: ours,
        [RUNNER]: ours
      })
    ).resolves.toMatchObject({ notes: [] });
  });

  it('says when a deployment will serve something else', async () => {
    const { notes } = await run({
      [DEPLOYMENT]: object(
        'iris',
        { spec: { bento: 'iris--v0' } },
        { labels: OURS }
      )
    });
    expect(notes[0]).toContain('serves iris--v0 now and will serve iris--v1');
  });

  describe('the same content again', () => {
    const again = { [REQUEST]: requestWith(DIGEST) };
    const owner = {
      labels: {
        'yatai.ai/is-bento-image-builder': 'true',
        'yatai.ai/bento-request': 'iris--v1'
      },
      ownerReferences: [{ kind: 'BentoRequest', name: 'iris--v1', uid: 'r' }]
    };

    it.each<[string, Cluster, Partial<Preflight>]>([
      ['built', { [MADE]: bentoWith('x') }, { reuseRequest: true }],
      [
        'under way',
        { [JOBS]: [object('j', { status: { active: 1 } }, owner)] },
        { reuseRequest: true }
      ],
      [
        'failed',
        {
          [JOBS]: [
            object(
              'j',
              { status: { conditions: [{ type: 'Failed', status: 'True' }] } },
              owner
            )
          ]
        },
        { reuseRequest: false, replaceRequest: true }
      ],
      [
        'failing',
        { [JOBS]: [object('j', { status: { failed: 2 } }, owner)] },
        { replaceRequest: true }
      ],
      [
        'failed in a bare pod',
        { [PODS]: [object('p', { status: { phase: 'Failed' } }, owner)] },
        { replaceRequest: true }
      ]
    ])('%s', async (_what, cluster, expected) => {
      expect(await run({ ...again, ...cluster })).toMatchObject(expected);
    });
  });

  describe('an image that exists', () => {
    const image = 'reg/x:1';

    it.each<[string, Cluster]>([
      ['nothing there', {}],
      ['the same Bento there', { [MADE]: bentoWith(image) }],
      [
        'built by the image builder',
        { [MADE]: bentoWith(image), [REQUEST]: requestWith(DIGEST) }
      ]
    ])('passes with %s', async (_what, cluster) => {
      expect(await run(cluster, { image })).toMatchObject({
        reuseRequest: false
      });
    });

    it.each<[string, Cluster, string]>([
      [
        'another image under the tag',
        { [MADE]: bentoWith('reg/x:2') },
        'bentoExists'
      ],
      [
        'a build under way',
        { [REQUEST]: requestWith(DIGEST) },
        'sameTagOtherContent'
      ]
    ])('is refused with %s', async (_what, cluster, code) => {
      expect(await codeOf(cluster, { image })).toBe(code);
    });
  });

  describe('quota', () => {
    const quota = (hard: object, used: object, spec: object = {}) => ({
      [QUOTAS]: [object('kf-resource-quota', { spec, status: { hard, used } })]
    });

    it('refuses what can never fit', async () => {
      expect(await codeOf(quota({ 'limits.memory': '1Gi' }, {}))).toBe(
        'quotaExceeded'
      );
    });

    it('notes what is short just now', async () => {
      const { notes } = await run(
        quota({ 'limits.cpu': '4' }, { 'limits.cpu': '3900m' })
      );
      expect(notes[0]).toMatch(/kf-resource-quota may be too small: \d+m of/);
    });

    it('leaves out quotas that may not be about these pods', async () => {
      const scoped = quota({ pods: '0' }, {}, { scopes: ['BestEffort'] });
      expect((await run(scoped)).notes).toEqual([]);
    });

    it('says when they may not be read', async () => {
      const { notes } = await run({}, { forbidden: [QUOTAS] });
      expect(notes[0]).toMatch(/^Not checked: /);
    });
  });
});
