// SPDX-License-Identifier: BSD-3-Clause
import type { BentoFacts } from './objects';
import {
  buildBento,
  buildBentoDeployment,
  buildBentoRequest,
  withoutUnknownField
} from './objects';

const LEGACY: BentoFacts = {
  tag: 'fraud_detection:o5smnagbncigycvj',
  name: 'fraud_detection',
  bentomlVersion: '1.1.11',
  services: [],
  runners: [
    { name: 'r-0', runnableType: 'XGBoost', models: ['r-0:abc'] },
    { name: 'r-1', models: [] }
  ],
  models: [
    { tag: 'r-0:abc', registry: 'bentoml' },
    { tag: 'org--llm:123', registry: 'huggingface' }
  ]
};
const MODERN: BentoFacts = {
  tag: 'iris:v1',
  name: 'iris',
  bentomlVersion: '1.4.40',
  services: ['IrisMain', 'Scaler'],
  runners: [{ name: 'IrisMain', models: [] }],
  models: []
};
const ARCHIVE = { digest: 'ab'.repeat(32), location: 's3://b/p/x.tar' };
const URL = 'https://s3.example/b/p/x.tar?X-Amz-Signature=1';

function request(bento: BentoFacts = LEGACY) {
  return buildBentoRequest({
    namespace: 'ds',
    bento,
    downloadUrl: URL,
    archive: ARCHIVE,
    provenance: { notebook: 'work/a.ipynb', cell: 'c1', user: 'a@b.c' }
  });
}

function deployment(
  rest: Partial<Parameters<typeof buildBentoDeployment>[0]> = {}
) {
  return buildBentoDeployment({
    namespace: 'ds',
    name: 'fraud',
    bento: LEGACY,
    ...rest
  });
}

describe('buildBentoRequest', () => {
  it('is, for a bento with runners, exactly this', () => {
    expect(request()).toEqual({
      apiVersion: 'resources.yatai.ai/v1alpha1',
      kind: 'BentoRequest',
      metadata: {
        name: expect.stringMatching(
          /^fraud-detection--o5smnagbncigycvj-[0-9a-f]{8}$/
        ),
        namespace: 'ds',
        labels: { 'app.kubernetes.io/managed-by': 'jupyterlab-bento' },
        annotations: {
          'jupyterlab-bento/archive-digest': ARCHIVE.digest,
          'jupyterlab-bento/archive': 's3://b/p/x.tar',
          'jupyterlab-bento/notebook': 'work/a.ipynb',
          'jupyterlab-bento/cell': 'c1',
          'jupyterlab-bento/kubeflow-userid': 'a@b.c'
        }
      },
      spec: {
        bentoTag: 'fraud_detection:o5smnagbncigycvj',
        downloadUrl: URL,
        serviceName: 'fraud_detection',
        context: { bentomlVersion: '1.1.11' },
        runners: [
          { name: 'r-0', runnableType: 'XGBoost', modelTags: ['r-0:abc'] },
          { name: 'r-1' }
        ],
        models: [{ tag: 'r-0:abc' }],
        imageBuilderExtraPodMetadata: {
          annotations: { 'sidecar.istio.io/inject': 'false' },
          labels: { 'sidecar.istio.io/inject': 'false' }
        },
        imageBuilderContainerResources: {
          requests: { cpu: '100m', memory: '1000Mi' },
          limits: { cpu: '1', memory: '3000Mi' }
        }
      }
    });
  });

  it('never lists the services of a newer bento as runners', () => {
    const { spec } = request(MODERN);
    expect(spec).not.toHaveProperty('runners');
    expect(spec).not.toHaveProperty('models');
    expect(spec.serviceName).toBe('IrisMain');
  });

  it.each([
    ['1.0.0a7', true],
    ['1.2.0.post1.dev3+gabc', true],
    ['1.4.40', true],
    ['unknown', false],
    ['', false],
    [undefined, false]
  ])('context for BentoML %p: %p', (bentomlVersion, kept) => {
    const { spec } = request({ ...MODERN, bentomlVersion });
    expect('context' in spec).toBe(kept);
  });

  it('takes other resources for the build, GPUs under their own name', () => {
    const { spec } = buildBentoRequest({
      namespace: 'ds',
      bento: MODERN,
      downloadUrl: URL,
      archive: ARCHIVE,
      builder: { limits: { memory: '8Gi', gpu: '1' } }
    });
    expect(spec.imageBuilderContainerResources).toEqual({
      requests: { cpu: '100m', memory: '1000Mi' },
      limits: { cpu: '1', memory: '8Gi', 'nvidia.com/gpu': '1' }
    });
  });
});

