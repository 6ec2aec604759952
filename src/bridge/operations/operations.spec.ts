// SPDX-License-Identifier: BSD-3-Clause
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { BentoError } from '../../domain/errors';
import type { Operation } from '../../protocol';
import { Hub } from '../rpc/hub';
import { Journal } from './journal';
import { Operations, OPERATIONS_TOPIC, type OperationWork } from './operations';

describe('Operations', () => {
  let folder: string;
  let hub: Hub;
  let journal: Journal;
  let operations: Operations;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'bento-operations-'));
    hub = new Hub();
    journal = new Journal(folder, () => undefined);
    operations = new Operations(hub, journal);
  });

  afterEach(async () => {
    await operations.close();
    journal.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function start(work: OperationWork): Promise<Operation> {
    return operations.start({
      entry: { kind: 'export', spec: { tag: 'iris:1' } },
      stages: ['export', 'request'],
      show: { tag: 'iris:1' },
      work
    });
  }

  const forever = new AbortController().signal;

  it('times its stages and tells followers', async () => {
    const { id } = await start(async report => {
      await report.stage('export', () => {
        report.update('export', { bytes: { done: 1, total: 2 } });
        return Promise.resolve();
      });
      report.skip('request', 'not needed');
    });
    const seen: string[] = [];
    const ended = await operations.follow(id, forever, ({ stages }) =>
      seen.push(stages.map(({ state }) => state).join(' '))
    );
    expect(ended).toMatchObject({
      state: 'done',
      stages: [
        { stage: 'export', state: 'done', bytes: { done: 1, total: 2 } },
        { stage: 'request', state: 'skipped', note: 'not needed' }
      ]
    });
    expect(ended.stages[0]?.ms).toBeGreaterThanOrEqual(0);
    expect(seen[seen.length - 1]).toBe('done skipped');
    expect(hub.snapshot(OPERATIONS_TOPIC)[id]).toMatchObject({ state: 'done' });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('carries the error of the stage that failed', async () => {
    const { id } = await start(report =>
      report.stage('export', () =>
        Promise.reject(new BentoError('destinationMissing'))
      )
    );
    expect(await operations.follow(id, forever, () => undefined)).toMatchObject(
      {
        state: 'failed',
        error: { code: 'destinationMissing' },
        stages: [{ state: 'failed' }, { state: 'pending' }]
      }
    );
  });

  function untilAborted(signal: AbortSignal): Promise<void> {
    return new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('aborted')));
    });
  }

  it('goes on when a follower leaves, and ends when it is cancelled', async () => {
    const { id } = await start(report =>
      report.stage('export', () => untilAborted(report.signal))
    );
    const leaving = new AbortController();
    const followed = operations.follow(id, leaving.signal, () => undefined);
    leaving.abort();
    expect(await followed).toMatchObject({ state: 'running' });
    expect(await operations.cancel(id)).toMatchObject({
      state: 'cancelled',
      error: { code: 'cancelled' }
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('leaves its work in the journal when the bridge stops', async () => {
    const { id } = await start(async report => {
      await report.upload({ bucket: 'b', key: 'k', uploadId: 'u' });
      await report.stage('export', () => untilAborted(report.signal));
    });
    await operations.close();
    expect(readdirSync(folder)).toEqual([`${id}.json`]);
    // The bridge that wrote it is this process, so nobody else may take it.
    expect(await new Journal(folder, () => undefined).adopt()).toEqual([]);
  });

  it('gives the work of a dead bridge to exactly one other', async () => {
    const dead = spawnSync(process.execPath, ['-e', '']).pid;
    const entry = {
      id: 'one',
      kind: 'export',
      spec: { tag: 'iris:1' },
      startedAt: '2026-01-01T00:00:00Z',
      upload: { bucket: 'b', key: 'k', uploadId: 'u' }
    };
    const owner = { host: hostname(), pid: dead, started: '1' };
    writeFileSync(
      join(folder, 'one.json'),
      JSON.stringify({ ...entry, owner })
    );
    const journals = [1, 2, 3].map(() => new Journal(folder, () => undefined));
    const adopted = await Promise.all(journals.map(each => each.adopt()));
    journals.forEach(each => each.close());
    expect(adopted.flat()).toEqual([entry]);
    expect(readdirSync(folder)).toEqual(['one.json']);
  });

  it('leaves alone what another living pod shows signs of', async () => {
    const owner = { host: 'another-pod', pid: 1, started: '1' };
    const text = JSON.stringify({
      id: 'one',
      kind: 'export',
      spec: { tag: 'iris:1' },
      startedAt: '',
      owner
    });
    writeFileSync(join(folder, 'one.json'), text);
    expect(await journal.adopt()).toEqual([]);
    expect(readFileSync(join(folder, 'one.json'), 'utf8')).toBe(text);
  });

  it('works without a place for its journal', async () => {
    const nowhere = new Journal('/dev/null/none', () => undefined);
    const without = new Operations(hub, nowhere);
    const { id } = await without.start({
      entry: { kind: 'export', spec: { tag: 'iris:1' } },
      stages: ['export'],
      show: { tag: 'iris:1' },
      work: report => report.stage('export', () => Promise.resolve())
    });
    expect(await without.follow(id, forever, () => undefined)).toMatchObject({
      state: 'done'
    });
    nowhere.close();
  });
});
