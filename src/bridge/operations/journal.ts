// SPDX-License-Identifier: BSD-3-Clause
import {
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile
} from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { DeploySpec, ExportSpec } from '../../protocol';
import { readFileSync } from 'node:fs';

/** How often the owner shows that it lives, and after how long another host may take over. */
const HEARTBEAT_MS = 30_000;
const ABANDONED_MS = 4 * HEARTBEAT_MS;

/** A multipart upload that has begun; it must be finished or aborted. */
export interface OpenUpload {
  bucket: string;
  key: string;
  uploadId: string;
}

/** What is needed to go on with an operation after the bridge died. Holds no secret. */
export type JournalEntry = {
  id: string;
  startedAt: string;
  upload?: OpenUpload;
} & (
  { kind: 'deploy'; spec: DeploySpec } | { kind: 'export'; spec: ExportSpec }
);

interface Owner {
  host: string;
  pid: number;
  /** Start time of the process in clock ticks, since process ids come round again. */
  started: string;
}

type Stored = JournalEntry & { owner: Owner };

/**
 * Unfinished operations on disk, one file each. Every bridge of a home folder
 * shares the folder: an entry belongs to the bridge that wrote it until that
 * bridge is dead.
 */
export class Journal {
  private readonly owner: Owner = {
    host: hostname(),
    pid: process.pid,
    started: startTime(process.pid) ?? ''
  };
  private readonly own = new Set<string>();
  private readonly heartbeat: NodeJS.Timeout;

  constructor(
    private readonly folder: string,
    private readonly log: (entry: Record<string, unknown>) => void
  ) {
    this.heartbeat = setInterval(() => void this.touch(), HEARTBEAT_MS);
    this.heartbeat.unref();
  }

  /**
   * Writes or replaces an entry. Group-readable, since user ids change between
   * pods. A full disk is logged and stops nothing: the operation goes on, only
   * a later life would not know of it.
   */
  async write(entry: JournalEntry): Promise<void> {
    const path = this.path(entry.id);
    const stored: Stored = { ...entry, owner: this.owner };
    try {
      await mkdir(this.folder, { recursive: true, mode: 0o770 });
      await writeFile(`${path}.new`, JSON.stringify(stored), { mode: 0o660 });
      await rename(`${path}.new`, path);
      this.own.add(entry.id);
    } catch (error) {
      this.log({ journal: entry.id, error: String(error) });
    }
  }

  /** Forgets an entry whose operation has ended. */
  async remove(id: string): Promise<void> {
    if (this.own.delete(id)) {
      await rm(this.path(id), { force: true });
    }
  }

  /** Takes over the entries of bridges that are dead; of several bridges only one gets each. */
  async adopt(): Promise<JournalEntry[]> {
    const names = await readdir(this.folder).catch((): string[] => []);
    const adopted: JournalEntry[] = [];
    for (const name of names.filter(file => file.endsWith('.json'))) {
      const entry = await this.take(join(this.folder, name));
      if (entry) {
        adopted.push(entry);
      }
    }
    return adopted;
  }

  /** Stops showing signs of life. */
  close(): void {
    clearInterval(this.heartbeat);
  }

  private async take(path: string): Promise<JournalEntry | undefined> {
    const claim = `${path}.${process.pid}`;
    try {
      const stored = JSON.parse(await readFile(path, 'utf8')) as Stored;
      const age = Date.now() - (await stat(path)).mtimeMs;
      if (isAlive(stored.owner, this.owner.host, age)) {
        return undefined;
      }
      await rename(path, claim);
      const { owner: _owner, ...entry } = stored;
      await this.write(entry);
      await rm(claim, { force: true });
      return entry;
    } catch {
      // Taken by another bridge meanwhile, or half-written by a dying one.
      return undefined;
    }
  }

  private async touch(): Promise<void> {
    const now = new Date();
    await Promise.allSettled(
      [...this.own].map(id => utimes(this.path(id), now, now))
    );
  }

  private path(id: string): string {
    return join(this.folder, `${id}.json`);
  }
}

function isAlive(owner: Owner, host: string, ageMs: number): boolean {
  if (owner.host !== host) {
    return ageMs < ABANDONED_MS;
  }
  return startTime(owner.pid) === owner.started;
}

/** Field 22 of /proc/<pid>/stat (proc(5)); undefined when there is no such process. */
function startTime(pid: number): string | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return line.slice(line.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
