// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as path from 'node:path';
import fc from 'fast-check';
import { cutUnused, parseBentoYaml } from './bentoYaml';
import { BentoError } from './errors';
import { BENTO_YAMLS } from './testing/bentoYamls';

const HERE = '/store/bentos/churn';

function parse(text: string, version = '1') {
  return parseBentoYaml(text, `${HERE}/${version}`);
}

function reason(text: string): string {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof BentoError && error.code === 'bentoUnreadable') {
      return String(error.params.reason);
    }
  }
  throw new Error('it was accepted');
}

describe('parseBentoYaml', () => {
  it('reads an alpha: models as texts, runner types, a bare time, labels as texts', () => {
    expect(parse(BENTO_YAMLS.alpha)).toEqual({
      tag: 'churn:1',
      name: 'churn',
      version: '1',
      path: `${HERE}/1`,
      bentomlVersion: '1.0.0a6',
      createdAt: '2022-03-11T08:15:30.250Z',
      labels: { trained: 'true', rounds: '40' },
      service: 'app.py:api',
      services: [],
      runners: [
        {
          name: 'churn_tree_runner',
          runnableType: 'SklearnRunner',
          models: ['churn_tree:aa11']
        }
      ],
      models: [
        { tag: 'churn_tree:aa11', registry: 'bentoml' },
        { tag: 'churn_scale:bb22', registry: 'bentoml' }
      ],
      latest: false,
      notes: []
    });
  });

  it('reads 1.0: labels of any kind become texts', () => {
    const bento = parse(BENTO_YAMLS.v10, '2');
    expect(bento.labels).toEqual({
      rounds: '41',
      trained: 'false',
      owner: 'null'
    });
    expect(bento.models).toEqual([
      { tag: 'churn_tree:aa12', registry: 'bentoml', module: 'bentoml.sklearn' }
    ]);
    expect(bento.createdAt).toBe('2023-01-09T10:00:00.000Z');
  });

  it('reads 1.1: aliases and every runner', () => {
    const bento = parse(BENTO_YAMLS.v11, '3');
    expect(bento.models).toEqual([
      {
        tag: 'churn_tree:aa13',
        alias: 'tree',
        registry: 'bentoml',
        module: 'bentoml.sklearn'
      },
      { tag: 'churn_scale:bb23', registry: 'bentoml' }
    ]);
    expect(bento.runners.map(runner => runner.name)).toEqual(['tree', 'scale']);
  });

  it('reads 1.2: the models of all services once each, the entry service first', () => {
    const bento = parse(BENTO_YAMLS.v12, '4');
    expect(bento.bentomlVersion).toBe('1.2.18.post1.dev3+g0123abc');
    expect(bento.services).toEqual(['Churn', 'Scaler']);
    expect(bento.models).toEqual([
      { tag: 'churn_scale:bb24', alias: 'scale', registry: 'bentoml' },
      { tag: 'churn_tree:aa14', alias: 'tree', registry: 'bentoml' }
    ]);
  });

  it('reads 1.4: a remote registry is kept, the time turned to UTC', () => {
    const bento = parse(BENTO_YAMLS.v14, '5');
    expect(bento.models).toEqual([
      { tag: 'acme--tiny-llm:0f1e2d', alias: 'llm', registry: 'huggingface' },
      { tag: 'churn_tree:aa15', alias: 'again', registry: 'bentoml' }
    ]);
    expect(bento.createdAt).toBe('2025-05-31T22:00:00.000Z');
    expect(bento.notes).toEqual([]);
  });

  it.each(['1.10', '1e5', '2024', '0x10', '010', 'no', '1_0'])(
    'keeps the unquoted version %s as it is written',
    version => {
      const bento = parse(`name: churn\nversion: ${version}\n`, version);
      expect(bento.version).toBe(version);
      expect(bento.notes).toEqual([]);
    }
  );

  it('reads CRLF and a byte order mark', () => {
    const text = `\uFEFFschema:\r\n  a:\r\n  - b\r\n${BENTO_YAMLS.v14.replaceAll('\n', '\r\n')}`;
    expect(parse(text, '5')).toEqual(parse(BENTO_YAMLS.v14, '5'));
  });

  it('lists a newer layout with a note', () => {
    const bento = parse(BENTO_YAMLS.v14.replace('spec: 2', 'spec: 3'), '5');
    expect(bento.tag).toBe('churn:5');
    expect(bento.notes).toEqual([expect.stringContaining('layout 3')]);
  });

  it('goes by the folder and notes what the file calls it', () => {
    const bento = parse(BENTO_YAMLS.v14, '6');
    expect(bento.tag).toBe('churn:6');
    expect(bento.notes).toEqual([expect.stringContaining('churn:5')]);
  });

  it('leaves out a label that is a map, and says so', () => {
    const bento = parse(
      'name: churn\nversion: 1\nlabels: {a: {b: c}, d: e, f: }\n'
    );
    expect(bento.labels).toEqual({ d: 'e', f: '' });
    expect(bento.notes).toEqual([expect.stringContaining('"a"')]);
  });

  it('reads an anchor that lies in a section it would cut', () => {
    const text =
      'name: churn\nversion: 1\nschema:\n  x: &m [tree:1]\nservices:\n- name: S\n  models: *m\n';
    expect(parse(text).models).toEqual([
      { tag: 'tree:1', registry: 'bentoml' }
    ]);
  });

  it('reads past explicit YAML tags', () => {
    const text =
      'name: !!str churn\nversion: !!float 1\nlabels: !!python/dict {a: !!int 1}\n';
    expect(parse(text)).toMatchObject({ version: '1', labels: { a: '1' } });
  });

  it.each([
    ['{}', 'lacks "name" and "version"'],
    ['', 'empty'],
    ['- a\n', 'holds no keys'],
    ['name: churn\n', 'lacks "version"'],
    ['name: null\nversion: 1\n', 'lacks "name"'],
    ['service: app:Api\ninclude:\n- "*.py"\n', 'bentofile.yaml'],
    ['name: [churn\nversion: 1\n', 'not valid YAML'],
    ['name: a\nversion: 1\n---\nname: b\n', 'not valid YAML']
  ])('refuses %j with the reason', (text, expected) => {
    expect(reason(text)).toContain(expected);
  });

  it('never repeats the file in its reason', () => {
    expect(reason('name: churn\nsecret: [hunter2\n')).not.toContain('hunter2');
  });

  it('throws nothing but bentoUnreadable, whatever the text', () => {
    const line = fc.constantFrom(
      'name: churn',
      'version: 1',
      'labels:',
      '  a: b',
      'models: [a, {tag: b}]',
      'services: 3',
      'runners: {a: b}',
      '- x',
      'schema: &x [1]',
      'envs: *x',
      '? {a: b}',
      '\t- :',
      '"'
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(line, fc.string())), lines => {
        try {
          parse(lines.join('\n'));
        } catch (error) {
          expect(error).toMatchObject({ code: 'bentoUnreadable' });
        }
      })
    );
  });
});

