// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

import { isAlive, logFile, readRecords, runningProcesses } from './processes';
import { startProcess, startTime, stopProcesses } from './processes';
import { waitFor } from './wait';

const patience = { timeoutMs: 10_000 };

describe('processes of a data folder', () => {
  let dataDir: string;

  beforeEach(() => {
    dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'bento-processes-'));
    fs.mkdirSync(path.join(dataDir, 'pids'));
    fs.mkdirSync(path.join(dataDir, 'logs'));
  });

  afterEach(async () => {
    await stopProcesses(dataDir, []);
    fs.rmSync(dataDir, { recursive: true });
  });

  const shell = (name: string, script: string) =>
    startProcess({ dataDir, name, command: '/bin/sh', args: ['-c', script] });

  test('a started process is found by its pid file and its output is in its log', async () => {
    const record = await shell('talker', 'echo hello; exec sleep 1000');
    expect(readRecords(dataDir)).toEqual([record]);
    await waitFor(
      () =>
        fs.readFileSync(logFile(dataDir, 'talker'), 'utf8') === 'hello\n' ||
        undefined,
      {
        what: 'the output',
        ...patience
      }
    );
    await stopProcesses(dataDir, []);
    expect(isAlive(record)).toBe(false);
    expect(readRecords(dataDir)).toEqual([]);
  });

  test('a command that does not exist is an error', async () => {
    const missing = {
      dataDir,
      name: 'missing',
      command: '/does/not/exist',
      args: []
    };
    await expect(startProcess(missing)).rejects.toThrow('ENOENT');
  });

  test('what a killed server leaves behind ends too', async () => {
    // setsid puts the orphan outside the group of the server, so only the marker tells.
    const server = await shell(
      'server',
      'setsid sleep 1000 & sleep 1000 & wait'
    );
    await waitFor(() => runningProcesses(dataDir).length === 3 || undefined, {
      what: 'both children',
      ...patience
    });
    process.kill(server.pid, 'SIGKILL');
    await waitFor(() => !isAlive(server) || undefined, {
      what: 'the server to end',
      ...patience
    });
    expect(runningProcesses(dataDir)).toHaveLength(2);
    await stopProcesses(dataDir, []);
    expect(runningProcesses(dataDir)).toEqual([]);
  });

  test('a graceful server is asked to end first', async () => {
    await shell(
      'polite',
      'trap "echo bye; exit 0" TERM; echo ready; while :; do sleep 0.05; done'
    );
    const log = logFile(dataDir, 'polite');
    await waitFor(
      () => fs.readFileSync(log, 'utf8').includes('ready') || undefined,
      {
        what: 'the trap',
        ...patience
      }
    );
    await stopProcesses(dataDir, ['polite']);
    expect(fs.readFileSync(log, 'utf8')).toContain('bye');
  });

  test('another process that got the pid of an ended one is left alone', async () => {
    const stranger = { name: 'stranger', pid: process.pid, started: '1' };
    fs.writeFileSync(
      path.join(dataDir, 'pids', 'stranger.json'),
      JSON.stringify(stranger)
    );
    expect(isAlive(stranger)).toBe(false);
    expect(isAlive({ pid: process.pid, started: startTime(process.pid) })).toBe(
      true
    );
    await stopProcesses(dataDir, ['stranger']);
  });
});
