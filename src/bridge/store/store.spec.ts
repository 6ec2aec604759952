// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { BENTO_YAMLS } from '../../domain/testing/bentoYamls';
import { BentoError } from '../../domain/errors';
import {
  bento as bentoSchema,
  type Bento,
  type StoreRows
} from '../../protocol';
import { storeHome } from './home';
import { Store } from './store';
import { modelsYaml, StoreTree } from './testing/storeTree';

let tree: StoreTree;

beforeEach(async () => {
  tree = await StoreTree.make();
  await fs.mkdir(tree.at('bentos'));
});

afterEach(() => tree.remove());

function open(): Store {
  return new Store({ home: tree.home, cacheDir: tree.at('cache') });
}

interface Listing {
  rows: StoreRows[];
  bentos: Bento[];
  /** Reason by place below the store. */
  bad: Record<string, string>;
  count: number;
}

async function list(options: { sizes?: boolean } = {}): Promise<Listing> {
  const rows: StoreRows[] = [];
  const { count } = await open().list({
    ...options,
    signal: new AbortController().signal,
    onRows: chunk => rows.push(chunk)
  });
  const bad = rows
    .flatMap(chunk => chunk.bad)
    .map(entry => [path.relative(tree.home, entry.path), entry.reason]);
  return {
    rows,
    count,
    bentos: rows.flatMap(chunk => chunk.bentos),
    bad: Object.fromEntries(bad) as Record<string, string>
  };
}

async function failureOf(promise: Promise<unknown>): Promise<BentoError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof BentoError) {
      return error;
    }
    throw error;
  }
  throw new Error('it succeeded');
}

/** Sets the times of a place back, as if it had been written long ago. */
async function age(place: string): Promise<void> {
  const then = new Date('2026-01-01T00:00:00Z');
  await fs.utimes(tree.at(place), then, then);
}

