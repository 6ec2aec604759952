// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { type ArchiveEntry, archiveEntries } from './archiveEntries';
import { Store } from './store';
import { modelsYaml, StoreTree } from './testing/storeTree';

let tree: StoreTree;

beforeEach(async () => {
  tree = await StoreTree.make();
});

afterEach(() => tree.remove());

async function entriesOf(tag: string): Promise<ArchiveEntry[]> {
  const store = new Store({ home: tree.home, cacheDir: tree.at('cache') });
  return archiveEntries(await store.get(tag), tree.home);
}

async function pathsOf(tag: string): Promise<string[]> {
  return (await entriesOf(tag)).map(entry => entry.path);
}

it('lists the bento at the root and its models as BentoML lays them out', async () => {
  await tree.bento('iris:1', modelsYaml('clf:a'));
  await tree.model('clf:a');
  await tree.model('clf:unused');
  expect(await pathsOf('iris:1')).toEqual([
    'bento.yaml',
    'env',
    'env/docker',
    'env/docker/Dockerfile',
    'models',
    'models/clf',
    'models/clf/a',
    'models/clf/a/model.yaml',
    'models/clf/a/weights.bin',
    'models/clf/latest',
    'src',
    'src/service.py'
  ]);
  const latest = (await entriesOf('iris:1')).find(
    entry => entry.path === 'models/clf/latest'
  );
  expect(latest?.data?.toString()).toBe('a');
});

it('takes the models of every service, once each, and leaves remote ones alone', async () => {
  await tree.bento(
    'iris:1',
    `${modelsYaml('top:a')}services:
- name: A
  models:
  - tag: clf:a
- name: B
  models:
  - tag: clf:a
    alias: again
  - tag: org--llm:x
    registry: huggingface
`
  );
  await tree.model('top:a');
  await tree.model('clf:a');
  const models = (await pathsOf('iris:1')).filter(entry =>
    entry.endsWith('model.yaml')
  );
  expect(models).toEqual([
    'models/clf/a/model.yaml',
    'models/top/a/model.yaml'
  ]);
});

it('points "latest" at the version that was created last', async () => {
  await tree.bento('iris:1', modelsYaml('clf:b', 'clf:a'));
  await tree.model('clf:a');
  await tree.model('clf:b');
  await tree.write(
    'models/clf/a/model.yaml',
    "name: clf\nversion: a\ncreation_time: '2026-02-01T00:00:00.000000+00:00'\n"
  );
  const latest = (await entriesOf('iris:1')).find(
    entry => entry.path === 'models/clf/latest'
  );
  expect(latest?.data?.toString()).toBe('a');
});

it('finds the model of a tag without a version', async () => {
  await tree.bento('iris:1', modelsYaml('clf'));
  await tree.model('clf:a');
  await tree.write('models/clf/latest', 'a\n');
  expect(await pathsOf('iris:1')).toContain('models/clf/a/weights.bin');
});

it('names every model that is missing', async () => {
  await tree.bento('iris:1', modelsYaml('clf:a', 'clf:b', '../../etc:x'));
  await tree.model('clf:a');
  // Begun, or left by an interrupted import.
  await tree.write('models/clf/b/weights.bin', 'x');
  await expect(entriesOf('iris:1')).rejects.toMatchObject({
    code: 'modelMissing',
    params: { tag: 'iris:1', model: 'clf:b, ../../etc:x', home: tree.home }
  });
});

it('takes a model from inside an old bento when the store has none', async () => {
  await tree.bento('iris:1', modelsYaml('clf:a', 'clf:b'));
  await tree.model('clf:a', 'from the store');
  for (const version of ['a', 'b', 'unused']) {
    await tree.write(
      `bentos/iris/1/models/clf/${version}/model.yaml`,
      `name: clf\nversion: ${version}\n`
    );
  }
  const sources = (await entriesOf('iris:1'))
    .filter(entry => entry.path.endsWith('model.yaml'))
    .map(entry => path.relative(tree.home, entry.source ?? ''));
  expect(sources).toEqual([
    'models/clf/a/model.yaml',
    'bentos/iris/1/models/clf/b/model.yaml'
  ]);
});

it('leaves out what testing the bento leaves behind', async () => {
  await tree.bento('iris:1');
  const before = await pathsOf('iris:1');
  await tree.write('bentos/iris/1/src/__pycache__/service.pyc', 'x');
  await tree.write('bentos/iris/1/.ipynb_checkpoints/a.ipynb', 'x');
  await tree.write('bentos/iris/1/.DS_Store', 'x');
  expect(await pathsOf('iris:1')).toEqual(before);
});

it('keeps permissions, those of the group aside, and links inside', async () => {
  const folder = await tree.bento('iris:1');
  await tree.write('bentos/iris/1/src/run.sh', '');
  await fs.chmod(path.join(folder, 'src/run.sh'), 0o775);
  await fs.chmod(path.join(folder, 'src/service.py'), 0o660);
  await fs.symlink('../src/run.sh', path.join(folder, 'env/run'));
  await fs.symlink('nowhere', path.join(folder, 'env/dangling'));
  const entries = new Map(
    (await entriesOf('iris:1')).map(entry => [entry.path, entry])
  );
  expect(entries.get('src/run.sh')?.mode).toBe(0o755);
  expect(entries.get('src/service.py')?.mode).toBe(0o600);
  expect(entries.get('env/run')?.linkTarget).toBe('../src/run.sh');
  expect(entries.get('env/dangling')?.linkTarget).toBe('nowhere');
});

describe('refuses by name', () => {
  it.each([
    ['a link to an absolute path', '/etc/hostname', 'absolute'],
    ['a link out of the bento', '../2', 'leaves the bento'],
    ['a link to nothing out of the bento', '../nowhere', 'leaves the bento'],
    ['a link that leaves through another one', 'src/up/../2', 'leaves'],
    ['a link to nothing through another one', 'src/up/../nowhere', 'leaves']
  ])('%s', async (_what, target, reason) => {
    const folder = await tree.bento('iris:1');
    await tree.bento('iris:2');
    await fs.symlink('..', path.join(folder, 'src/up'));
    await fs.symlink(target, path.join(folder, 'odd'));
    await expect(entriesOf('iris:1')).rejects.toMatchObject({
      code: 'notExportable',
      params: {
        path: path.join(folder, 'odd'),
        reason: expect.stringContaining(reason) as string
      }
    });
  });

  it('a link out of a model', async () => {
    await tree.bento('iris:1', modelsYaml('clf:a'));
    const model = await tree.model('clf:a');
    await fs.symlink('../b', path.join(model, 'odd'));
    await expect(entriesOf('iris:1')).rejects.toMatchObject({
      code: 'notExportable'
    });
  });

  it('a pipe', async () => {
    const folder = await tree.bento('iris:1');
    execFileSync('mkfifo', [path.join(folder, 'pipe')]);
    await expect(entriesOf('iris:1')).rejects.toMatchObject({
      code: 'notExportable',
      params: { path: path.join(folder, 'pipe') }
    });
  });

  it('a name that is not UTF-8', async () => {
    const folder = await tree.bento('iris:1');
    const name = Buffer.concat([
      Buffer.from(`${folder}/`),
      Buffer.from([0xff])
    ]);
    await fs.writeFile(name, 'x');
    await expect(entriesOf('iris:1')).rejects.toMatchObject({
      code: 'notExportable',
      params: { reason: 'its name is not UTF-8' }
    });
  });
});
