// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs/promises';
import type { Stats } from 'node:fs';
import * as path from 'node:path';
import { parseBentoYaml } from '../../domain/bentoYaml';
import { BentoError } from '../../domain/errors';
import { isTagPart } from '../../domain/tags';
import type { BadEntry, Bento } from '../../protocol';
import { errorCode, fileProblem } from './fileErrors';
import { readSmallFile } from './readFile';
import type { RowIndex } from './rowIndex';

/** One version folder: a bento, or why it is none. */
export type FolderRead = { bento: Bento } | { bad: BadEntry };

/** Far above any real `bento.yaml`; a model's weights saved under that name are not parsed. */
const LARGEST_YAML = 4 * 1024 * 1024;

/** A row must fit a message with room to spare. */
const LARGEST_ROW = 256 * 1024;

/** A file of this length makes no row of that one, even if every byte has to be escaped. */
const SURELY_SMALL = 32 * 1024;

/** BentoML makes the folder first and fills it by copying. */
const BUILD_MS = 60_000;

/**
 * Reads the version folder `…/bentos/<name>/<version>`; what the index holds of
 * an unchanged `bento.yaml` is taken from there. Nothing is thrown: whatever is
 * wrong becomes a bad entry.
 */
export async function readBentoFolder(
  folder: string,
  index?: RowIndex
): Promise<FolderRead> {
  const file = path.join(folder, 'bento.yaml');
  try {
    const wrongName = [path.dirname(folder), folder]
      .map(part => path.basename(part))
      .find(part => !isTagPart(part));
    if (wrongName !== undefined) {
      return bad(folder, `"${wrongName}" cannot be a part of a tag`);
    }
    if (index?.has(folder) === true) {
      const known = index.get(folder, await fs.stat(file));
      if (known !== undefined) {
        return { bento: known };
      }
    }
    const { stat, text } = await readSmallFile(file, LARGEST_YAML);
    if (text === undefined || text === '') {
      return bad(folder, await unfit(folder, stat));
    }
    const bento = parseBentoYaml(text, folder);
    if (
      stat.size > SURELY_SMALL &&
      JSON.stringify(bento).length > LARGEST_ROW
    ) {
      return bad(folder, 'bento.yaml holds more than can be shown');
    }
    index?.set(folder, stat, bento);
    return { bento };
  } catch (error) {
    return bad(folder, await problem(folder, error));
  }
}

function bad(folder: string, reason: string): FolderRead {
  return { bad: { path: folder, reason } };
}

async function unfit(folder: string, file: Stats): Promise<string> {
  if (!file.isFile()) {
    return 'bento.yaml is not a file';
  }
  if (file.size > 0) {
    const size = (file.size / 1024 / 1024).toFixed(1);
    return `bento.yaml is ${size} MiB long, which no description of a bento is`;
  }
  return unfinished(folder, 'bento.yaml is empty');
}

async function unfinished(folder: string, reason: string): Promise<string> {
  const { mtimeMs } = await fs.stat(folder);
  return Date.now() - mtimeMs < BUILD_MS
    ? `being built: ${reason} so far`
    : reason;
}

async function problem(folder: string, error: unknown): Promise<string> {
  if (error instanceof BentoError) {
    return String(error.params.reason);
  }
  if (!['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')) {
    return fileProblem(error);
  }
  try {
    if (!(await fs.stat(folder)).isDirectory()) {
      return 'it is a file, not the folder of a version';
    }
    return await unfinished(folder, 'bento.yaml is missing');
  } catch (folderError) {
    const link = await fs.readlink(folder).catch(() => undefined);
    return link === undefined
      ? fileProblem(folderError)
      : 'it is a symbolic link to nothing';
  }
}
