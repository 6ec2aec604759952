// SPDX-License-Identifier: BSD-3-Clause
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';

import { sleep } from './wait';

/**
 * The environment variable that every process of a playground carries, with the playground's data
 * folder as value. Processes that outlive their parent are found by it, so whoever starts one on
 * behalf of a playground passes it on.
 */
export const instanceMarker = 'BENTO_PLAYGROUND_DIR';

/** A process as its pid file tells it. */
export interface ProcessRecord {
  name: string;
  pid: number;
  /** When the kernel started it, in ticks since boot; tells a reused pid. Empty without /proc. */
  started: string;
}

/** What to run, and where what it prints goes: `logs/<name>.log` of the data folder. */
export interface ProcessOptions {
  dataDir: string;
  name: string;
  command: string;
  args: readonly string[];
  cwd?: string;
  env?: Record<string, string>;
}

function pidFile(dataDir: string, name: string): string {
  return path.join(dataDir, 'pids', `${name}.json`);
}

/** The log of one server of a playground. */
export function logFile(dataDir: string, name: string): string {
  return path.join(dataDir, 'logs', `${name}.log`);
}

/** Fields 3 and 22 of /proc/PID/stat; undefined when there is no such process or no /proc. */
function readStat(pid: number): { state: string; started: string } | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '', started: fields[19] ?? '' };
  } catch {
    return undefined;
  }
}

/** The start time of a process, to tell it from a later one of the same pid; empty without /proc. */
export function startTime(pid: number): string {
  return readStat(pid)?.started ?? '';
}

/** Whether this very process still runs; a zombie and a later process of the same pid do not count. */
export function isAlive(
  record: Pick<ProcessRecord, 'pid' | 'started'>
): boolean {
  const stat = readStat(record.pid);
  if (stat) {
    return stat.state !== 'Z' && stat.started === record.started;
  }
  if (fs.existsSync('/proc/self/stat')) {
    return false;
  }
  try {
    process.kill(record.pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Resident memory in bytes; undefined where /proc does not tell. */
export function residentBytes(pid: number): number | undefined {
  try {
    const status = fs.readFileSync(`/proc/${String(pid)}/status`, 'utf8');
    const found = /^VmRSS:\s+(\d+) kB$/m.exec(status);
    return found ? Number(found[1]) * 1024 : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Starts a process in a group of its own that outlives this one, and writes its pid file.
 * Of this process's environment it gets PATH, HOME, TMPDIR and LANG only.
 * @throws Error when the command cannot be started.
 */
export async function startProcess(
  options: ProcessOptions
): Promise<ProcessRecord> {
  const { dataDir, name } = options;
  const inherited = [
    'PATH',
    'HOME',
    'TMPDIR',
    'LANG',
    'BENTO_CACHE_DIR'
  ].flatMap(key =>
    process.env[key] === undefined ? [] : [[key, process.env[key]] as const]
  );
  const log = fs.openSync(logFile(dataDir, name), 'a');
  const child = spawn(options.command, options.args, {
    cwd: options.cwd ?? dataDir,
    env: {
      ...Object.fromEntries(inherited),
      ...options.env,
      [instanceMarker]: dataDir
    },
    detached: true,
    stdio: ['ignore', log, log]
  });
  fs.closeSync(log);
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  child.unref();
  const pid = child.pid;
  if (pid === undefined) {
    throw new Error(`${name} got no pid.`);
  }
  const record = { name, pid, started: startTime(pid) };
  try {
    // Whole or not at all, since others read these files at any time.
    const file = pidFile(dataDir, name);
    fs.writeFileSync(`${file}.new`, JSON.stringify(record));
    fs.renameSync(`${file}.new`, file);
  } catch (error) {
    // The playground was stopped meanwhile: what it could not record must not stay.
    signal(-pid, 'SIGKILL');
    throw error;
  }
  return record;
}

/** What the pid files of a data folder tell, whether it still runs or not. */
export function readRecords(dataDir: string): ProcessRecord[] {
  const folder = path.join(dataDir, 'pids');
  if (!fs.existsSync(folder)) {
    return [];
  }
  return fs
    .readdirSync(folder)
    .filter(file => file.endsWith('.json'))
    .map(
      file =>
        JSON.parse(
          fs.readFileSync(path.join(folder, file), 'utf8')
        ) as ProcessRecord
    );
}

/** Every running process that carries the marker of this data folder; nothing where /proc is missing. */
export function markedProcesses(dataDir: string): ProcessRecord[] {
  if (!fs.existsSync('/proc/self/environ')) {
    return [];
  }
  const wanted = `${instanceMarker}=${dataDir}`;
  return fs.readdirSync('/proc').flatMap(entry => {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) {
      return [];
    }
    try {
      const environment = fs
        .readFileSync(`/proc/${entry}/environ`, 'utf8')
        .split('\0');
      const record = { name: `pid ${entry}`, pid, started: startTime(pid) };
      return environment.includes(wanted) && isAlive(record) ? [record] : [];
    } catch {
      // Gone meanwhile, or another user's, which is none of ours.
      return [];
    }
  });
}

/** Every running process of a data folder: the servers, and what they started. */
export function runningProcesses(dataDir: string): ProcessRecord[] {
  const servers = readRecords(dataDir).filter(isAlive);
  const known = new Set(servers.map(record => record.pid));
  return [
    ...servers,
    ...markedProcesses(dataDir).filter(record => !known.has(record.pid))
  ];
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') {
      throw error;
    }
  }
}

async function untilGone(
  records: readonly ProcessRecord[],
  timeoutMs: number
): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (records.some(isAlive)) {
    if (Date.now() > deadline) {
      return false;
    }
    await sleep(20);
  }
  return true;
}

/**
 * Asks the named servers to end, in that order, then kills whatever of the data folder still runs.
 * @param gracefulMs how long each of the named ones may take to end by itself.
 * @throws Error that lists the processes which would not die.
 */
export async function stopProcesses(
  dataDir: string,
  graceful: readonly string[],
  gracefulMs = 10_000
): Promise<void> {
  for (const name of graceful) {
    const found = readRecords(dataDir).filter(
      record => record.name === name && isAlive(record)
    );
    found.forEach(record => {
      signal(record.pid, 'SIGTERM');
    });
    await untilGone(found, gracefulMs);
  }
  const pids = path.join(dataDir, 'pids');
  const deadline = Date.now() + 10_000;
  for (;;) {
    // Again and again, since a process may start another between the look and the kill.
    const left = runningProcesses(dataDir);
    if (left.length === 0) {
      if (!fs.existsSync(pids)) {
        break;
      }
      // Without this folder nothing more can be started; then one last look.
      fs.rmSync(pids, { recursive: true });
      continue;
    }
    if (Date.now() > deadline) {
      const names = left.map(
        record => `${record.name} (pid ${String(record.pid)})`
      );
      throw new Error(
        `These processes of ${dataDir} would not end: ${names.join(', ')}.`
      );
    }
    // The servers' groups first: the group's id stays taken while its leader lives.
    const leaders = readRecords(dataDir).filter(isAlive);
    leaders.forEach(record => {
      signal(-record.pid, 'SIGKILL');
    });
    left.forEach(record => {
      signal(record.pid, 'SIGKILL');
    });
    await untilGone(left, 2_000);
  }
}
