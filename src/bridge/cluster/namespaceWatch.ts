// SPDX-License-Identifier: BSD-3-Clause
import type { BentoError } from '../../domain/errors';
import type { Snapshot } from '../../domain/kube';
import { log } from '../log';
import type { KubeClient } from './client';
import type { Kept } from './collection';
import * as keep from './keep';
import { KINDS } from './kinds';
import { resourcePath } from './target';
import { ResourceWatch, type WatchStatus } from './watch';

/** How long the watches go on after the last one has lost interest, in milliseconds. */
const LINGER_MS = 30_000;

/** Name of a watched part of a {@link Snapshot}. */
export type SnapshotPart = Exclude<keyof Snapshot, 'namespace' | 'events'>;

const PARTS: SnapshotPart[] = [
  'bentoRequests',
  'bentoes',
  'bentoDeployments',
  'jobs',
  'pods',
  'deployments'
];

// A label by its name alone: of whatever value.
const IMAGE_BUILDERS = 'yatai.ai/is-bento-image-builder';
const OF_BENTOS = 'yatai.ai/bento-repository';
const OF_DEPLOYMENTS = 'yatai.ai/bento-deployment';

/** Without Jobs a build still shows by its BentoRequest and its pods. */
const OPTIONAL: SnapshotPart[] = ['jobs'];

type Watches = { [P in SnapshotPart]: ResourceWatch<Snapshot[P][number]> };

/**
 * Everything of one namespace, followed by six watches while someone has
 * acquired it. After the last release they go on for a while, so that a page
 * that is loaded anew finds them warm.
 */
export class NamespaceWatch {
  readonly #client: KubeClient;
  readonly #listeners = new Set<() => void>();
  /** Called when a watch changes its state. */
  readonly #waiters = new Set<() => void>();
  readonly namespace: string;
  #users = 0;
  #cancelLinger?: () => void;
  #watches?: Watches;
  #snapshot?: Snapshot;
  #told = true;

  constructor(options: { client: KubeClient; namespace: string }) {
    this.#client = options.client;
    this.namespace = options.namespace;
  }

  /** Starts the watches unless they run. The returned function gives them up, once. */
  acquire(): () => void {
    this.#users += 1;
    this.#cancelLinger?.();
    this.#cancelLinger = undefined;
    this.#watches ??= this.#start();
    let held = true;
    return () => {
      if (held) {
        held = false;
        this.#release();
      }
    };
  }

  /** All objects as last seen; the same object until something changes. Empty while nothing runs. */
  snapshot(): Snapshot {
    const watches = this.#watches;
    const all = <T extends Kept>(watch?: ResourceWatch<T>): T[] => [
      ...(watch?.items.values() ?? [])
    ];
    this.#snapshot ??= {
      namespace: this.namespace,
      bentoRequests: all(watches?.bentoRequests),
      bentoes: all(watches?.bentoes),
      bentoDeployments: all(watches?.bentoDeployments),
      jobs: all(watches?.jobs),
      pods: all(watches?.pods),
      deployments: all(watches?.deployments),
      events: []
    };
    return this.#snapshot;
  }

  /** Calls back after changes of objects or states, once for all changes of a tick. Returns how to stop. */
  onChange(callback: () => void): () => void {
    const listener = () => callback();
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** How well each part is known; undefined while nothing runs. */
  status(): Record<SnapshotPart, WatchStatus> | undefined {
    const watches = this.#watches;
    return (
      watches &&
      (Object.fromEntries(
        PARTS.map(part => [part, watches[part].status])
      ) as Record<SnapshotPart, WatchStatus>)
    );
  }

  /** Why something is not known or not up to date: `forbidden`, `crdMissing`, `clusterUnreachable`…; undefined when all is well. */
  problem(): BentoError | undefined {
    const status = this.status();
    const errors = PARTS.flatMap(part => {
      const error = status?.[part].error;
      return error && !OPTIONAL.includes(part) ? [error] : [];
    });
    // What an administrator has to change is told before what may pass.
    return (
      errors.find(error => error.code !== 'clusterUnreachable') ?? errors[0]
    );
  }

  /**
   * Resolves when all objects have been read once since the watches began;
   * acquire first.
   * @throws BentoError what {@link problem} says, as soon as something that is
   *   needed cannot be read.
   */
  async synced(): Promise<void> {
    for (;;) {
      const watches = this.#watches;
      if (!watches) {
        throw new Error(
          'Acquire the watch of a namespace before waiting for it.'
        );
      }
      const unknown = PARTS.filter(part => !watches[part].status.synced);
      const needed = unknown.filter(part => !OPTIONAL.includes(part));
      if (needed.some(part => watches[part].status.error)) {
        throw this.problem() ?? new Error('unreachable');
      }
      if (unknown.every(part => watches[part].status.error)) {
        return;
      }
      await new Promise<void>(resolve => {
        const go = () => {
          this.#waiters.delete(go);
          resolve();
        };
        this.#waiters.add(go);
      });
    }
  }

  /** Stops the watches now, whoever has acquired them. */
  close(): void {
    this.#cancelLinger?.();
    this.#end();
  }

  #start(): Watches {
    this.#snapshot = undefined;
    return {
      bentoRequests: this.#follow('bentoRequests', keep.keepBentoRequest),
      bentoes: this.#follow('bentoes', keep.keepBento),
      bentoDeployments: this.#follow(
        'bentoDeployments',
        keep.keepBentoDeployment
      ),
      jobs: this.#follow('jobs', keep.keepJob, IMAGE_BUILDERS),
      pods: this.#follow('pods', keep.keepPod, OF_BENTOS),
      deployments: this.#follow(
        'deployments',
        keep.keepDeployment,
        OF_DEPLOYMENTS
      )
    };
  }

  #follow<T extends Kept>(
    part: SnapshotPart,
    keepObject: (raw: unknown) => T,
    labelSelector?: string
  ): ResourceWatch<T> {
    const watch = new ResourceWatch<T>({
      client: this.#client,
      path: resourcePath({ ...KINDS[part], namespace: this.namespace }),
      labelSelector,
      keep: keepObject,
      onChange: () => this.#changed(),
      onStatus: () => {
        this.#changed();
        [...this.#waiters].forEach(go => go());
      }
    });
    watch.start();
    return watch;
  }

  #release(): void {
    this.#users -= 1;
    if (this.#users === 0) {
      this.#cancelLinger = this.#client.clock.timer(LINGER_MS, () =>
        this.#end()
      );
    }
  }

  #end(): void {
    const watches = this.#watches;
    this.#watches = undefined;
    this.#snapshot = undefined;
    [...this.#waiters].forEach(go => go());
    PARTS.forEach(part => void watches?.[part].stop());
  }

  #changed(): void {
    this.#snapshot = undefined;
    if (this.#told) {
      this.#told = false;
      setImmediate(() => {
        this.#told = true;
        [...this.#listeners].forEach(listener => this.#tell(listener));
      });
    }
  }

  #tell(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      log({
        level: 'error',
        message: 'A listener of a namespace failed.',
        reason:
          error instanceof Error
            ? (error.stack ?? error.message)
            : String(error)
      });
    }
  }
}