describe('list', () => {
  it('reads every age of BentoML, newest first, each row valid in the protocol', async () => {
    for (const [index, yaml] of Object.values(BENTO_YAMLS).entries()) {
      await tree.write(`bentos/churn/${String(index + 1)}/bento.yaml`, yaml);
    }
    const { bentos, bad } = await list();
    expect(bad).toEqual({});
    expect(bentos.map(bento => bento.tag)).toEqual([
      'churn:5',
      'churn:4',
      'churn:3',
      'churn:2',
      'churn:1'
    ]);
    for (const bento of bentos) {
      expect(bentoSchema.parse(bento)).toEqual(bento);
      expect(bento.path).toBe(tree.at('bentos/churn', bento.version));
    }
  });

  it('shows each odd entry with its reason, and all the good ones', async () => {
    await tree.bento('good:1');
    await tree.bento('good:2');
    await tree.write('bentos/.DS_Store', 'x');
    await tree.write('bentos/.ipynb_checkpoints/x/bento.yaml', '{}');
    await tree.write('bentos/good/.ipynb_checkpoints/bento.yaml', '{}');
    await tree.write('bentos/file', 'x');
    await tree.write('bentos/odd/file', 'x');
    await fs.mkdir(tree.at('bentos/odd/empty'));
    await age('bentos/odd/empty');
    await tree.write('bentos/odd/braces/bento.yaml', '{}');
    await tree.write('bentos/odd/invalid/bento.yaml', 'a: [\n');
    await tree.write('bentos/odd/nothing/bento.yaml', '');
    await age('bentos/odd/nothing');
    await tree.write(
      'bentos/odd/recipe/bento.yaml',
      'service: app:Api\ninclude:\n- "*.py"\n'
    );
    await tree.write(
      'bentos/odd/large/bento.yaml',
      `name: odd\nversion: large\nx: ${'y'.repeat(5 * 1024 * 1024)}`
    );
    await fs.mkdir(tree.at('bentos/odd/folder/bento.yaml'), {
      recursive: true
    });
    await fs.mkdir(tree.at('bentos/odd/pipe'));
    execFileSync('mkfifo', [tree.at('bentos/odd/pipe/bento.yaml')]);
    await fs.symlink('nowhere', tree.at('bentos/odd/dangling'));
    await fs.symlink('nowhere', tree.at('bentos/dangling'));
    await fs.symlink('circle', tree.at('bentos/circle'));
    await tree.write('bentos/Upper Case/1/bento.yaml', 'name: a\nversion: 1\n');
    const { bentos, bad, count } = await list();
    expect(bentos.map(bento => bento.tag)).toEqual(['good:2', 'good:1']);
    expect(count).toBe(2);
    expect(bad).toEqual({
      'bentos/file': 'it is a file, not the folder of a bento',
      'bentos/odd/file': 'it is a file, not the folder of a version',
      'bentos/odd/empty': 'bento.yaml is missing',
      'bentos/odd/braces': 'bento.yaml lacks "name" and "version"',
      'bentos/odd/invalid': expect.stringContaining('not valid YAML') as string,
      'bentos/odd/nothing': 'bento.yaml is empty',
      'bentos/odd/recipe': expect.stringContaining('bentofile') as string,
      'bentos/odd/large': expect.stringContaining('5.0 MiB') as string,
      'bentos/odd/folder': 'bento.yaml is not a file',
      'bentos/odd/pipe': 'bento.yaml is not a file',
      'bentos/odd/dangling': 'it is a symbolic link to nothing',
      'bentos/dangling': 'it is a symbolic link to nothing',
      'bentos/circle': 'its symbolic links run in a circle',
      'bentos/Upper Case/1': '"Upper Case" cannot be a part of a tag'
    });
  });

  const asRoot = process.getuid?.() === 0 ? it : it.skip;

  // Only root can take the rights of another user for a while.
  asRoot('shows what may not be read', async () => {
    await tree.bento('good:1');
    await tree.bento('good:2');
    await tree.bento('closed:1');
    await fs.chmod(tree.at('bentos/closed'), 0o700);
    await fs.chmod(tree.at('bentos/good/2/bento.yaml'), 0o600);
    process.seteuid?.(1000);
    try {
      const { bentos, bad } = await list();
      expect(bentos.map(bento => bento.tag)).toEqual(['good:1']);
      expect(bad).toEqual({
        'bentos/closed': 'permission denied',
        'bentos/good/2': 'permission denied'
      });
    } finally {
      process.seteuid?.(0);
    }
  });

  it('calls a young folder without a description "being built"', async () => {
    await fs.mkdir(tree.at('bentos/iris/new'), { recursive: true });
    await tree.write('bentos/iris/begun/bento.yaml', '');
    const { bad } = await list();
    expect(bad['bentos/iris/new']).toMatch(/^being built/);
    expect(bad['bentos/iris/begun']).toMatch(/^being built/);
    await tree.bento('iris:new');
    expect((await list()).bentos.map(bento => bento.tag)).toEqual(['iris:new']);
  });

  it.each(['2', '2\n', ' 2 \n'])(
    'takes "latest" from the file (%j)',
    async text => {
      await tree.bento('iris:1');
      await tree.bento('iris:2');
      await tree.bento('iris:3');
      await tree.write('bentos/iris/latest', text);
      const { bentos } = await list();
      expect(
        bentos.filter(bento => bento.latest).map(bento => bento.tag)
      ).toEqual(['iris:2']);
    }
  );

  it.each([
    ['is missing', undefined],
    ['names a version that is gone', '9'],
    ['holds a path', '../../x'],
    ['is empty', '']
  ])('takes the newest where "latest" %s', async (_how, text) => {
    const created = (day: string) =>
      `creation_time: '2026-01-${day}T00:00:00Z'\n`;
    await tree.bento('iris:1', created('05'));
    await tree.bento('iris:2', created('20'));
    await tree.bento('iris:3', created('10'));
    if (text !== undefined) {
      await tree.write('bentos/iris/latest', text);
    }
    const { bentos } = await list();
    expect(
      bentos.filter(bento => bento.latest).map(bento => bento.tag)
    ).toEqual(['iris:2']);
    expect((await open().get('iris')).tag).toBe('iris:2');
    expect((await open().get('iris:latest')).latest).toBe(true);
  });

  it('sends rows in small messages, the first one soon', async () => {
    const label = 'x'.repeat(2000);
    for (let number = 0; number < 250; number += 1) {
      await tree.write(
        `bentos/b${String(number)}/1/bento.yaml`,
        `name: b${String(number)}\nversion: 1\nlabels: {a: ${label}}\n`
      );
    }
    const { rows, bentos } = await list();
    expect(new Set(bentos.map(bento => bento.tag)).size).toBe(250);
    expect(rows[0]?.bentos.length).toBeLessThan(20);
    for (const chunk of rows) {
      expect(chunk.bentos.length).toBeLessThanOrEqual(100);
      expect(JSON.stringify(chunk).length).toBeLessThan(300 * 1024);
    }
  });

  it('refuses a row that no message could hold', async () => {
    await tree.bento('iris:1', `labels: {a: ${'x'.repeat(1024 * 1024)}}\n`);
    expect((await list()).bad).toEqual({
      'bentos/iris/1': 'bento.yaml holds more than can be shown'
    });
  });

  it('says that there is no store', async () => {
    await fs.rmdir(tree.at('bentos'));
    const error = await failureOf(list());
    expect(error).toMatchObject({
      code: 'storeMissing',
      params: { home: tree.home }
    });
  });

  it('says that the store is no folder', async () => {
    await fs.rmdir(tree.at('bentos'));
    await tree.write('bentos', 'x');
    expect((await failureOf(list())).code).toBe('storeUnreadable');
  });

  it('stops when it is cancelled', async () => {
    await tree.bento('iris:1');
    const listing = open().list({
      signal: AbortSignal.abort(),
      onRows: () => undefined
    });
    expect((await failureOf(listing)).code).toBe('cancelled');
  });

  it('writes nothing into the store', async () => {
    await tree.bento('iris:1', modelsYaml('clf:a'));
    await tree.model('clf:a');
    const snapshot = () =>
      execFileSync('find', ['bentos', 'models', '-printf', '%p %s %T@ %C@\n'], {
        cwd: tree.home
      }).toString();
    const before = snapshot();
    await list({ sizes: true });
    await open().get('iris');
    expect(snapshot()).toBe(before);
  });
});

