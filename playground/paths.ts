// SPDX-License-Identifier: BSD-3-Clause
import * as os from 'node:os';
import * as path from 'node:path';

/** The root of this repository. */
export const repositoryRoot = path.resolve(__dirname, '..');

/**
 * The folder for everything that is built once and everything that runs.
 *
 * `BENTO_CACHE_DIR` if set; for root `/var/cache/jupyterlab-bento`, since the product runs there as
 * another user who cannot enter root's home; else `jupyterlab-bento` in the user's cache folder.
 */
export function cacheRoot(): string {
  const chosen = process.env.BENTO_CACHE_DIR;
  if (chosen) {
    return path.resolve(chosen);
  }
  if (process.getuid?.() === 0) {
    return '/var/cache/jupyterlab-bento';
  }
  const caches =
    process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache');
  return path.join(caches, 'jupyterlab-bento');
}

/** Built programs; one folder for each set of versions, see `servers.ts`. */
export function binDir(): string {
  return path.join(cacheRoot(), 'bin');
}

/** Python environments, see `envs.ts`. */
export function envsDir(): string {
  return path.join(cacheRoot(), 'envs');
}

/** Data folders of the playgrounds, one for each name. */
export function instancesDir(): string {
  return path.join(cacheRoot(), 'instances');
}
