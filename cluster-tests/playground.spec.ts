// SPDX-License-Identifier: BSD-3-Clause

import type { Instance } from '../playground/instance';
import {
  down,
  readFaults,
  setFaults,
  status,
  up
} from '../playground/instance';
import { repositoryRoot } from '../playground/paths';
import {
  isAlive,
  readRecords,
  runningProcesses
} from '../playground/processes';
import { waitFor } from '../playground/wait';
import type { Result } from './kubectl';
import { run } from './kubectl';

// Building the servers comes first on a machine that never did.
const untilBuilt = 25 * 60_000;

// Without controllers: what they do has tests of its own.
const names = { byCommand: 'spec-command', byLibrary: 'spec-library' };

const cli = (...args: string[]): Promise<Result> =>
  run(
    process.execPath,
    ['--import', 'tsx', 'playground/main.ts', ...args, '--json'],
    {
      cwd: repositoryRoot
    }
  );

let byCommand: Instance;
let byLibrary: Instance;

beforeAll(async () => {
  const [printed, instance] = await Promise.all([
    cli('up', '--name', names.byCommand, '--fault', 'build-fails'),
    up({ name: names.byLibrary, controllers: false })
  ]);
  byLibrary = instance;
  const answer = JSON.parse(printed.stdout) as {
    ok: boolean;
    instance: Instance;
  };
  expect(answer.ok).toBe(true);
  byCommand = answer.instance;
}, untilBuilt);

afterAll(async () => {
  await Promise.all(Object.values(names).map(down));
});

describe('a playground', () => {
  test('runs beside another one, and outlives the command that started it', async () => {
    const both = await Promise.all(Object.values(names).map(status));
    expect(both.map(({ state, reasons }) => ({ state, reasons }))).toEqual([
      { state: 'ready', reasons: [] },
      { state: 'ready', reasons: [] }
    ]);
    const ports = [...byCommand.ports, ...byLibrary.ports];
    expect(new Set(ports).size).toBe(ports.length);
  });

  test('up on a running one changes nothing but the faults it is given', async () => {
    const before = (await status(names.byCommand)).servers.map(
      ({ pid }) => pid
    );
    const again = await up({ name: names.byCommand });
    expect(again).toEqual(byCommand);
    expect(
      (await status(names.byCommand)).servers.map(({ pid }) => pid)
    ).toEqual(before);
    expect(readFaults(again)).toEqual(['build-fails']);
  });

  test('faults are set, listed and cleared', async () => {
    const where = ['--name', names.byCommand];
    const set = await cli('fault', 'set', 's3-refuses-download', ...where);
    expect(JSON.parse(set.stdout)).toMatchObject({
      ok: true,
      active: ['s3-refuses-download']
    });
    expect(readFaults(byCommand)).toEqual(['s3-refuses-download']);
    const unknown = await cli('fault', 'set', 'no-such-fault', ...where);
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain('namespace-not-watched');
    await cli('fault', 'clear', ...where);
    expect(readFaults(byCommand)).toEqual([]);
    setFaults(byCommand, ['build-fails']);
    const listed = await cli('fault', 'list', ...where);
    expect(JSON.parse(listed.stdout)).toMatchObject({
      active: ['build-fails']
    });
  });
});

describe('a playground of which a server was killed', () => {
  /** Starts it if need be, then kills etcd. */
  async function crash(): Promise<Instance> {
    const instance = await up({ name: names.byLibrary, controllers: false });
    const etcd = readRecords(instance.dataDir).find(
      record => record.name === 'etcd'
    );
    if (!etcd) {
      throw new Error('etcd has no pid file');
    }
    process.kill(etcd.pid, 'SIGKILL');
    await waitFor(() => !isAlive(etcd) || undefined, {
      what: 'etcd to end',
      timeoutMs: 10_000
    });
    return instance;
  }

  test('says which one, starts afresh with up, and leaves nothing with down', async () => {
    const first = await crash();
    const broken = await status(names.byLibrary);
    expect(broken.state).toBe('broken');
    expect(broken.reasons.join('\n')).toContain('etcd does not run');

    const second = await crash();
    expect(second.apiServer).not.toBe(first.apiServer);

    await down(names.byLibrary);
    expect(runningProcesses(second.dataDir)).toEqual([]);
    const listed = await run('/bin/ps', ['-eo', 'args']);
    expect(listed.stdout).not.toContain(second.dataDir);
    expect((await status(names.byLibrary)).state).toBe('absent');
  });
});
