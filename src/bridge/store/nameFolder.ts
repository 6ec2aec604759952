// SPDX-License-Identifier: BSD-3-Clause
import { type Dirent, statSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { isTagPart } from '../../domain/tags';
import type { Bento, StoreRows } from '../../protocol';
import { type FolderRead, readBentoFolder } from './bentoFolder';
import { errorCode, fileProblem } from './fileErrors';
import type { Gate } from './gate';
import { readSmallFile } from './readFile';
import type { RowIndex } from './rowIndex';

/** How version folders are read. */
export interface ReadOptions {
  gate: Gate;
  index?: RowIndex;
}

/** Reads every version of one name, newest first, with `latest` told. Throws nothing. */
export async function readNameFolder(
  folder: string,
  options: ReadOptions
): Promise<StoreRows> {
  const { index } = options;
  const known = index?.versions(folder) ?? [];
  if (index !== undefined && known.length > 0) {
    const rows = await readVersions(folder, known, options);
    if (isUnchanged(folder, index)) {
      return rows;
    }
  }
  try {
    const versions = await listVersions(folder, options);
    return await readVersions(folder, versions, options);
  } catch (error) {
    return { bentos: [], bad: await notReadable(folder, error) };
  }
}

/**
 * Looked at after the versions were read: the way to them leads through the
 * folder, so the disk has been asked for it already and this does not wait.
 */
function isUnchanged(folder: string, index: RowIndex): boolean {
  try {
    return index.isUnchanged(folder, statSync(folder));
  } catch {
    return false;
  }
}

async function listVersions(
  folder: string,
  { gate, index }: ReadOptions
): Promise<string[]> {
  const entries = await gate.run(() =>
    fs.readdir(folder, { withFileTypes: true })
  );
  const versions = entries.filter(isEntry).map(entry => entry.name);
  index?.setVersions(folder, statSync(folder), versions);
  return versions;
}

async function readVersions(
  folder: string,
  versions: string[],
  { gate, index }: ReadOptions
): Promise<StoreRows> {
  // A single version is the latest whatever the file says.
  const latest =
    versions.length > 1 ? await gate.run(() => readLatest(folder)) : undefined;
  const reads = await Promise.all(
    versions.map(version =>
      gate.run(() => readBentoFolder(path.join(folder, version), index))
    )
  );
  return rowsOf(reads, latest);
}

/**
 * The version that the file `latest` beside the versions names, with or without
 * a newline; undefined when there is no such file or it holds something else.
 */
export async function readLatest(folder: string): Promise<string | undefined> {
  try {
    const file = path.join(folder, 'latest');
    const version = (await readSmallFile(file, 1024)).text?.trim() ?? '';
    return isTagPart(version) ? version : undefined;
  } catch {
    return undefined;
  }
}

/** Dot files come from desktops and from Jupyter and are never bentos. */
function isEntry(entry: Dirent): boolean {
  return (
    !entry.name.startsWith('.') &&
    !(entry.name === 'latest' && !entry.isDirectory())
  );
}

function rowsOf(reads: FolderRead[], latest: string | undefined): StoreRows {
  const bentos = reads
    .flatMap(read => ('bento' in read ? [read.bento] : []))
    .sort(newestFirst);
  const named = bentos.find(bento => bento.version === latest) ?? bentos[0];
  return {
    bentos: bentos.map(bento => ({ ...bento, latest: bento === named })),
    bad: reads.flatMap(read => ('bad' in read ? [read.bad] : []))
  };
}

function newestFirst(a: Bento, b: Bento): number {
  const key = (bento: Bento) => `${bento.createdAt ?? ''} ${bento.version}`;
  return key(a) < key(b) ? 1 : -1;
}

async function notReadable(
  folder: string,
  error: unknown
): Promise<StoreRows['bad']> {
  const link = await fs.readlink(folder).catch(() => undefined);
  if (errorCode(error) === 'ENOENT' && link === undefined) {
    // Deleted since its parent was read.
    return [];
  }
  const reason =
    errorCode(error) === 'ENOENT'
      ? 'it is a symbolic link to nothing'
      : errorCode(error) === 'ENOTDIR'
        ? 'it is a file, not the folder of a bento'
        : fileProblem(error);
  return [{ path: folder, reason }];
}
