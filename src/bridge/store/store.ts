// SPDX-License-Identifier: BSD-3-Clause
import type { Dirent } from 'node:fs';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { BentoError } from '../../domain/errors';
import { formatTag, parseTag, type Tag } from '../../domain/tags';
import type { Bento, StoreRows } from '../../protocol';
import { readBentoFolder } from './bentoFolder';
import { errorCode, fileProblem } from './fileErrors';
import { Gate } from './gate';
import { readLatest, readNameFolder } from './nameFolder';
import { RowIndex } from './rowIndex';
import { RowSender } from './rowSender';
import { SizeMeter } from './sizes';

/** File operations in flight: several for each thread that carries them out. */
const IN_FLIGHT = 16;

/** How many known tags an error names. */
const SUGGESTIONS = 8;

/** How a store is listed. */
export interface ListOptions {
  /** Measure sizes too; each row is sent again once it is measured. */
  sizes?: boolean;
  signal: AbortSignal;
  /** Gets the rows as they are read, in no order, at most 100 and 256 KiB at a time. */
  onRows(rows: StoreRows): void;
}

/** The bentos on disk, read without BentoML. Nothing is ever written into the store. */
export class Store {
  /** Absolute folder that holds `bentos` and `models`. */
  readonly home: string;
  private readonly cacheDir: string;

  /** @param options - `home` holds `bentos` and `models`; `cacheDir` takes the index. */
  constructor(options: { home: string; cacheDir: string }) {
    this.home = options.home;
    this.cacheDir = options.cacheDir;
  }

  /**
   * Lists every version of every bento; an entry that cannot be read is a row
   * of its own and hides nothing.
   * @throws BentoError `storeMissing`, `storeUnreadable` or `cancelled`.
   */
  async list(
    options: ListOptions
  ): Promise<{ home: string; count: number; bad: number }> {
    const [names, index] = await Promise.all([
      this.names(),
      RowIndex.load(this.cacheDir, this.home)
    ]);
    const gate = new Gate(IN_FLIGHT);
    const sender = new RowSender(rows => {
      options.onRows(rows);
    });
    const all: Bento[] = [];
    let bad = 0;
    await inTurns(names, async name => {
      checkCancelled(options.signal);
      const folder = path.join(this.home, 'bentos', name);
      const rows = await readNameFolder(folder, { gate, index });
      checkCancelled(options.signal);
      all.push(...rows.bentos);
      bad += rows.bad.length;
      sender.add(rows);
    });
    sender.flush();
    await index.save();
    if (options.sizes === true) {
      await this.sendSizes(all, gate, options);
    }
    return { home: this.home, count: all.length, bad };
  }

  /**
   * The bento of a tag: `name:version`, or the latest one for `name` and
   * `name:latest`.
   * @throws BentoError `invalidTag`, `bentoNotFound` with what is known,
   * `bentoUnreadable`, `storeMissing` or `storeUnreadable`.
   */
  async get(tag: string): Promise<Bento> {
    const { name, version: asked } = parseTag(tag);
    const version = asked === 'latest' ? undefined : asked;
    const parent = path.join(this.home, 'bentos', name);
    const latest = await readLatest(parent);
    if (latest !== undefined) {
      const found = await this.read(path.join(parent, version ?? latest));
      if (found !== undefined) {
        return { ...found, latest: found.version === latest };
      }
    }
    return this.search({ name, version }, parent);
  }

  /** Without a usable `latest` every version is read, to know which one is the newest. */
  private async search(tag: Tag, parent: string): Promise<Bento> {
    const rows = await readNameFolder(parent, { gate: new Gate(IN_FLIGHT) });
    const found = rows.bentos.find(bento =>
      tag.version === undefined ? bento.latest : bento.version === tag.version
    );
    if (found !== undefined) {
      return found;
    }
    const wanted =
      tag.version === undefined ? undefined : path.join(parent, tag.version);
    const broken = rows.bad.find(
      entry => wanted === undefined || [parent, wanted].includes(entry.path)
    );
    if (broken !== undefined) {
      throw new BentoError('bentoUnreadable', { params: broken });
    }
    const known = rows.bentos.map(bento => bento.tag);
    throw new BentoError('bentoNotFound', {
      params: {
        tag: formatTag(tag),
        home: this.home,
        known: enumerate(known.length > 0 ? known : await this.names())
      }
    });
  }

  /** Undefined when there is no such folder. */
  private async read(folder: string): Promise<Bento | undefined> {
    const read = await readBentoFolder(folder);
    if ('bento' in read) {
      return read.bento;
    }
    const exists = await fs.lstat(folder).catch(() => undefined);
    if (exists !== undefined) {
      throw new BentoError('bentoUnreadable', { params: read.bad });
    }
    return undefined;
  }

  private async names(): Promise<string[]> {
    try {
      const entries = await fs.readdir(path.join(this.home, 'bentos'), {
        withFileTypes: true
      });
      return entries
        .filter((entry: Dirent) => !entry.name.startsWith('.'))
        .map(entry => entry.name)
        .sort();
    } catch (error) {
      const home = this.home;
      throw errorCode(error) === 'ENOENT'
        ? new BentoError('storeMissing', { params: { home } })
        : new BentoError('storeUnreadable', {
            params: { home, reason: fileProblem(error) }
          });
    }
  }

  private async sendSizes(
    bentos: Bento[],
    gate: Gate,
    options: ListOptions
  ): Promise<void> {
    const meter = new SizeMeter(this.home, gate);
    const sender = new RowSender(rows => {
      options.onRows(rows);
    });
    await inTurns(bentos, async bento => {
      checkCancelled(options.signal);
      sender.add({ bentos: [await meter.measure(bento)], bad: [] });
    });
    sender.flush();
  }
}

/** Handles the items in order, a good many at a time, and stops at the first failure. */
async function inTurns<T>(
  items: T[],
  handle: (item: T) => Promise<void>
): Promise<void> {
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) {
      await handle(item);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
}

function checkCancelled(signal: AbortSignal): void {
  if (signal.aborted) {
    throw new BentoError('cancelled');
  }
}

function enumerate(tags: string[]): string {
  const shown = tags.slice(0, SUGGESTIONS).join(', ');
  const more = tags.length - SUGGESTIONS;
  return (
    (more > 0 ? `${shown} and ${String(more)} more` : shown) || 'none at all'
  );
}