describe('cutUnused', () => {
  it('leaves only the sections that are read', () => {
    const cut = cutUnused(BENTO_YAMLS.v14) ?? '';
    expect(cut).toContain('spec: 2');
    expect(cut).toContain('- name: Scaler');
    expect(cut).not.toMatch(/^(schema|image|args|envs):/m);
  });

  it.each([
    ['name: a\n', 'nothing to cut'],
    ['{name: a, schema: b}\n', 'one line'],
    ['labels: {a: b,\nschema: c\n}\nname: a\n', 'a flow map at the margin']
  ])('leaves %j alone: %s', text => {
    expect(cutUnused(text)).toBeUndefined();
  });

  it.each(Object.entries(BENTO_YAMLS))(
    'changes nothing that is read of %s, wherever the sections stand',
    (_age, text) => {
      const sections = text.split(/\n(?=[a-z])/).map(part => part.trimEnd());
      fc.assert(
        fc.property(
          fc.shuffledSubarray(sections, { minLength: sections.length }),
          shuffled => {
            const mixed = shuffled.join('\n') + '\n';
            // Indented by one, the whole root is read: no key stands at the margin.
            const whole = parse(mixed.replace(/^(?=.)/gm, ' '));
            expect(parse(mixed)).toEqual(whole);
          }
        ),
        { numRuns: 20 }
      );
    }
  );
});

const samples = path.join(
  process.env.BENTO_REFERENCE_DIR ??
    path.resolve(__dirname, '../../..', 'shared'),
  'samples'
);
const samplesIt = fs.existsSync(samples) ? it : it.skip;

// Files made by real BentoML releases; skipped where they are not at hand.
samplesIt('reads what real BentoML releases have written', () => {
  for (const age of fs.readdirSync(samples)) {
    const text = fs.readFileSync(path.join(samples, age, 'bento.yaml'), 'utf8');
    const bento = parse(text);
    expect(`bentoml-${bento.bentomlVersion ?? ''}`).toBe(age);
    expect(bento.models).toHaveLength(1);
    expect(bento.labels).toEqual({ owner: 'me', n: '1', flag: 'True' });
    expect(bento.createdAt).toMatch(/^2026-11-30T/);
  }
});