describe('the index', () => {
  async function indexText(): Promise<string> {
    const [file = ''] = await fs.readdir(tree.at('cache/store'));
    return fs.readFile(tree.at('cache/store', file), 'utf8');
  }

  beforeEach(async () => {
    await tree.bento('iris:1', 'labels: {a: b}\n');
    await age('bentos/iris/1/bento.yaml');
    await age('bentos/iris');
  });

  it('gives the same rows as reading anew', async () => {
    const first = await list();
    expect(await indexText()).toContain('iris:1');
    expect((await list()).bentos).toEqual(first.bentos);
  });

  it('is used while time, length and inode are the same', async () => {
    await list();
    const [file = ''] = await fs.readdir(tree.at('cache/store'));
    const forged = (await indexText()).replace(
      '"a":"b"',
      '"a":"from the index"'
    );
    await tree.write(`cache/store/${file}`, forged);
    const { bentos } = await list();
    expect(bentos[0]?.labels).toEqual({ a: 'from the index' });
  });

  it.each([
    ['the time', 'labels: {a: c}\n', false],
    ['the length', 'labels: {a: cc}\n', true]
  ])('is not trusted when %s differs', async (_what, yaml, aged) => {
    await list();
    await tree.bento('iris:1', yaml);
    if (aged) {
      await age('bentos/iris/1/bento.yaml');
    }
    const { bentos } = await list();
    expect(bentos[0]?.labels.a).toMatch(/^c/);
  });

  it('is not trusted when another file took the place', async () => {
    await list();
    await tree.write('new.yaml', "name: iris\nversion: '1'\nlabels: {a: c}\n");
    await fs.rename(tree.at('new.yaml'), tree.at('bentos/iris/1/bento.yaml'));
    await age('bentos/iris/1/bento.yaml');
    expect((await list()).bentos[0]?.labels).toEqual({ a: 'c' });
  });

  it('does not keep a file that was written a moment ago', async () => {
    await tree.bento('iris:2');
    await list();
    expect(await indexText()).not.toContain('iris:2');
  });

  it('is used for the versions of a name while its folder is the same', async () => {
    await list();
    const [file = ''] = await fs.readdir(tree.at('cache/store'));
    const forged = (await indexText()).replace('["1"]', '["1","2"]');
    await tree.write(`cache/store/${file}`, forged);
    expect(Object.keys((await list()).bad)).toEqual(['bentos/iris/2']);
  });

  it('is not trusted for the versions once one came, went or changed its name', async () => {
    await list();
    await tree.bento('iris:2');
    expect((await list()).bentos).toHaveLength(2);
    await age('bentos/iris');
    await list();
    await fs.rename(tree.at('bentos/iris/2'), tree.at('bentos/iris/3'));
    const { bentos, bad } = await list();
    expect(bentos.map(bento => bento.version).sort()).toEqual(['1', '3']);
    expect(bad).toEqual({});
    await age('bentos/iris');
    await list();
    await fs.rm(tree.at('bentos/iris'), { recursive: true });
    expect(await list()).toMatchObject({ bentos: [], bad: {} });
  });

  it('does not keep "latest"', async () => {
    await tree.bento('iris:2');
    await tree.write('bentos/iris/latest', '1');
    await age('bentos/iris');
    await list();
    await fs.writeFile(tree.at('bentos/iris/latest'), '2');
    await age('bentos/iris');
    const { bentos } = await list();
    expect(bentos.find(bento => bento.latest)?.version).toBe('2');
  });

  it('forgets what is gone', async () => {
    await tree.bento('iris:2');
    await age('bentos/iris/2/bento.yaml');
    await list();
    await fs.rm(tree.at('bentos/iris/2'), { recursive: true });
    expect((await list()).bentos).toHaveLength(1);
    expect(await indexText()).not.toContain('iris:2');
  });

  it.each(['', '{', '[]', '{"format":1}', 'null'])(
    'is an empty one when it holds %j',
    async text => {
      await list();
      const [file = ''] = await fs.readdir(tree.at('cache/store'));
      await tree.write(`cache/store/${file}`, text);
      expect((await list()).bentos).toHaveLength(1);
      expect(await indexText()).toContain('iris:1');
    }
  );

  it('is done without where it cannot be written', async () => {
    await tree.write('cache', 'a file where the folder should be');
    expect((await list()).bentos).toHaveLength(1);
  });
});

