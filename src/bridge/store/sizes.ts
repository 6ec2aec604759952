// SPDX-License-Identifier: BSD-3-Clause
import type { Dirent } from 'node:fs';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import type { Bento } from '../../protocol';
import type { Gate } from './gate';
import { findModel, localModels } from './models';

/** Measures bentos of one store; a model that several of them use is measured once. */
export class SizeMeter {
  private readonly models = new Map<string, Promise<number>>();
  private root?: Promise<string>;

  constructor(
    private readonly home: string,
    private readonly gate: Gate
  ) {}

  /** The bento with the bytes of its own files and of its local models, each file counted once. */
  async measure(bento: Bento): Promise<Bento> {
    const size = await this.folderBytes(bento.path, ['models']);
    const models = await Promise.all(
      localModels(bento).map(model => this.modelBytes(model.tag, bento))
    );
    const modelSize = models.reduce((sum, bytes) => sum + bytes, 0);
    return { ...bento, size, modelSize };
  }

  private async modelBytes(tag: string, bento: Bento): Promise<number> {
    const found = await findModel(tag, { home: this.home, bento });
    if (found === undefined) {
      return 0;
    }
    const known = this.models.get(found.folder);
    const bytes = known ?? this.folderBytes(found.folder);
    this.models.set(found.folder, bytes);
    return bytes;
  }

  private async folderBytes(
    folder: string,
    without: string[] = []
  ): Promise<number> {
    try {
      const walk = new Walk(await this.realHome(), this.gate);
      return await walk.folder(await fs.realpath(folder), without);
    } catch {
      // Deleted since it was listed.
      return 0;
    }
  }

  private realHome(): Promise<string> {
    this.root ??= fs.realpath(this.home);
    return this.root;
  }
}

/** One sum over a folder: what cannot be read counts nothing, links are followed inside the store only. */
class Walk {
  private readonly seen = new Set<string>();

  constructor(
    private readonly root: string,
    private readonly gate: Gate
  ) {}

  async folder(folder: string, without: string[] = []): Promise<number> {
    if (this.seen.has(folder)) {
      return 0;
    }
    this.seen.add(folder);
    const entries = await this.gate
      .run(() => fs.readdir(folder, { withFileTypes: true }))
      .catch(() => []);
    const sizes = await Promise.all(
      entries
        .filter(entry => !without.includes(entry.name))
        .map(entry => this.entry(folder, entry).catch(() => 0))
    );
    return sizes.reduce((sum, bytes) => sum + bytes, 0);
  }

  private async entry(parent: string, entry: Dirent): Promise<number> {
    const place = path.join(parent, entry.name);
    if (entry.isDirectory()) {
      return this.folder(place);
    }
    if (entry.isFile()) {
      return this.file(place);
    }
    return entry.isSymbolicLink() ? this.link(place) : 0;
  }

  private async file(file: string): Promise<number> {
    const stat = await this.gate.run(() => fs.lstat(file));
    const id = `${String(stat.dev)}:${String(stat.ino)}`;
    if (!stat.isFile() || this.seen.has(id)) {
      return 0;
    }
    this.seen.add(id);
    return stat.size;
  }

  private async link(link: string): Promise<number> {
    const target = await this.gate.run(() => fs.realpath(link));
    if (!target.startsWith(this.root + path.sep)) {
      return 0;
    }
    const stat = await this.gate.run(() => fs.lstat(target));
    return stat.isDirectory() ? this.folder(target) : this.file(target);
  }
}
