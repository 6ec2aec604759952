// SPDX-License-Identifier: BSD-3-Clause
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';

/** Who the product runs as when root starts a playground; anybody else runs it as themselves. */
export function unprivileged(): { uid: number; gid: number } | undefined {
  return process.getuid?.() === 0 ? { uid: 1000, gid: 100 } : undefined;
}

/** A Python that environments can be made from. */
export interface BasePython {
  path: string;
  /** Minor version of Python 3. */
  minor: number;
}

/** The oldest minor version of Python 3 that is supported. */
export const oldestMinor = 10;

const probe =
  'import sys, venv, ensurepip; print(sys.version_info[0], sys.version_info[1])';

/** Runs the probe as the product's user, who must be able to run what is made from it. */
function examine(candidate: string): { minor: number } | { reason: string } {
  const result = spawnSync(candidate, ['-c', probe], {
    ...unprivileged(),
    cwd: '/',
    encoding: 'utf8',
    env: { PATH: process.env.PATH },
    timeout: 60_000
  });
  if (result.error) {
    const { code } = result.error as NodeJS.ErrnoException;
    const who = unprivileged() ? 'uid 1000' : 'you';
    return {
      reason: code === 'EACCES' ? `${who} may not run it` : String(code)
    };
  }
  const version = /^3 (\d+)$/.exec(result.stdout.trim());
  if (result.status === 0 && version) {
    return { minor: Number(version[1]) };
  }
  const why = result.stderr.trim().split('\n').at(-1);
  return { reason: why === undefined || why === '' ? 'it fails' : why };
}

function candidates(): string[] {
  const { BENTO_PYTHON, PATH = '' } = process.env;
  if (BENTO_PYTHON) {
    return [BENTO_PYTHON];
  }
  const names = [
    'python3',
    'python3.12',
    'python3.11',
    'python3.13',
    'python3.10'
  ];
  const folders = [
    ...PATH.split(path.delimiter),
    '/usr/bin',
    '/usr/local/bin',
    '/opt/homebrew/bin'
  ];
  const found = names.flatMap(name =>
    folders.map(folder => path.join(folder, name)).filter(fs.existsSync)
  );
  return [...new Set(found)];
}

/**
 * The first Python on this machine that is old and new enough, has venv, and can be run by the
 * product's user: one below root's home (pyenv, conda) cannot. `BENTO_PYTHON` decides alone if set.
 * @throws Error that lists what was tried and says what to install.
 */
export function findBasePython(newestMinor: number): BasePython {
  const tried: string[] = [];
  for (const candidate of candidates()) {
    const found = examine(candidate);
    if ('reason' in found) {
      tried.push(`  ${candidate}: ${found.reason}`);
    } else if (found.minor < oldestMinor || found.minor > newestMinor) {
      tried.push(`  ${candidate}: it is 3.${String(found.minor)}`);
    } else {
      return { path: candidate, minor: found.minor };
    }
  }
  const range = `3.${String(oldestMinor)} to 3.${String(newestMinor)}`;
  const who = unprivileged()
    ? 'the unprivileged user that notebooks run as (uid 1000)'
    : 'you';
  throw new Error(
    [
      `No Python ${range} with venv was found that ${who} can run.`,
      ...(tried.length > 0 ? ['Tried:', ...tried] : []),
      'Install one, for instance with "apt-get install python3 python3-venv", or name one in BENTO_PYTHON.'
    ].join('\n')
  );
}
