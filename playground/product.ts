// SPDX-License-Identifier: BSD-3-Clause
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';

import type { EnvName, Progress, PythonEnv } from './envs';
import { ensureEnv, installProduct } from './envs';
import { withLock } from './lock';
import { cacheRoot, repositoryRoot } from './paths';
import { runLines } from './runLines';

/** What the wheel is made from. */
const inputs = [
  'LICENSE',
  'README.md',
  'hatch_build.py',
  'jupyterlab_bento',
  'package-lock.json',
  'package.json',
  'pyproject.toml',
  'scripts/build.mjs',
  'scripts/esbuildStubs.mjs',
  'src'
];

/** Tests, and what the build itself writes. */
const left =
  /(^|\/)(__pycache__|tests|testing|jupyterlab_bento\/bridge)(\/|$)|\.spec\.ts$/;

function filesBelow(relative: string): string[] {
  const absolute = path.join(repositoryRoot, relative);
  if (left.test(relative) || !fs.existsSync(absolute)) {
    return [];
  }
  if (!fs.statSync(absolute).isDirectory()) {
    return [relative];
  }
  return fs
    .readdirSync(absolute)
    .sort()
    .flatMap(entry => filesBelow(`${relative}/${entry}`));
}

function inputsKey(): string {
  const hash = createHash('sha256');
  for (const file of inputs.flatMap(filesBelow)) {
    hash.update(`${file}\0`);
    hash.update(fs.readFileSync(path.join(repositoryRoot, file)));
    hash.update('\0');
  }
  return hash.digest('hex').slice(0, 16);
}

function wheelIn(folder: string): string | undefined {
  const names = fs.existsSync(folder) ? fs.readdirSync(folder) : [];
  const wheel = names.find(name => name.endsWith('.whl'));
  return wheel && path.join(folder, wheel);
}

async function build(folder: string): Promise<void> {
  const tools = await ensureEnv('tools');
  const partial = `${folder}.partial`;
  fs.rmSync(partial, { recursive: true, force: true });
  await runLines({
    command: process.execPath,
    args: [path.join('scripts', 'build.mjs')],
    cwd: repositoryRoot,
    env: process.env
  });
  const args = ['-m', 'build', '--wheel', '--no-isolation'];
  await runLines({
    command: tools.python,
    args: [...args, '--outdir', partial, repositoryRoot],
    cwd: '/',
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' }
  });
  fs.renameSync(partial, folder);
}

/**
 * Gives the product's wheel, building bridge and wheel when any of their sources changed.
 * @throws Error with the end of what the build printed.
 */
export async function ensureWheel(
  onProgress: Progress = () => undefined
): Promise<string> {
  const folder = path.join(cacheRoot(), 'wheels', inputsKey());
  const wheel = await withLock(`${folder}.lock`, async () => {
    if (!wheelIn(folder)) {
      onProgress('building the wheel of jupyterlab-bento');
      await build(folder);
    }
    return wheelIn(folder);
  });
  if (!wheel) {
    throw new Error(`The build left no wheel in ${folder}.`);
  }
  return wheel;
}

/**
 * Gives these environments with the product of this checkout installed in each.
 * @throws Error as `ensureEnv` and `ensureWheel` do.
 */
export async function ensureProduct<Name extends EnvName>(
  names: readonly Name[],
  onProgress: Progress = () => undefined
): Promise<Record<Name, PythonEnv>> {
  const found = {} as Record<Name, PythonEnv>;
  // One after the other: each keeps all cores busy.
  for (const name of names) {
    found[name] = await ensureEnv(name, { onProgress });
  }
  const wheel = await ensureWheel(onProgress);
  for (const name of names) {
    await installProduct(found[name], wheel);
  }
  return found;
}
