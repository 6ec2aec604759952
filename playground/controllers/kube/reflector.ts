// SPDX-License-Identifier: BSD-3-Clause
import { sleep } from '../../wait';
import type { KubeClient, Selection, WatchLine } from './client';
import type { Kind, KubeObject, Stored } from './objects';
import { keyOf } from './objects';

/** What happened to an object; `previous` is what was known before. */
export interface Change<T extends KubeObject> {
  type: 'added' | 'modified' | 'deleted';
  object: Stored<T>;
  previous?: Stored<T>;
}

/** What to follow. */
export interface ReflectorOptions<T extends KubeObject> {
  client: KubeClient;
  kind: Kind;
  selection?: Selection;
  onChange: (change: Change<T>) => void;
}

/**
 * Keeps a copy of all objects of a kind by list and watch, and reports each change once.
 * What was deleted while the connection was down is reported after the next list.
 */
export class Reflector<T extends KubeObject> {
  /** By `namespace/name`. */
  readonly objects = new Map<string, Stored<T>>();
  private readonly abort = new AbortController();
  private readonly running: Promise<void>;
  private begun: () => void = () => undefined;
  private readonly firstList: Promise<void>;

  constructor(private readonly options: ReflectorOptions<T>) {
    this.firstList = new Promise(resolve => {
      this.begun = resolve;
    });
    this.running = this.run();
  }

  /** Resolves once the first list is known. */
  ready(): Promise<void> {
    return this.firstList;
  }

  /** Ends the watch and waits for its end. */
  async stop(): Promise<void> {
    this.abort.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { client, kind, selection = {} } = this.options;
    const { signal } = this.abort;
    while (!signal.aborted) {
      try {
        const list = await client.list<T>(kind, selection);
        this.replace(list.items);
        this.begun();
        await this.follow(list.resourceVersion);
      } catch {
        // The server is restarting or the version is too old: list anew.
        if (!this.abort.signal.aborted) {
          await sleep(200);
        }
      }
    }
  }

  private async follow(from: string): Promise<void> {
    const { client, kind, selection = {} } = this.options;
    const { signal } = this.abort;
    let resourceVersion = from;
    while (!signal.aborted) {
      const onLine = (line: WatchLine): void => {
        if (line.type === 'ERROR') {
          throw new Error(line.object.message);
        }
        resourceVersion = line.object.metadata.resourceVersion ?? '';
        this.apply(line);
      };
      await client.watch(
        kind,
        { ...selection, resourceVersion },
        { signal, onLine }
      );
    }
  }

  private apply(line: WatchLine): void {
    if (line.type === 'BOOKMARK') {
      return;
    }
    const object = line.object as Stored<T>;
    if (line.type === 'DELETED') {
      this.remove(object);
    } else {
      this.put(object);
    }
  }

  private replace(items: Stored<T>[]): void {
    const uids = new Set(items.map(item => item.metadata.uid));
    for (const known of [...this.objects.values()]) {
      if (!uids.has(known.metadata.uid)) {
        this.remove(known);
      }
    }
    items.forEach(item => {
      this.put(item);
    });
  }

  private put(object: Stored<T>): void {
    const key = keyOf(object);
    const previous = this.objects.get(key);
    if (
      previous?.metadata.resourceVersion === object.metadata.resourceVersion
    ) {
      return;
    }
    this.objects.set(key, object);
    const type = previous ? 'modified' : 'added';
    this.options.onChange({ type, object, previous });
  }

  private remove(object: Stored<T>): void {
    const key = keyOf(object);
    const previous = this.objects.get(key);
    if (this.objects.delete(key)) {
      this.options.onChange({ type: 'deleted', object, previous });
    }
  }
}
