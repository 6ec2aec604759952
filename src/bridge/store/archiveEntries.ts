// SPDX-License-Identifier: BSD-3-Clause
import type { Dirent, Stats } from 'node:fs';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { BentoError } from '../../domain/errors';
import type { Bento } from '../../protocol';
import { errorCode, fileProblem } from './fileErrors';
import { findModel, localModels, type ModelFolder } from './models';

/** One entry of an archive. */
export interface ArchiveEntry {
  /** Path in the archive, parts joined by `/`, no leading or trailing one. */
  path: string;
  type: 'file' | 'directory' | 'symlink';
  /** Where the bytes of a file lie. */
  source?: string;
  /** Bytes of a file that lies nowhere. */
  data?: Buffer;
  linkTarget?: string;
  /** Bytes of a file; 0 for the others. */
  size: number;
  /** Permission bits as they are archived. */
  mode: number;
}

/**
 * What Python, Jupyter and desktops leave in a folder that was looked at or
 * served from: with it, the same bento would have other bytes after a local
 * test.
 */
const BY_PRODUCTS = new Set(['__pycache__', '.ipynb_checkpoints', '.DS_Store']);

/**
 * Everything that a self-contained archive of the bento holds, sorted by path:
 * the bento's folder at the root, and under `models` each local model with a
 * `latest` file, laid out as BentoML exports and imports it. Models of other
 * registries are not included.
 *
 * @throws BentoError `modelMissing` naming every model that is not on disk,
 * `notExportable` for what an archive cannot carry to another machine,
 * `bentoUnreadable`, or `sourceChanged` when something vanishes meanwhile.
 */
export async function archiveEntries(
  bento: Bento,
  home: string
): Promise<ArchiveEntry[]> {
  const models = await findModels(bento, home);
  const parts = await Promise.all([
    // A copy of the models inside the bento is old, or an export that is under way.
    walk({ folder: bento.path, prefix: '', without: 'models' }),
    ...models.map(({ folder, name, version }) =>
      walk({ folder, prefix: `models/${name}/${version}/` })
    )
  ]);
  const entries = [...parts.flat(), ...(await modelFrame(models))];
  return entries.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function findModels(bento: Bento, home: string): Promise<ModelFolder[]> {
  const missing: string[] = [];
  const found = new Map<string, ModelFolder>();
  for (const { tag } of localModels(bento)) {
    const model = await findModel(tag, { home, bento });
    if (model === undefined) {
      missing.push(tag);
    } else {
      found.set(`${model.name}:${model.version}`, model);
    }
  }
  if (missing.length > 0) {
    throw new BentoError('modelMissing', {
      params: { tag: bento.tag, model: missing.join(', '), home }
    });
  }
  return [...found.values()];
}

/** The folders above the models, and the `latest` file beside the versions of each. */
async function modelFrame(models: ModelFolder[]): Promise<ArchiveEntry[]> {
  const names = [...new Set(models.map(model => model.name))];
  const folders = [
    ...(models.length > 0 ? ['models'] : []),
    ...names.map(name => `models/${name}`),
    ...models.map(({ name, version }) => `models/${name}/${version}`)
  ];
  const latest = names.map(async name => {
    const version = await newest(models.filter(model => model.name === name));
    return latestFile(`models/${name}/latest`, version);
  });
  return [
    ...folders.map(folder => directory(folder)),
    ...(await Promise.all(latest))
  ];
}

function latestFile(file: string, version: string): ArchiveEntry {
  const data = Buffer.from(version);
  return { path: file, type: 'file', data, size: data.length, mode: 0o644 };
}

function directory(folder: string, mode = 0o755): ArchiveEntry {
  return { path: folder, type: 'directory', size: 0, mode };
}

/** The version that was created last, as BentoML decides when it imports several. */
async function newest(models: ModelFolder[]): Promise<string> {
  const dated = await Promise.all(
    models.map(async ({ folder, version }) => {
      const text =
        models.length > 1
          ? await fs.readFile(path.join(folder, 'model.yaml'), 'utf8')
          : '';
      const [, created = ''] = /^creation_time: *'?([^'\n]*)/m.exec(text) ?? [];
      return { version, key: `${created} ${version}` };
    })
  );
  return dated.reduce((a, b) => (a.key > b.key ? a : b)).version;
}

