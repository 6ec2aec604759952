// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as path from 'node:path';

import { isAlive, startTime } from './processes';
import { sleep } from './wait';

interface Holder {
  pid: number;
  started: string;
}

/** A lock held by a process that is gone is moved aside; whoever moves it first may try again. */
function removeStale(file: string): void {
  let holder: Holder;
  try {
    holder = JSON.parse(fs.readFileSync(file, 'utf8')) as Holder;
  } catch {
    // Not written yet, or released meanwhile.
    return;
  }
  if (isAlive(holder)) {
    return;
  }
  const aside = `${file}.${String(process.pid)}`;
  try {
    fs.renameSync(file, aside);
    fs.rmSync(aside, { force: true });
  } catch {
    // Another process was faster.
  }
}

function take(file: string): boolean {
  const mine = `${file}.${String(process.pid)}.${String(process.hrtime.bigint())}`;
  // Written first and linked then, so that a lock file is never seen half written.
  fs.writeFileSync(
    mine,
    JSON.stringify({ pid: process.pid, started: startTime(process.pid) })
  );
  try {
    fs.linkSync(mine, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw error;
    }
    return false;
  } finally {
    fs.rmSync(mine, { force: true });
  }
}

/**
 * Runs `work` while holding the lock `file`; one at a time among all processes of this machine.
 * A lock whose holder died is taken over.
 * @param onWait called once when another process holds the lock.
 */
export async function withLock<T>(
  file: string,
  work: () => Promise<T>,
  onWait?: () => void
): Promise<T> {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  for (let waited = false; !take(file); waited = true) {
    if (!waited) {
      onWait?.();
    }
    removeStale(file);
    await sleep(100);
  }
  try {
    return await work();
  } finally {
    fs.rmSync(file, { force: true });
  }
}
