// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as path from 'node:path';

import { type ExampleResult, checkExamples } from '../playground/demo/check';
import { examples } from '../playground/demo/examples';
import type { Instance } from '../playground/instance';
import { ensureProduct } from '../playground/product';
import { waitFor } from '../playground/wait';
import { asAdmin } from './kubectl';
import { sharedPlayground } from './product';

/** What a deployment consists of, short of what Kubernetes makes from it. */
const kinds = [
  'bentodeployments.serving.yatai.ai',
  'bentoes.resources.yatai.ai',
  'bentorequests.resources.yatai.ai',
  'jobs.batch',
  'deployments.apps',
  'services',
  'pods'
];

let instance: Instance;
let results: ExampleResult[];

beforeAll(async () => {
  instance = await sharedPlayground();
  const envs = await ensureProduct(['tools', 'current', 'fraud']);
  results = await checkExamples({ instance, envs });
}, 900_000);

afterAll(async () => {
  // What a failed notebook left must not get in the way of other tests.
  const names = examples.map(({ deployment }) => deployment);
  const flags = ['-n', instance.namespace, '--ignore-not-found'];
  await asAdmin(instance, ['delete', kinds[0] ?? '', ...names, ...flags]);
});

const resultOf = (name: string): ExampleResult => {
  const found = results.find(({ example }) => example === name);
  if (!found) {
    throw new Error(`The example ${name} was not executed.`);
  }
  return found;
};

/** Objects whose name or labels tell that they belong to one of these deployments or bentos. */
async function leftOf(needles: string[]): Promise<string[]> {
  const args = ['get', kinds.join(','), '-n', instance.namespace, '-o', 'json'];
  const { items } = JSON.parse(await asAdmin(instance, args)) as {
    items: {
      kind: string;
      metadata: { name: string; labels?: Record<string, string> };
    }[];
  };
  return items
    .filter(({ metadata }) =>
      [metadata.name, ...Object.values(metadata.labels ?? {})].some(text =>
        needles.some(needle => text === needle || text.startsWith(`${needle}-`))
      )
    )
    .map(({ kind, metadata }) => `${kind}/${metadata.name}`);
}

describe.each(examples)('the notebook $name', ({ name, isRight }) => {
  it('runs to its end and gets the right answer', () => {
    const result = resultOf(name);
    expect(result.error).toBeUndefined();
    expect(isRight(result.answer)).toBe(true);
  });

  it('saves the tag and how long each stage took', () => {
    const { tag, stages } = resultOf(name);
    expect(tag).toMatch(/^[a-z_]+:[a-z0-9]{16}$/);
    expect(Object.keys(stages ?? {}).sort()).toEqual(
      ['build', 'delete', 'export', 'ready', 'request'].sort()
    );
  });

  it('saves no secret', () => {
    const { notebook } = resultOf(name);
    const text = fs.readFileSync(notebook, 'utf8');
    const { productEnv } = instance;
    const folder = String(productEnv.JUPYTERLAB_BENTO_SERVICE_ACCOUNT_DIR);
    const secrets = [
      productEnv.AWS_ACCESS_KEY_ID,
      productEnv.AWS_SECRET_ACCESS_KEY,
      fs.readFileSync(path.join(folder, 'token'), 'utf8').trim()
    ].map(String);
    expect(secrets.every(secret => secret.length > 8)).toBe(true);
    expect(secrets.filter(secret => text.includes(secret))).toEqual([]);
    expect(text).not.toMatch(/X-Amz-|Authorization|Bearer /i);
  });

  it('leaves nothing in the cluster', async () => {
    const { tag = '' } = resultOf(name);
    const [, version = ''] = tag.split(':');
    const needles = examples
      .filter(example => example.name === name)
      .map(({ deployment }) => deployment);
    expect(version).not.toBe('');
    // Pods take a moment to end after their deployment is gone.
    await waitFor(
      async () =>
        (await leftOf([...needles, version])).length === 0 ? true : undefined,
      { what: `everything of ${name} to go`, timeoutMs: 60_000, everyMs: 500 }
    ).catch(async (error: unknown) => {
      expect(await leftOf([...needles, version])).toEqual([]);
      throw error;
    });
  });
});
