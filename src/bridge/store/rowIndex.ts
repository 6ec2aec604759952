// SPDX-License-Identifier: BSD-3-Clause
import { createHash, randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import type { Bento } from '../../protocol';

/** Raise it when an entry holds something that older files lack. */
const FORMAT = 2;

/**
 * What changed this shortly before it was read may change again within one tick
 * of a coarse disk clock, with the same time and length.
 */
const SETTLED_MS = 2000;

/** A `bento.yaml`, by the folder that it lies in. */
interface Row {
  mtimeMs: number;
  size: number;
  ino: number;
  bento: Bento;
}

/** The folder of a name. */
interface Listing {
  mtimeMs: number;
  ino: number;
  versions: string[];
}

interface IndexFile {
  format: number;
  home: string;
  rows: Record<string, Row>;
  listings: Record<string, Listing>;
}

/**
 * What was read of a store before, in one file of the cache folder. A row
 * counts only while its `bento.yaml` has the same time, length and inode, the
 * versions of a name only while its folder has the same time and inode. An
 * index that is missing, damaged or of another format is an empty one.
 */
export class RowIndex {
  private readonly rows: Kept<Row>;
  private readonly listings: Kept<Listing>;

  private constructor(
    private readonly file: string,
    private readonly home: string,
    known?: IndexFile
  ) {
    this.rows = new Kept(known?.rows);
    this.listings = new Kept(known?.listings);
  }

  /** Opens the index of the store at `home`; never fails. */
  static async load(cacheDir: string, home: string): Promise<RowIndex> {
    const id = createHash('sha256').update(home).digest('hex').slice(0, 16);
    const file = path.join(cacheDir, 'store', `${id}.json`);
    try {
      const content = JSON.parse(await fs.readFile(file, 'utf8')) as IndexFile;
      if (content.format === FORMAT && content.home === home) {
        return new RowIndex(file, home, content);
      }
    } catch {
      // Missing or damaged: everything is read anew.
    }
    return new RowIndex(file, home);
  }

  /** Whether a row of that folder is there, of whatever age. */
  has(folder: string): boolean {
    return this.rows.known.has(folder);
  }

  /** The row of that folder, if its file is still the one that was parsed. */
  get(folder: string, stat: Stats): Bento | undefined {
    const row = this.rows.known.get(folder);
    if (
      row?.mtimeMs !== stat.mtimeMs ||
      row.size !== stat.size ||
      row.ino !== stat.ino
    ) {
      return undefined;
    }
    this.rows.see(folder, row);
    return row.bento;
  }

  /** Keeps a row that was just parsed. */
  set(folder: string, stat: Stats, bento: Bento): void {
    const { mtimeMs, size, ino } = stat;
    if (isSettled(stat)) {
      this.rows.add(folder, { mtimeMs, size, ino, bento });
    }
  }

  /** The versions that the folder of a name had when it was last read. */
  versions(folder: string): string[] | undefined {
    return this.listings.known.get(folder)?.versions;
  }

  /** Whether the folder of a name is still as it was then. */
  isUnchanged(folder: string, stat: Stats): boolean {
    const listing = this.listings.known.get(folder);
    if (listing?.mtimeMs !== stat.mtimeMs || listing.ino !== stat.ino) {
      return false;
    }
    this.listings.see(folder, listing);
    return true;
  }

  /** Keeps the versions of a name; `stat` is of after they were read. */
  setVersions(folder: string, stat: Stats, versions: string[]): void {
    const { mtimeMs, ino } = stat;
    if (isSettled(stat)) {
      this.listings.add(folder, { mtimeMs, ino, versions });
    }
  }

  /** Writes what was met since it was loaded, if that differs; never fails. */
  async save(): Promise<void> {
    if (!this.rows.differs() && !this.listings.differs()) {
      return;
    }
    const content: IndexFile = {
      format: FORMAT,
      home: this.home,
      rows: Object.fromEntries(this.rows.seen),
      listings: Object.fromEntries(this.listings.seen)
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

/** Entries that were loaded, and those that still hold. */
class Kept<T> {
  readonly known: Map<string, T>;
  readonly seen = new Map<string, T>();
  private added = false;

  constructor(loaded: Record<string, T> | undefined) {
    this.known = new Map(Object.entries(loaded ?? {}));
  }

  see(key: string, entry: T): void {
    this.seen.set(key, entry);
  }

  add(key: string, entry: T): void {
    this.seen.set(key, entry);
    this.added = true;
  }

  differs(): boolean {
    return this.added || this.seen.size !== this.known.size;
  }
}

function isSettled(stat: Stats): boolean {
  return Date.now() - stat.mtimeMs > SETTLED_MS;
}
