// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as path from 'node:path';

import { examples } from './examples';
import { cellsOf, readOutputs } from './savedNotebook';

const MIME = 'application/vnd.jupyterlab-bento+json';

function record(kind: string, data: object, ok = true): object {
  return {
    output_type: 'display_data',
    metadata: {},
    data: { 'text/plain': '…', [MIME]: { kind, ok, data } }
  };
}

function cell(source: string, outputs: object[], tags?: string[]): object {
  return {
    cell_type: 'code',
    source: [source],
    metadata: tags ? { tags } : {},
    outputs
  };
}

const stages = [
  { stage: 'preflight', ms: 12 },
  { stage: 'export', ms: 180.4 },
  { stage: 'request', ms: 30 },
  { stage: 'build', ms: 9000 },
  { stage: 'ready', ms: 14000 }
];

function deployCell(found: object[] = stages): object {
  const data = {
    tag: 'iris:abc',
    name: 'iris',
    namespace: 'ds',
    stages: found
  };
  return cell('%bento deploy iris', [record('deploy', data)]);
}

const request = record('request', {
  name: 'iris',
  route: '/classify',
  status: 200,
  ms: 7.6,
  via: 'forward'
});

function askCell(printed: string | string[] = '["setosa"]\n'): object {
  return cell(
    'answer = %bento request iris /classify question',
    [
      { output_type: 'stream', name: 'stderr', text: ['a warning\n'] },
      request,
      { output_type: 'stream', name: 'stdout', text: printed }
    ],
    ['answer']
  );
}

const deleteCell = cell('%bento delete iris --yes', [
  record('delete', { name: 'iris', deleted: ['Bento/iris'], ms: 900 })
]);

function notebook(...cells: object[]): string {
  return JSON.stringify({ cells, metadata: {}, nbformat: 4 });
}

describe('readOutputs', () => {
  it('takes durations and answer from the outputs', () => {
    expect(readOutputs(notebook(deployCell(), askCell(), deleteCell))).toEqual({
      tag: 'iris:abc',
      stages: {
        export: 180,
        build: 9000,
        ready: 14000,
        request: 8,
        delete: 900
      },
      answer: ['setosa']
    });
  });

  it('joins an answer that was saved as lines', () => {
    const asked = askCell(['[\n', '  true,\n', '  false\n', ']\n']);
    expect(
      readOutputs(notebook(deployCell(), asked, deleteCell)).answer
    ).toEqual([true, false]);
  });

  it('takes the request of the cell with the answer', () => {
    const other = cell('%bento request iris /other', [
      record('request', { name: 'iris', route: '/other', ms: 4000 })
    ]);
    const text = notebook(deployCell(), other, askCell(), deleteCell);
    expect(readOutputs(text).stages.request).toBe(8);
  });

  it('tells which cell failed, and how', () => {
    const failed = cell('%bento deploy iris', [
      { output_type: 'error', ename: 'BentoError', evalue: 'buildFailed: …' }
    ]);
    expect(() => readOutputs(notebook(failed, askCell()))).toThrow(
      '%bento deploy iris: BentoError: buildFailed: …'
    );
  });

  it.each([
    ['a deploy', notebook(askCell(), deleteCell), '%bento deploy'],
    ['a delete', notebook(deployCell(), askCell()), '%bento delete'],
    [
      'a request',
      notebook(deployCell(), cell('1', [], ['answer']), deleteCell),
      '%bento request'
    ],
    ['an answer', notebook(deployCell(), deleteCell), '"answer"'],
    ['a stage', notebook(deployCell([]), askCell(), deleteCell), 'export'],
    [
      'JSON',
      notebook(deployCell(), askCell('oops'), deleteCell),
      'not JSON: oops'
    ],
    ['cells', '{}', 'not a notebook']
  ])('says that %s is missing', (_, text, message) => {
    expect(() => readOutputs(text)).toThrow(message);
  });

  it('takes no unsuccessful deploy for one', () => {
    const failed = cell('', [record('deploy', { stages }, false)]);
    expect(() => readOutputs(notebook(failed, askCell(), deleteCell))).toThrow(
      'successful %bento deploy'
    );
  });
});

describe('the examples', () => {
  const load = (folder: string): string =>
    fs.readFileSync(
      path.join(__dirname, '..', '..', 'examples', folder, `${folder}.ipynb`),
      'utf8'
    );

  it.each(examples)('$name has one cell with the answer', ({ folder }) => {
    const tagged = cellsOf(load(folder)).filter(({ tags }) =>
      tags.includes('answer')
    );
    expect(tagged).toHaveLength(1);
  });

  it.each(examples)(
    '$name goes from deploy to delete',
    ({ folder, deployment }) => {
      const lines = cellsOf(load(folder)).flatMap(({ code }) =>
        code.split('\n')
      );
      const verbs = lines.flatMap(line => {
        const found = /^(?:\w+ = )?%bento (\w+)/.exec(line);
        return found ? [found[1]] : [];
      });
      const order = ['deploy', 'status', 'request', 'delete'];
      const places = order.map(verb => verbs.indexOf(verb));
      expect(places.every(place => place >= 0)).toBe(true);
      expect(places).toEqual([...places].sort((a, b) => a - b));
      expect(lines).toContain(`%bento delete ${deployment} --yes`);
    }
  );

  it.each(examples)('$name is kept without outputs', ({ folder }) => {
    const { cells } = JSON.parse(load(folder)) as {
      cells: { outputs?: unknown[]; execution_count?: unknown }[];
    };
    const executed = cells.filter(
      ({ outputs, execution_count: count }) => outputs?.length || count
    );
    expect(executed).toEqual([]);
  });

  it('tell right answers from wrong ones', () => {
    const [iris, fraud] = examples;
    const flowers = ['setosa', 'versicolor', 'virginica'].map(species => ({
      species,
      probability: 0.9
    }));
    expect(iris?.isRight(flowers)).toBe(true);
    expect(iris?.isRight([...flowers].reverse())).toBe(false);
    expect(iris?.isRight('setosa')).toBe(false);
    expect(fraud?.isRight([true, false])).toBe(true);
    expect(fraud?.isRight([true, true])).toBe(false);
    expect(fraud?.isRight(true)).toBe(false);
  });
});