describe('buildBento', () => {
  it('names the image and the runners', () => {
    const { spec, metadata } = buildBento({
      namespace: 'ds',
      bento: LEGACY,
      image: 'reg/x:1'
    });
    expect(spec).toMatchObject({ tag: LEGACY.tag, image: 'reg/x:1' });
    expect(spec.runners).toHaveLength(2);
    expect(metadata).not.toHaveProperty('annotations');
    expect(metadata.name).toBe(request().metadata.name);
  });
});

describe('buildBentoDeployment', () => {
  const defaults = {
    resources: {
      requests: { cpu: '300m', memory: '500Mi' },
      limits: { cpu: '500m', memory: '1Gi' }
    },
    autoscaling: { minReplicas: 1, maxReplicas: 1 }
  };

  it('is, without wishes, exactly this', () => {
    expect(deployment()).toEqual({
      apiVersion: 'serving.yatai.ai/v2alpha1',
      kind: 'BentoDeployment',
      metadata: {
        name: 'fraud',
        namespace: 'ds',
        labels: { 'app.kubernetes.io/managed-by': 'jupyterlab-bento' }
      },
      spec: {
        bento: request().metadata.name,
        ...defaults,
        runners: [
          { name: 'r-0', ...defaults },
          { name: 'r-1', ...defaults }
        ],
        ingress: { enabled: false }
      }
    });
  });

  it('gives a runner without wishes the scale of the API server', () => {
    const { spec } = deployment({
      apiServer: { minReplicas: 2 },
      runners: { 'r-1': { minReplicas: 1, maxReplicas: 3 } }
    });
    expect(spec.autoscaling).toEqual({ minReplicas: 2, maxReplicas: 2 });
    expect(spec.runners?.map(runner => runner.autoscaling)).toEqual([
      { minReplicas: 2, maxReplicas: 2 },
      { minReplicas: 1, maxReplicas: 3 }
    ]);
  });

  it('holds no field that is empty', () => {
    const { spec } = deployment({ bento: MODERN, envs: [] });
    expect(Object.keys(spec).sort()).toEqual([
      'autoscaling',
      'bento',
      'ingress',
      'resources'
    ]);
  });

  it.each([
    ['a minimum of 0', { minReplicas: 0 }, 'apiServer.minReplicas'],
    ['a minimum that is no number', { minReplicas: 1.5 }, '.minReplicas'],
    [
      'a maximum below the minimum',
      { minReplicas: 3, maxReplicas: 1 },
      '.maxReplicas'
    ]
  ])('refuses %s', (_what, apiServer, field) => {
    expect(() => deployment({ apiServer })).toThrow(field);
  });

  it('checks the replicas of each runner', () => {
    expect(() =>
      deployment({ runners: { 'r-1': { minReplicas: 0 } } })
    ).toThrow('runners.r-1.minReplicas');
  });

  it('refuses a runner that the bento lacks', () => {
    expect(() => deployment({ runners: { nope: {} } })).toThrow(
      'has no runner "nope"'
    );
    expect(() =>
      deployment({ bento: MODERN, runners: { IrisMain: {} } })
    ).toThrow('has no runner "IrisMain"');
  });

  it.each([
    [
      [
        { name: 'A', value: '1' },
        { name: 'A', value: '2' }
      ],
      'A is given twice'
    ],
    [[{ name: '1A', value: '1' }], '"1A" cannot name a variable']
  ])('refuses variables that the operator would drop', (envs, text) => {
    expect(() => deployment({ envs })).toThrow(text);
  });
});

describe('withoutUnknownField', () => {
  it('leaves out what nothing depends on, and nothing else', () => {
    const object = request();
    const smaller = withoutUnknownField(
      object,
      'strict decoding error: unknown field "spec.serviceName"'
    );
    expect(smaller?.spec).not.toHaveProperty('serviceName');
    expect(smaller?.spec).toHaveProperty('bentoTag');
    expect(
      withoutUnknownField(object, 'unknown field "spec.downloadUrl"')
    ).toBeUndefined();
    expect(
      smaller &&
        withoutUnknownField(smaller, 'unknown field "spec.serviceName"')
    ).toBeUndefined();
  });
});
