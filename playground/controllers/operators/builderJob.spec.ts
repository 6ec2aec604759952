// SPDX-License-Identifier: BSD-3-Clause
import * as fc from 'fast-check';

import { stored } from '../testing/worlds';
import { builderJob, newJobSuffix, requestHash } from './builderJob';
import { imageFolder, imageNames, parseTag } from './images';
import type { BentoRequestSpec } from './types';

interface Container {
  name: string;
  args?: string[];
  command: string[];
  env: { name: string }[];
  envFrom?: object[];
}

interface JobPod {
  spec: {
    serviceAccountName: string;
    initContainers: Container[];
    containers: Container[];
  };
}

function request(
  spec: Partial<BentoRequestSpec> = {},
  annotations?: Record<string, string>
): ReturnType<typeof stored> {
  return stored({
    apiVersion: 'resources.yatai.ai/v1alpha1',
    kind: 'BentoRequest',
    metadata: { name: 'iris', annotations },
    spec: { bentoTag: 'iris:v1', downloadUrl: 'https://s3/iris.tar', ...spec }
  });
}

function podOf(
  spec: Partial<BentoRequestSpec> = {},
  annotations?: Record<string, string>
): JobPod['spec'] {
  const job = builderJob(request(spec, annotations) as never, {
    suffix: 'x',
    serviceAccount: 'account'
  });
  return (job.spec as { template: JobPod }).template.spec;
}

describe('the Job that builds an image', () => {
  it('downloads each model that has an address, by its place in the list', () => {
    const { initContainers } = podOf({
      models: [{ tag: 'a:1' }, { tag: 'b:2', downloadUrl: 'https://s3/b.tar' }]
    });
    expect(initContainers.map(({ name }) => name)).toEqual([
      'bento-downloader',
      'model-downloader-1'
    ]);
    const script = initContainers[1]?.command[2] ?? '';
    expect(script).toContain('url="https://s3/b.tar"');
    expect(script).toContain('/workspace/buildcontext/models/b/2');
  });

  it('quotes build arguments twice, as this version does', () => {
    const { containers } = podOf({ buildArgs: ['A=b c'] });
    const command = containers[0]?.args?.[1] ?? '';
    expect(command).toContain(`'--build-arg='\\''A=b c'\\'''`);
    expect(command).toMatch(/ && exit 0 \|\| exit 42$/);
  });

  it('gives downloaders the keys that the request names, the annotation’s last', () => {
    const { initContainers, containers } = podOf(
      { downloaderContainerEnvFrom: [{ secretRef: { name: 'one' } }] },
      { 'yatai.ai/aws-access-key-secret-name': 'two' }
    );
    expect(initContainers[0]?.envFrom).toEqual([
      { secretRef: { name: 'one' } },
      { secretRef: { name: 'two' } }
    ]);
    expect(containers[0]?.envFrom).toBeUndefined();
  });

  it('gives extra variables to every container', () => {
    const { initContainers, containers } = podOf({
      imageBuilderExtraContainerEnv: [{ name: 'HTTP_PROXY', value: 'x' }]
    });
    for (const container of [...initContainers, ...containers]) {
      expect(container.env.at(-1)?.name).toBe('HTTP_PROXY');
    }
  });

  it('runs as the account that is given or named', () => {
    expect(podOf().serviceAccountName).toBe('account');
    const named = podOf({
      imageBuilderExtraPodSpec: { serviceAccountName: 'mine' }
    });
    expect(named.serviceAccountName).toBe('mine');
  });

  it('has a name of 20 characters that is always new', () => {
    const suffixes = Array.from({ length: 200 }, newJobSuffix);
    expect(new Set(suffixes).size).toBe(200);
    suffixes.forEach(suffix => {
      expect(suffix).toMatch(/^[0-9a-v]{20}$/);
    });
  });
});

describe('the hash of a request', () => {
  const reordered = (object: object): object =>
    Object.fromEntries(Object.entries(object).reverse());

  it('does not depend on the order of fields, and is a decimal number', () => {
    const one = request({ models: [{ tag: 'a:1', size: '1' }] });
    const other = {
      ...one,
      spec: reordered(one.spec as object)
    };
    expect(requestHash(one as never)).toBe(requestHash(other as never));
    expect(requestHash(one as never)).toMatch(/^\d{1,20}$/);
  });

  it('changes with any label and annotation, not with the name', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string(), (key, value) => {
        const plain = request();
        const edited = request({}, { [key]: value });
        return requestHash(plain as never) !== requestHash(edited as never);
      })
    );
    const renamed = request();
    renamed.metadata.name = 'other';
    expect(requestHash(renamed as never)).toBe(requestHash(request() as never));
  });
});

describe('names of images', () => {
  it.each([
    ['iris:v1', 'yatai.iris.v1'],
    ['notag', 'yatai.notag.'],
    ['a:b:c', 'yatai.a.b:c']
  ])('%s', (tag, expected) => {
    expect(imageNames(tag).pull).toBe(
      `127.0.0.1:5000/yatai-bentos:${expected}`
    );
  });

  it('are hashed when they would be too long', () => {
    const { push } = imageNames(`${'r'.repeat(100)}:${'v'.repeat(40)}`);
    expect(push).toMatch(/:yatai\.[0-9a-f]{32}$/);
  });

  it('are taken from the request when it names one', () => {
    expect(imageNames('iris:v1', 'my/image:1')).toEqual({
      push: 'my/image:1',
      pull: 'my/image:1'
    });
  });

  it('lead to one folder whichever registry they name, and to another for each image', () => {
    const { push, pull } = imageNames('iris:v1');
    expect(imageFolder(push)).toBe(imageFolder(pull));
    expect(imageFolder('r/a/b:c')).not.toBe(imageFolder('r/a:b/c'));
    expect(imageFolder(pull)).not.toMatch(/[/%]/);
  });

  it('fall apart at the first colon', () => {
    expect(parseTag('a:b:c')).toEqual({ repository: 'a', version: 'b:c' });
    expect(parseTag('a')).toEqual({ repository: 'a', version: '' });
  });
});