interface Walk {
  folder: string;
  /** Ends in `/` unless empty. */
  prefix: string;
  /** Name to leave out at the top. */
  without?: string;
}

/** The entries below a folder, itself not among them. */
async function walk({
  folder,
  prefix,
  without
}: Walk): Promise<ArchiveEntry[]> {
  const root = await orUnreadable(folder, () => fs.realpath(folder));
  const below = async (at: string): Promise<ArchiveEntry[]> => {
    const place = path.join(root, at);
    const entries = await orUnreadable(place, () =>
      fs.readdir(place, { withFileTypes: true })
    );
    const nested = entries
      .filter(entry => !BY_PRODUCTS.has(entry.name))
      .filter(entry => at !== '' || entry.name !== without)
      .map(async entry => {
        const inner = at === '' ? entry.name : `${at}/${entry.name}`;
        const own = await readEntry({ root, inner, entry, prefix });
        return entry.isDirectory() ? [own, ...(await below(inner))] : [own];
      });
    return (await Promise.all(nested)).flat();
  };
  return below('');
}

interface Found {
  root: string;
  /** Path below the root. */
  inner: string;
  entry: Dirent;
  prefix: string;
}

async function readEntry(found: Found): Promise<ArchiveEntry> {
  const { root, inner, prefix } = found;
  const source = path.join(root, inner);
  if (inner.includes('\uFFFD')) {
    throw refused(source, 'its name is not UTF-8');
  }
  const stat = await orUnreadable(source, () => fs.lstat(source));
  const name = prefix + inner;
  if (stat.isDirectory()) {
    return directory(name, archivedMode(stat));
  }
  if (stat.isSymbolicLink()) {
    const linkTarget = await linkInside(root, inner);
    return { path: name, type: 'symlink', linkTarget, size: 0, mode: 0o777 };
  }
  if (!stat.isFile()) {
    throw refused(source, 'it is neither a file, a folder nor a link');
  }
  const mode = archivedMode(stat);
  return { path: name, type: 'file', source, size: stat.size, mode };
}

/**
 * The permissions of the owner and of others as they are; the group gets those
 * of others. The group's own bits say more about the machine than about the
 * bento: the umask sets them, and a volume mounted with an `fsGroup` changes
 * them at each start of the pod, which would make the same bento another one.
 */
function archivedMode(stat: Stats): number {
  const others = stat.mode & 0o007;
  return (stat.mode & 0o700) | (others << 3) | others;
}

/** Where a link points, if it stays inside the root once that is somewhere else. */
async function linkInside(root: string, inner: string): Promise<string> {
  const link = path.join(root, inner);
  const target = await orUnreadable(link, () => fs.readlink(link));
  if (path.isAbsolute(target)) {
    throw refused(link, `it is a link to the absolute path ${target}`);
  }
  const written = path.resolve(path.dirname(link), target);
  // Folders on the way may be links themselves: the system resolves them, of a link to nothing the folder it points into.
  const real = await fs
    .realpath(link)
    .catch(() => fs.realpath(`${path.dirname(link)}/${path.dirname(target)}`))
    .catch(() => written);
  if (![written, real].every(place => isInside(root, place))) {
    throw refused(link, `it is a link that leaves the bento, to ${target}`);
  }
  return target;
}

function isInside(root: string, place: string): boolean {
  return place === root || place.startsWith(root + path.sep);
}

async function orUnreadable<T>(
  place: string,
  action: () => Promise<T>
): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw errorCode(error) === 'ENOENT'
      ? new BentoError('sourceChanged', { params: { path: place } })
      : new BentoError('bentoUnreadable', {
          params: { path: place, reason: fileProblem(error) }
        });
  }
}

function refused(place: string, reason: string): BentoError {
  return new BentoError('notExportable', { params: { path: place, reason } });
}
