// SPDX-License-Identifier: BSD-3-Clause
import { spawn } from 'node:child_process';
import * as path from 'node:path';
import * as readline from 'node:readline';

/** A program that may run for long and tells what it does line by line. */
export interface LineRun {
  command: string;
  args: readonly string[];
  cwd?: string;
  /** The complete environment. */
  env: NodeJS.ProcessEnv;
  /** Runs it as this user, when the invoking one is root. */
  user?: { uid: number; gid: number } | null;
  /** Gets each line of standard output and standard error. */
  onLine?: (line: string) => void;
  /** Ends the program, with what it started, when aborted; so does the end of this process. */
  signal?: AbortSignal;
}

function describeEnd(
  code: number | null,
  signal: NodeJS.Signals | null
): string {
  return signal ? `was ended by ${signal}` : `failed with ${String(code)}`;
}

/**
 * Runs a program to its end in a process group of its own.
 * @throws Error with the last lines it printed when it fails, or when it cannot be started.
 */
export async function runLines(run: LineRun): Promise<void> {
  run.signal?.throwIfAborted();
  const child = spawn(run.command, run.args, {
    cwd: run.cwd,
    env: run.env,
    ...(run.user ? { uid: run.user.uid, gid: run.user.gid } : {}),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true
  });
  const end = (): void => {
    if (child.pid !== undefined && child.exitCode === null) {
      process.kill(-child.pid, 'SIGTERM');
    }
  };
  const last: string[] = [];
  for (const input of [child.stdout, child.stderr]) {
    readline.createInterface({ input }).on('line', line => {
      last.push(line);
      last.splice(0, last.length - 20);
      run.onLine?.(line);
    });
  }
  run.signal?.addEventListener('abort', end);
  // In a group of its own it does not get the terminal's Ctrl-C.
  process.once('exit', end);
  const name = path.basename(run.command);
  try {
    await new Promise<void>((resolve, reject) => {
      child.once('error', cause => {
        reject(new Error(`${run.command} cannot be run.`, { cause }));
      });
      child.once('close', (code, signal) => {
        if (code === 0) {
          resolve();
        } else {
          const how = describeEnd(code, signal);
          reject(new Error(`${name} ${how}:\n${last.join('\n')}`));
        }
      });
    });
  } finally {
    run.signal?.removeEventListener('abort', end);
    process.removeListener('exit', end);
  }
}
