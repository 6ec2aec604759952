// SPDX-License-Identifier: BSD-3-Clause
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';

import type { PythonEnv } from '../envs';
import { kernelName } from '../envs';
import type { Instance } from '../instance';
import { cacheRoot, repositoryRoot } from '../paths';
import { instanceMarker } from '../processes';
import { examples } from './examples';

/** The environments that a person's work with the examples needs. */
export type WorkEnvs = Record<'current' | 'fraud' | 'tools', PythonEnv>;

/** The product user's place: the examples in its home folder, and the environment it works in. */
export interface Workspace {
  /** The copy of `examples/`, in the home folder. */
  examplesDir: string;
  /** Executed notebooks; they stay when the playground goes. */
  notebooksDir: string;
  /** The complete environment of the product's processes. */
  env: Record<string, string>;
}

function own(instance: Instance, root: string): void {
  const { user } = instance;
  if (!user) {
    return;
  }
  const inside = fs
    .readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map(entry => path.join(root, entry));
  for (const entry of [root, ...inside]) {
    fs.chownSync(entry, user.uid, user.gid);
  }
}

/** A Node that the product's user may run; one in root's home is copied to where it may. */
function nodeFolder(instance: Instance): string {
  const { execPath } = process;
  const { user } = instance;
  const may = spawnSync(execPath, ['--version'], {
    cwd: '/',
    env: {},
    ...(user ? { uid: user.uid, gid: user.gid } : {})
  });
  if (may.status === 0) {
    return path.dirname(execPath);
  }
  const folder = path.join(cacheRoot(), 'node', process.version);
  const copy = path.join(folder, 'node');
  if (!fs.existsSync(copy)) {
    fs.mkdirSync(folder, { recursive: true, mode: 0o755 });
    fs.copyFileSync(execPath, `${copy}.partial`);
    fs.chmodSync(`${copy}.partial`, 0o755);
    fs.renameSync(`${copy}.partial`, copy);
  }
  return folder;
}

function workEnv(instance: Instance, envs: WorkEnvs): Record<string, string> {
  const { current, fraud, tools } = envs;
  const folders = [
    current.bin,
    tools.bin,
    nodeFolder(instance),
    '/usr/local/bin',
    '/usr/bin',
    '/bin'
  ];
  return {
    ...instance.productEnv,
    PATH: [...new Set(folders)].join(path.delimiter),
    JUPYTER_PATH: [current, fraud]
      .map(env => env.jupyterPath)
      .join(path.delimiter),
    [instanceMarker]: instance.dataDir
  };
}

/**
 * Lays out the examples for the product's user, anew each time.
 * @throws Error of the file system.
 */
export function prepareWorkspace(
  instance: Instance,
  envs: WorkEnvs
): Workspace {
  const home = instance.productEnv.HOME ?? instance.dataDir;
  const examplesDir = path.join(home, 'examples');
  const notebooksDir = path.join(instance.logsDir, 'notebooks');
  fs.rmSync(examplesDir, { recursive: true, force: true });
  fs.cpSync(path.join(repositoryRoot, 'examples'), examplesDir, {
    recursive: true,
    filter: source => !/__pycache__|\.ipynb_checkpoints/.test(source)
  });
  fs.mkdirSync(notebooksDir, { recursive: true });
  own(instance, examplesDir);
  own(instance, notebooksDir);
  return { examplesDir, notebooksDir, env: workEnv(instance, envs) };
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * Writes a script that opens a shell as the product's user in its environment, or runs what it is
 * given there. The script holds the S3 keys of the playground: only the invoking user may read it.
 * @returns its path.
 */
export function writeShell(instance: Instance, workspace: Workspace): string {
  const { user } = instance;
  const file = path.join(instance.dataDir, 'shell');
  const become = user
    ? `setpriv --reuid ${String(user.uid)} --regid ${String(user.gid)} --clear-groups `
    : '';
  const variables = Object.entries({
    ...workspace.env,
    TERM: process.env.TERM ?? 'dumb',
    PS1: 'notebook:\\w$ '
  }).map(([name, value]) => `  ${name}=${quoted(value)} \\`);
  const lines = [
    '#!/bin/sh',
    `cd ${quoted(workspace.examplesDir)} || exit`,
    '[ $# -gt 0 ] || set -- bash --noprofile --norc',
    `exec ${become}env -i \\`,
    ...variables,
    '  "$@"'
  ];
  fs.writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o700 });
  return file;
}

/** What a person can do in such a shell, one line each. */
export function suggestions(): string[] {
  const runs = examples.map(
    ({ folder, env }) =>
      `papermill ${folder}/${folder}.ipynb /tmp/${folder}.ipynb --cwd ${folder} -k ${kernelName(env)}`
  );
  return [
    'jupyter bento help',
    'jupyter bento status',
    ...runs,
    'jupyter bento list'
  ];
}
