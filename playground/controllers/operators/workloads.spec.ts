// SPDX-License-Identifier: BSD-3-Clause
import { stored } from '../testing/worlds';
import { containerResources } from './component';
import { halfOfMemory } from './quantities';
import type { Bento, BentoDeploymentSpec } from './types';
import { desiredObjects } from './workloads';

interface Container {
  name: string;
  args?: string[];
  env: { name: string; value: string }[];
  ports: { containerPort: number }[];
  resources: { limits: Record<string, string> };
  readinessProbe: object;
}

interface PodTemplate {
  metadata: { labels: Record<string, string> };
  spec: {
    containers: Container[];
    serviceAccountName: string;
    volumes: unknown;
  };
}

function made(
  spec: Partial<BentoDeploymentSpec>,
  runners: string[] = [],
  name = 'd'
): Map<string, { spec?: unknown }> {
  const deployment = stored({
    apiVersion: 'serving.yatai.ai/v2alpha1',
    kind: 'BentoDeployment',
    metadata: { name },
    spec: { bento: 'b', ...spec }
  });
  const bento: Bento = {
    apiVersion: 'resources.yatai.ai/v1alpha1',
    kind: 'Bento',
    metadata: { name: 'b' },
    spec: {
      tag: 'iris:v1',
      image: 'registry/iris:v1',
      runners: runners.map(runner => ({ name: runner }))
    }
  };
  const objects = desiredObjects(deployment, bento, 'account');
  return new Map(
    objects.map(object => [`${object.kind} ${object.metadata.name}`, object])
  );
}

function template(
  objects: Map<string, { spec?: unknown }>,
  name: string
): PodTemplate {
  const object = objects.get(`Deployment ${name}`);
  return (object?.spec as { template: PodTemplate }).template;
}

function main(
  objects: Map<string, { spec?: unknown }>,
  name: string
): Container {
  return template(objects, name).spec.containers[0] as Container;
}

describe('workloads of a deployment', () => {
  it('give a runner that is not named the top-level settings, but one pod and no variables', () => {
    const objects = made(
      {
        resources: { limits: { cpu: '2', memory: '2Gi' } },
        labels: { team: 'x' },
        envs: [{ name: 'A', value: '1' }],
        autoscaling: { minReplicas: 2, maxReplicas: 3 },
        runners: [{ name: 'other', envs: [{ name: 'B', value: '2' }] }]
      },
      ['m']
    );
    const runner = main(objects, 'd-runner-0');
    expect(runner.resources.limits).toEqual({ cpu: '2', memory: '2Gi' });
    expect(runner.env.map(({ name }) => name)).not.toContain('A');
    expect(template(objects, 'd-runner-0').metadata.labels.team).toBe('x');
    expect(
      objects.get('HorizontalPodAutoscaler d-runner-0')?.spec
    ).toMatchObject({
      minReplicas: 1,
      maxReplicas: 1
    });
    expect(objects.get('HorizontalPodAutoscaler d')?.spec).toMatchObject({
      minReplicas: 2,
      maxReplicas: 3
    });
    expect([...objects.keys()].filter(key => key.includes('other'))).toEqual(
      []
    );
  });

  it('give a runner that is named without resources the defaults', () => {
    const objects = made(
      {
        resources: { limits: { cpu: '2', memory: '2Gi' } },
        runners: [{ name: 'm' }]
      },
      ['m']
    );
    const { limits } = main(objects, 'd-runner-0').resources;
    expect(limits).toEqual({ cpu: '500m', memory: '1Gi' });
  });

  it('take the first of each variable and the port from PORT', () => {
    const objects = made({
      envs: [
        { name: 'A', value: 'first' },
        { name: 'A', value: 'second' },
        { name: 'PORT', value: '8080' }
      ]
    });
    const { env, ports } = main(objects, 'd');
    expect(env.slice(0, 3)).toEqual([
      { name: 'A', value: 'first' },
      { name: 'PORT', value: '8080' },
      { name: 'YATAI_T_DEPLOYMENT_UID', value: 'uid-of-d' }
    ]);
    expect(ports).toEqual([{ name: 'http', containerPort: 8080 }]);
  });

  it('shorten the name of a runner’s Service that would be too long', () => {
    const name = 'd'.repeat(40);
    const services = [...made({}, ['m'], name).keys()].filter(key =>
      key.startsWith('Service runner-')
    );
    expect(services).toHaveLength(1);
  });

  it('start what the bento needs', () => {
    const objects = made({}, ['m']);
    expect(main(made({}), 'd').args).toEqual([
      './env/docker/entrypoint.sh bentoml serve . --production'
    ]);
    expect(main(objects, 'd-runner-0').args?.[0]).toContain(
      'cli.runner . --runner-name m --bind tcp://0.0.0.0:3000'
    );
    expect(main(objects, 'd').args?.[0]).toMatch(
      /--runner-map '\{"m":"tcp:\/\/d-runner-[0-9a-f]{32}:3000"\}'/
    );
  });

  it('are replaced as the annotation wants', () => {
    const strategy = (value?: string): unknown => {
      const annotations = value
        ? { 'yatai.ai/deployment-strategy': value }
        : undefined;
      const object = made({ annotations }).get('Deployment d');
      return (object?.spec as { strategy: { type: string } }).strategy.type;
    };
    expect(strategy()).toBe('RollingUpdate');
    expect(strategy('Recreate')).toBe('Recreate');
    expect(strategy('NoSuchThing')).toBe('RollingUpdate');
  });

  it('run as the account that is given or named', () => {
    expect(template(made({}), 'd').spec.serviceAccountName).toBe('account');
    const named = made({ extraPodSpec: { serviceAccountName: 'mine' } });
    expect(template(named, 'd').spec.serviceAccountName).toBe('mine');
  });
});

describe('resources', () => {
  it.each([
    [
      undefined,
      { cpu: '300m', memory: '500Mi' },
      { cpu: '500m', memory: '1Gi' }
    ],
    [
      { limits: { cpu: '4' } },
      { cpu: '300m', memory: '500Mi' },
      { cpu: '4', memory: '1Gi' }
    ],
    [
      { requests: { gpu: '1' }, limits: { gpu: '2' } },
      { cpu: '300m', memory: '500Mi' },
      { cpu: '500m', memory: '1Gi', 'nvidia.com/gpu': '2' }
    ],
    [
      { limits: { custom: { 'example.com/x': '1' } } },
      { cpu: '300m', memory: '500Mi' },
      { cpu: '500m', memory: '1Gi', 'example.com/x': '1' }
    ]
  ])('of %j', (given, requests, limits) => {
    expect(containerResources(given)).toEqual({ requests, limits });
  });

  it.each([
    ['1Gi', '512Mi'],
    ['1024Mi', '512Mi'],
    ['3Gi', '1536Mi'],
    ['2', '1'],
    ['1G', '500000000'],
    ['nonsense', undefined]
  ])('half of %s is %s', (whole, half) => {
    expect(halfOfMemory(whole)).toBe(half);
  });
});
