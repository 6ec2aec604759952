// SPDX-License-Identifier: BSD-3-Clause

/** The part of a cell's output that `%bento` writes for programs. */
const MIME = 'application/vnd.jupyterlab-bento+json';

/** What `%bento` did, as its cell's output says. */
interface BentoRecord {
  kind: string;
  ok: boolean;
  data: unknown;
}

interface Output {
  output_type: string;
  data?: Record<string, unknown>;
  /** Of a stream. */
  name?: string;
  text?: string | string[];
  /** Of an error. */
  ename?: string;
  evalue?: string;
}

interface Cell {
  cell_type: string;
  source: string | string[];
  metadata: { tags?: string[] };
  outputs?: Output[];
}

/** The durations that a notebook's outputs tell, in milliseconds. */
export interface StageTimes {
  export: number;
  /** Of the image. */
  build: number;
  ready: number;
  request: number;
  delete: number;
}

/** What the saved outputs of an executed notebook tell. */
export interface SavedOutputs {
  tag: string;
  stages: StageTimes;
  /** What the service answered in the cell tagged `answer`. */
  answer: unknown;
}

function joined(text: string | string[] | undefined): string {
  return Array.isArray(text) ? text.join('') : (text ?? '');
}

/**
 * The cells of a notebook, with the source of those that hold code.
 * @throws Error when the text is not a notebook.
 */
export function cellsOf(text: string): { code: string; tags: string[] }[] {
  return parseCells(text).map(({ cell_type: type, source, metadata }) => ({
    code: type === 'code' ? joined(source) : '',
    tags: metadata.tags ?? []
  }));
}

function parseCells(text: string): Cell[] {
  const { cells } = JSON.parse(text) as { cells?: Cell[] };
  if (!Array.isArray(cells)) {
    throw new Error('This is not a notebook: it has no cells.');
  }
  return cells;
}

function recordsOf(cell: Cell): BentoRecord[] {
  return (cell.outputs ?? []).flatMap(({ data }) =>
    data?.[MIME] === undefined ? [] : [data[MIME] as BentoRecord]
  );
}

/** The data of the first successful record of a kind. */
function dataOf(records: BentoRecord[], kind: string): Record<string, unknown> {
  const found = records.find(record => record.kind === kind && record.ok);
  if (typeof found?.data !== 'object' || found.data === null) {
    throw new Error(`No output of a successful %bento ${kind} was saved.`);
  }
  return found.data as Record<string, unknown>;
}

function milliseconds(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
    throw new Error(`The saved outputs do not tell how long ${what} took.`);
  }
  return Math.round(value);
}

function stageTime(deployed: Record<string, unknown>, stage: string): number {
  const stages = Array.isArray(deployed.stages) ? deployed.stages : [];
  const found = (stages as { stage: string; ms: unknown }[]).find(
    candidate => candidate.stage === stage
  );
  return milliseconds(found?.ms, `the stage ${stage}`);
}

/** The error that ended the execution, if one did. */
function failureOf(cells: Cell[]): string | undefined {
  for (const cell of cells) {
    const failed = cell.outputs?.find(output => output.output_type === 'error');
    if (failed) {
      const where = joined(cell.source).split('\n')[0] ?? '';
      return `${where}: ${String(failed.ename)}: ${String(failed.evalue)}`;
    }
  }
  return undefined;
}

function answerOf(cell: Cell): unknown {
  const printed = (cell.outputs ?? [])
    .filter(
      ({ output_type, name }) => output_type === 'stream' && name === 'stdout'
    )
    .map(({ text }) => joined(text))
    .join('');
  try {
    return JSON.parse(printed) as unknown;
  } catch {
    throw new Error(`The answer that was printed is not JSON: ${printed}`);
  }
}

/**
 * Reads what an executed notebook says of its deployment.
 * @throws Error with the cell that failed, or naming the output that is missing.
 */
export function readOutputs(text: string): SavedOutputs {
  const cells = parseCells(text);
  const failure = failureOf(cells);
  if (failure !== undefined) {
    throw new Error(failure);
  }
  const asking = cells.find(cell => cell.metadata.tags?.includes('answer'));
  if (!asking) {
    throw new Error('No cell is tagged "answer".');
  }
  const records = cells.flatMap(recordsOf);
  const deployed = dataOf(records, 'deploy');
  const requested = dataOf(recordsOf(asking), 'request');
  const deleted = dataOf(records, 'delete');
  return {
    tag: String(deployed.tag),
    stages: {
      export: stageTime(deployed, 'export'),
      build: stageTime(deployed, 'build'),
      ready: stageTime(deployed, 'ready'),
      request: milliseconds(requested.ms, 'the request'),
      delete: milliseconds(deleted.ms, 'the deletion')
    },
    answer: answerOf(asking)
  };
}
