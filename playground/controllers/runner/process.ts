// SPDX-License-Identifier: BSD-3-Clause
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import * as fs from 'node:fs';

import type { CriLog } from './criLog';

/** What to run. */
export interface LaunchPlan {
  command: string;
  args: string[];
  cwd: string;
  env: Record<string, string>;
  user?: { uid: number; gid: number };
}

/** How it ended; a signal shows as 128 and its number, as in a container. */
export interface ExitInfo {
  exitCode: number;
  signal?: number;
}

/** Variable that every process of a container carries, since some leave its process group. */
const containerMarker = 'BENTO_PLAYGROUND_CONTAINER';

function markedPids(marker: string): number[] {
  const wanted = `${containerMarker}=${marker}`;
  let entries: string[];
  try {
    entries = fs.readdirSync('/proc');
  } catch {
    return [];
  }
  return entries
    .filter(entry => /^\d+$/.test(entry))
    .flatMap(entry => {
      try {
        const environment = fs.readFileSync(`/proc/${entry}/environ`, 'utf8');
        return environment.split('\0').includes(wanted) ? [Number(entry)] : [];
      } catch {
        // Gone meanwhile, or of another user.
        return [];
      }
    });
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') {
      throw error;
    }
  }
}

/**
 * The processes of one container: a process in a group of its own and all that it starts. When the
 * first process ends the others are killed, as a container's are.
 */
export class ContainerProcess {
  /** Resolves when all of it has ended; never rejects. */
  readonly exited: Promise<ExitInfo>;
  private readonly child: ChildProcess;

  /** @param marker tells this container's processes from all others. */
  constructor(
    plan: LaunchPlan,
    log: CriLog,
    private readonly marker: string
  ) {
    this.child = spawn(plan.command, plan.args, {
      cwd: plan.cwd,
      env: { ...plan.env, [containerMarker]: marker },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...plan.user
    });
    this.child.stdout?.on('data', (chunk: Buffer) => {
      log.write('stdout', chunk);
    });
    this.child.stderr?.on('data', (chunk: Buffer) => {
      log.write('stderr', chunk);
    });
    this.exited = this.untilExit(log);
  }

  /** Asks it to end, and kills it when it has not after that time. */
  async stop(graceMs: number): Promise<void> {
    this.signalGroup('SIGTERM');
    const timer = setTimeout(() => {
      this.signalGroup('SIGKILL');
    }, graceMs);
    await this.exited;
    clearTimeout(timer);
  }

  private signalGroup(signal: NodeJS.Signals): void {
    if (this.child.pid !== undefined && !this.hasExited()) {
      kill(-this.child.pid, signal);
    }
  }

  private hasExited(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  private untilExit(log: CriLog): Promise<ExitInfo> {
    return new Promise(resolve => {
      let info: ExitInfo = { exitCode: 128 };
      this.child.once('error', error => {
        log.say(error.message);
        resolve(info);
      });
      this.child.once('exit', (code, signal) => {
        const number = signal ? constants.signals[signal] : undefined;
        info = { exitCode: code ?? 128 + (number ?? 0), signal: number };
        this.killRest();
      });
      // After the exit, and when nobody holds the output any more.
      this.child.once('close', () => {
        resolve(info);
      });
    });
  }

  private killRest(): void {
    if (this.child.pid !== undefined) {
      kill(-this.child.pid, 'SIGKILL');
    }
    markedPids(this.marker).forEach(pid => {
      kill(pid, 'SIGKILL');
    });
  }
}
