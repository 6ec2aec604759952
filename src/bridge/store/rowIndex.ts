// SPDX-License-Identifier: BSD-3-Clause
import { createHash, randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import type { Bento } from '../../protocol';

/** Raise it when a row holds something that older files lack. */
const FORMAT = 1;

/**
 * A file changed this shortly before it was read may change again within one
 * tick of a coarse disk clock, with the same time and length.
 */
const SETTLED_MS = 2000;

interface Entry {
  mtimeMs: number;
  size: number;
  ino: number;
  bento: Bento;
}

interface IndexFile {
  format: number;
  home: string;
  entries: Record<string, Entry>;
}

/**
 * Rows of a store as they were parsed before, in one file of the cache folder.
 * A row counts only while its `bento.yaml` has the same time, length and inode;
 * an index that is missing, damaged or of another format is an empty one.
 */
export class RowIndex {
  private readonly seen = new Map<string, Entry>();
  private changed = false;

  private constructor(
    private readonly file: string,
    private readonly home: string,
    private readonly known: Map<string, Entry>
  ) {}

  /** Opens the index of the store at `home`; never fails. */
  static async load(cacheDir: string, home: string): Promise<RowIndex> {
    const id = createHash('sha256').update(home).digest('hex').slice(0, 16);
    const file = path.join(cacheDir, 'store', `${id}.json`);
    try {
      const content = JSON.parse(await fs.readFile(file, 'utf8')) as IndexFile;
      if (content.format === FORMAT && content.home === home) {
        return new RowIndex(
          file,
          home,
          new Map(Object.entries(content.entries))
        );
      }
    } catch {
      // Missing or damaged: everything is read anew.
    }
    return new RowIndex(file, home, new Map());
  }

  /** Whether a row of that folder is there, of whatever age. */
  has(folder: string): boolean {
    return this.known.has(folder);
  }

  /** The row of that folder, if its file is still the one that was parsed. */
  get(folder: string, stat: Stats): Bento | undefined {
    const entry = this.known.get(folder);
    if (
      entry?.mtimeMs !== stat.mtimeMs ||
      entry.size !== stat.size ||
      entry.ino !== stat.ino
    ) {
      return undefined;
    }
    this.seen.set(folder, entry);
    return entry.bento;
  }

  /** Keeps a row that was just parsed. */
  set(folder: string, stat: Stats, bento: Bento): void {
    if (Date.now() - stat.mtimeMs > SETTLED_MS) {
      const { mtimeMs, size, ino } = stat;
      this.seen.set(folder, { mtimeMs, size, ino, bento });
      this.changed = true;
    }
  }

  /** Writes the rows met since it was loaded, if they differ; never fails. */
  async save(): Promise<void> {
    if (!this.changed && this.seen.size === this.known.size) {
      return;
    }
    const content: IndexFile = {
      format: FORMAT,
      home: this.home,
      entries: Object.fromEntries(this.seen)
    };
    const draft = `${this.file}.${randomUUID()}`;
    try {
      await fs.mkdir(path.dirname(this.file), { recursive: true, mode: 0o700 });
      await fs.writeFile(draft, JSON.stringify(content), { mode: 0o600 });
      await fs.rename(draft, this.file);
    } catch {
      // A cache that cannot be written costs time, nothing else.
      await fs.rm(draft, { force: true }).catch(() => undefined);
    }
  }
}
