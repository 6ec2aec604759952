// SPDX-License-Identifier: BSD-3-Clause
import type { Stats } from 'node:fs';
import * as fs from 'node:fs/promises';
import { constants } from 'node:fs';
import { BentoError } from '../../domain/errors';
import type { ArchiveEntry } from '../store/archiveEntries';
import { errorCode, fileProblem } from '../store/fileErrors';
import { TAR_END, tarHeader, tarPadding } from './tarHeader';

/** Length in bytes of the archive of these entries, without reading any file. */
export function tarSize(entries: ArchiveEntry[]): number {
  return entries.reduce(
    (sum, entry) =>
      sum + tarHeader(entry).length + entry.size + tarPadding(entry.size),
    TAR_END.length
  );
}

interface OpenFile {
  path: string;
  handle: fs.FileHandle;
  stat: Stats;
  position: number;
}

/**
 * The archive of some entries as a sequence of bytes that is read piece by
 * piece into the reader's own memory: nothing is held here but one header.
 */
export class TarSource {
  private readonly rest: Iterator<ArchiveEntry>;
  private pending: Buffer = Buffer.alloc(0);
  private file?: OpenFile;
  private ended = false;

  constructor(entries: ArchiveEntry[]) {
    this.rest = entries.values();
  }

  /**
   * Fills the target and returns how many bytes it holds now: fewer than fit
   * only at the end of the archive, 0 after it.
   *
   * @throws BentoError `sourceChanged` when a file is no longer as long as its
   * header says, `bentoUnreadable`.
   */
  async read(target: Buffer): Promise<number> {
    let filled = 0;
    while (filled < target.length) {
      const wanted = target.subarray(filled);
      const got =
        this.pending.length > 0
          ? this.takePending(wanted)
          : await this.readFile(wanted);
      if (got === 0 && !(await this.next())) {
        break;
      }
      filled += got;
    }
    return filled;
  }

  /** Closes what is open; needed where the end was not reached. */
  async close(): Promise<void> {
    this.ended = true;
    const file = this.file;
    this.file = undefined;
    await file?.handle.close();
  }

  private takePending(target: Buffer): number {
    const count = this.pending.copy(target);
    this.pending = this.pending.subarray(count);
    return count;
  }

  /** 0 when no file is open or the open one is at its end. */
  private async readFile(target: Buffer): Promise<number> {
    const file = this.file;
    if (file === undefined) {
      return 0;
    }
    const left = file.stat.size - file.position;
    if (left === 0) {
      await this.finishFile(file);
      return 0;
    }
    const length = Math.min(left, target.length);
    const { bytesRead } = await file.handle
      .read(target, 0, length, file.position)
      .catch((error: unknown) => {
        throw unreadable(file.path, error);
      });
    if (bytesRead === 0) {
      throw changed(file.path);
    }
    file.position += bytesRead;
    return bytesRead;
  }

  private async finishFile(file: OpenFile): Promise<void> {
    const after = await file.handle.stat();
    await file.handle.close();
    this.file = undefined;
    if (after.size !== file.stat.size || after.mtimeMs !== file.stat.mtimeMs) {
      throw changed(file.path);
    }
    this.pending = Buffer.alloc(tarPadding(file.stat.size));
  }

  /** Goes on to the next header; false after the end. */
  private async next(): Promise<boolean> {
    if (this.pending.length > 0) {
      return true;
    }
    if (this.ended) {
      return false;
    }
    const { value: entry, done } = this.rest.next();
    if (done === true) {
      this.ended = true;
      this.pending = TAR_END;
      return true;
    }
    const header = tarHeader(entry);
    if (entry.data !== undefined) {
      const padding = Buffer.alloc(tarPadding(entry.size));
      this.pending = Buffer.concat([header, entry.data, padding]);
      return true;
    }
    this.pending = header;
    if (entry.source !== undefined) {
      this.file = await openUnchanged(entry.source, entry.size);
    }
    return true;
  }
}

async function openUnchanged(path: string, size: number): Promise<OpenFile> {
  // A link or a pipe put in its place since it was listed must not be followed or waited for.
  const flags =
    constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await fs.open(path, flags).catch((error: unknown) => {
    throw ['ENOENT', 'ELOOP', 'ENXIO'].includes(errorCode(error) ?? '')
      ? changed(path)
      : unreadable(path, error);
  });
  const stat = await handle.stat();
  if (!stat.isFile() || stat.size !== size) {
    await handle.close();
    throw changed(path);
  }
  return { path, handle, stat, position: 0 };
}

function changed(path: string): BentoError {
  return new BentoError('sourceChanged', { params: { path } });
}

function unreadable(path: string, error: unknown): BentoError {
  return new BentoError('bentoUnreadable', {
    params: { path, reason: fileProblem(error) }
  });
}