describe('sizes', () => {
  async function sizesOf(): Promise<Record<string, (number | undefined)[]>> {
    const { bentos } = await list({ sizes: true });
    return Object.fromEntries(
      bentos
        .filter(bento => bento.size !== undefined)
        .map(bento => [bento.tag, [bento.size, bento.modelSize]])
    );
  }

  async function bytesBelow(folder: string): Promise<number> {
    const script = ['-type', 'f', '-printf', '%s\n'];
    const lines = execFileSync('find', [folder, ...script]).toString();
    return Promise.resolve(
      lines.split('\n').reduce((sum, line) => sum + Number(line), 0)
    );
  }

  it('follow in rows that are sent again', async () => {
    const folder = await tree.bento('iris:1', modelsYaml('clf:a', 'gone:x'));
    const model = await tree.model('clf:a', 'x'.repeat(1000));
    const { bentos } = await list({ sizes: true });
    expect(bentos.map(bento => bento.size)).toEqual([
      undefined,
      await bytesBelow(folder)
    ]);
    expect(bentos[1]?.modelSize).toBe(await bytesBelow(model));
  });

  it('do not count models that an export has put inside', async () => {
    await tree.bento('iris:1', modelsYaml('clf:a'));
    await tree.model('clf:a');
    const before = await sizesOf();
    await tree.write('bentos/iris/1/models/clf/a/weights.bin', 'x'.repeat(99));
    expect(await sizesOf()).toEqual(before);
  });

  it('follow links inside the store only, and count each file once', async () => {
    const folder = await tree.bento('iris:1');
    const before = await bytesBelow(folder);
    await tree.write('elsewhere/big', 'x'.repeat(500));
    await fs.symlink('/', path.join(folder, 'root'));
    await fs.symlink('..', path.join(folder, 'up'));
    await fs.symlink('src/service.py', path.join(folder, 'again'));
    await fs.symlink('nowhere', path.join(folder, 'dangling'));
    await fs.symlink('../../../elsewhere', path.join(folder, 'inside'));
    expect(await sizesOf()).toEqual({ 'iris:1': [before + 500, 0] });
  });
});

describe('get', () => {
  beforeEach(async () => {
    await tree.bento('iris:1');
    await tree.bento('iris:2');
    await tree.write('bentos/iris/latest', '2');
  });

  it.each([
    ['iris', 'iris:2', true],
    ['iris:latest', 'iris:2', true],
    ['iris:1', 'iris:1', false],
    ['IRIS:2', 'iris:2', true]
  ])('finds %s', async (asked, tag, latest) => {
    expect(await open().get(asked)).toMatchObject({ tag, latest });
  });

  it('says what is known when there is no such version', async () => {
    const error = await failureOf(open().get('iris:3'));
    expect(error.code).toBe('bentoNotFound');
    expect(error.hint).toContain('iris:2, iris:1');
  });

  it('says what is known when there is no such name', async () => {
    const error = await failureOf(open().get('rose:1'));
    expect(error).toMatchObject({
      code: 'bentoNotFound',
      params: { known: 'iris' }
    });
  });

  it('says why a bento cannot be read', async () => {
    await tree.write('bentos/iris/3/bento.yaml', '{}');
    const error = await failureOf(open().get('iris:3'));
    expect(error).toMatchObject({
      code: 'bentoUnreadable',
      params: { path: tree.at('bentos/iris/3') }
    });
  });

  it('says why the latest bento cannot be read when there is no other', async () => {
    await tree.write('bentos/rose/1/bento.yaml', '{}');
    expect((await failureOf(open().get('rose'))).code).toBe('bentoUnreadable');
  });

  it.each(['iris:', '../iris', 'iris:..'])('refuses %s', async tag => {
    expect((await failureOf(open().get(tag))).code).toBe('invalidTag');
  });
});

describe('storeHome', () => {
  const env = { HOME: '/home/me', BENTOML_HOME: '~/store' };

  it.each([
    [undefined, env, '/home/me/store'],
    ['/given', env, '/given'],
    ['~', env, '/home/me'],
    [' ', { HOME: '/home/me' }, '/home/me/bentoml'],
    ['~other/x', env, path.resolve('~other/x')]
  ])('makes of %j an absolute folder', (home, from, expected) => {
    expect(storeHome(home, from)).toBe(expected);
  });
});
