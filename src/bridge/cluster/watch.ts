// SPDX-License-Identifier: BSD-3-Clause
import { BentoError } from '../../domain/errors';
import { log } from '../log';
import { answerError, apiFailure } from './apiErrors';
import type { KubeClient } from './client';
import { backOff } from './clock';
import type { Change, Kept } from './collection';
import { targetOf, type Query } from './target';
import {
  Gone,
  isGone,
  NoInitialEvents,
  StreamStatus,
  WatchState
} from './watchState';

/** How well a watch knows what is there. */
export interface WatchStatus {
  /**
   * `syncing`: reading everything for the first time; `live`: follows the
   * server; `stale`: the server cannot be followed, the objects are those of
   * `since`; `forbidden` (the objects are the last ones seen) and `missing`
   * (the kind is not installed, there are no objects): looked at again every
   * half minute.
   */
  state: 'syncing' | 'live' | 'stale' | 'forbidden' | 'missing';
  /** When the state began, in milliseconds since the epoch. */
  since: number;
  /** Whether everything was read at least once. */
  synced: boolean;
  /** Why it is not live. */
  error?: BentoError;
}

/** What to watch, and whom to tell. */
export interface ResourceWatchOptions<T extends Kept> {
  client: KubeClient;
  /** Path of the collection, for instance `/api/v1/namespaces/x/pods`. */
  path: string;
  labelSelector?: string;
  /** Makes the object that is kept; everything else of the raw one is dropped at once. */
  keep(raw: unknown): T;
  onChange?(change: Change<T>): void;
  onStatus?(status: WatchStatus): void;
}

/** The server sends bookmarks once a minute, so that longer silence means a dead connection. */
const IDLE_MS = 90_000;
/** A server that does not know initial events never says that they have ended. */
const INITIAL_IDLE_MS = 20_000;
/** The server ends each watch after 5 to 10 minutes, each at another time. */
const WATCH_SECONDS = 300;
const BETWEEN_STARTS_MS = 1000;
const REFUSED_MS = 30_000;
/** A stream that lived that long has worked. */
const WORKED_MS = 5000;

/** How one turn of the loop ended. */
interface Ending {
  /** Whether the server accepted the watch. */
  opened: boolean;
  /** Whether it was of use: something came, or it lived for a while. */
  worked: boolean;
  error?: unknown;
}

/**
 * Follows one collection: reads all objects (as initial events of the watch
 * where the server has them, else in pages), then watches from there, for
 * ever. After a cut it goes on from the last version seen; when that is gone
 * it reads everything again and tells the differences, deletions included.
 * It starts at most one request a second, waits 1 to 30 s after failures, and
 * neither what the server sends nor what a listener throws ends it.
 */
export class ResourceWatch<T extends Kept> {
  readonly #options: ResourceWatchOptions<T>;
  readonly #state: WatchState<T>;
  readonly #stop = new AbortController();
  #request = new AbortController();
  #running?: Promise<void>;
  #status: WatchStatus;
  #initialEvents = true;
  #lastStart = -Infinity;
  #liveUntil: number;

  constructor(options: ResourceWatchOptions<T>) {
    this.#options = options;
    this.#state = new WatchState<T>({
      keep: raw => this.#keep(raw),
      onChange: change => this.#guard(() => options.onChange?.(change))
    });
    const since = options.client.clock.now();
    this.#status = { state: 'syncing', since, synced: false };
    this.#liveUntil = since;
  }

  /** The objects by name. */
  get items(): ReadonlyMap<string, T> {
    return this.#state.items;
  }

  get status(): WatchStatus {
    return this.#status;
  }

  /** Starts following; once. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Stops for good; resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#request.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, pacer } = this.#options.client;
    const { signal } = this.#stop;
    const stopped = () => signal.aborted;
    let failures = 0;
    pacer.hurry();
    while (!stopped()) {
      if (pacer.reason && this.#lastStart > -Infinity) {
        this.#becomeStale(pacer.reason);
      }
      const report = await pacer.admit(signal);
      const pause = this.#lastStart + BETWEEN_STARTS_MS - clock.now();
      await clock.sleep(Math.max(0, pause), signal);
      if (stopped()) {
        report('unknown');
        return;
      }
      this.#lastStart = clock.now();
      const { opened, worked, error } = await this.#turn();
      const outcome = isUnreachable(error) ? error : 'answered';
      report(stopped() ? 'unknown' : outcome);
      if (opened) {
        this.#liveUntil = clock.now();
      }
      failures = worked ? 0 : failures + 1;
      if (!stopped()) {
        await clock.sleep(this.#settle(opened, error, failures), signal);
      }
    }
  }

  /** One request, or a list and a watch; never throws. */
  async #turn(): Promise<Ending> {
    const ending: Ending = { opened: false, worked: false };
    this.#request = new AbortController();
    try {
      if (this.#state.version === undefined && !this.#initialEvents) {
        await this.#readPages();
        ending.worked = true;
      }
      await this.#follow(ending);
    } catch (error) {
      ending.error = error;
    }
    const lived = this.#options.client.clock.now() - this.#lastStart;
    ending.worked ||= ending.opened && lived >= WORKED_MS;
    return ending;
  }

  /** Draws the conclusions and says how long to wait before the next turn. */
  #settle(opened: boolean, error: unknown, failures: number): number {
    const { clock } = this.#options.client;
    if (error instanceof NoInitialEvents) {
      // Asking in another way is no reconnect.
      this.#initialEvents = false;
      this.#lastStart = -Infinity;
      return 0;
    }
    if (error instanceof Gone) {
      this.#state.forget();
    }
    const ended =
      error === undefined ||
      error instanceof Gone ||
      (opened && isUnreachable(error));
    if (ended) {
      // Not worth a word if the next request is answered; a second passes anyway.
      return failures > 1 ? backOff(failures - 1, clock.random()) : 0;
    }
    const known = asBentoError(error);
    const isMissing = known.code === 'crdMissing' || known.code === 'notFound';
    if (known.code === 'forbidden' || isMissing) {
      if (isMissing) {
        this.#state.commit([], '');
      }
      this.#state.forget();
      this.#setStatus(isMissing ? 'missing' : 'forbidden', known);
      return REFUSED_MS * (0.75 + clock.random() / 2);
    }
    this.#becomeStale(known);
    if (isUnreachable(error)) {
      return 0; // The pacer makes us wait.
    }
    const asked = apiFailure(error)?.retryAfterMs ?? 0;
    return Math.max(asked, backOff(failures, clock.random()));
  }

  async #readPages(): Promise<void> {
    const { client, path, labelSelector } = this.#options;
    try {
      const { items, resourceVersion } = await client.list(path, {
        query: { labelSelector },
        keep: raw => this.#keep(raw),
        signal: this.#request.signal,
        once: true
      });
      const kept = items.filter(object => object !== undefined);
      this.#state.commit(kept, resourceVersion);
      this.#setStatus('live');
    } catch (error) {
      throw apiFailure(error)?.status === 410 ? new Gone() : error;
    }
  }

  /** One watch; with initial events when everything has to be read. */
  async #follow(ending: Ending): Promise<void> {
    const { client, path } = this.#options;
    const state = this.#state;
    const request = this.#request;
    state.begin();
    const initial = state.reading;
    const query = this.#query(initial);
    const limit = new Limit(ms =>
      client.clock.timer(ms, () => request.abort(new NoInitialEvents()))
    );
    const settle = () => {
      if (state.reading) {
        limit.restart(INITIAL_IDLE_MS);
      } else {
        limit.cancel();
        this.#setStatus('live');
      }
    };
    try {
      await client.stream(path, query, {
        signal: request.signal,
        idleMs: IDLE_MS,
        onOpen: () => {
          ending.opened = true;
          settle();
        },
        onLine: line => {
          state.take(line);
          ending.worked = true;
          settle();
        }
      });
    } catch (error) {
      throw this.#translate(error, { initial, query });
    } finally {
      limit.cancel();
    }
    if (state.reading) {
      throw new NoInitialEvents();
    }
  }

  /** A refusal of the parameters for initial events, or of the position, is told apart from others. */
  #translate(
    error: unknown,
    asked: { initial: boolean; query: Query }
  ): unknown {
    const { client, path } = this.#options;
    const { reason } = this.#request.signal as { reason?: unknown };
    if (reason instanceof NoInitialEvents) {
      return reason;
    }
    if (error instanceof StreamStatus) {
      return answerError({
        server: client.connection.server,
        target: targetOf('GET', path, asked.query),
        status: error.status,
        body: error.body
      });
    }
    const failure = apiFailure(error);
    if (failure && isGone(failure.status, failure.message)) {
      return new Gone();
    }
    const refused = failure?.status === 400 || failure?.status === 422;
    return refused && asked.initial ? new NoInitialEvents() : error;
  }

  #query(initial: boolean): Query {
    const { client, labelSelector } = this.#options;
    const seconds = WATCH_SECONDS * (1 + client.clock.random());
    return {
      watch: true,
      allowWatchBookmarks: true,
      labelSelector,
      timeoutSeconds: Math.round(seconds),
      ...(initial
        ? { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' }
        : { resourceVersion: this.#state.version })
    };
  }

  #keep(raw: unknown): T | undefined {
    return this.#guard(() => this.#options.keep(raw));
  }

  /** Stale since the last answer ended; what is refused stays so. */
  #becomeStale(error: BentoError): void {
    const { state, since } = this.#status;
    if (state === 'stale' || state === 'live' || state === 'syncing') {
      this.#setStatus(
        'stale',
        error,
        state === 'stale' ? since : this.#liveUntil
      );
    }
  }

  #setStatus(
    state: WatchStatus['state'],
    error?: BentoError,
    since = this.#options.client.clock.now()
  ): void {
    const before = this.#status;
    if (before.state === state && before.error?.message === error?.message) {
      return;
    }
    const synced = before.synced || state === 'live';
    this.#status = { state, since, synced, error };
    this.#guard(() => this.#options.onStatus?.(this.#status));
  }

  /** Runs code of others: what it throws is written down and stops nothing. */
  #guard<R>(work: () => R): R | undefined {
    try {
      return work();
    } catch (error) {
      log({
        level: 'error',
        message: 'A part of a watch failed; the watch goes on.',
        path: this.#options.path,
        reason:
          error instanceof Error
            ? (error.stack ?? error.message)
            : String(error)
      });
      return undefined;
    }
  }
}

/** A timer that starts anew. */
class Limit {
  #cancel?: () => void;

  constructor(private readonly set: (ms: number) => () => void) {}

  restart(ms: number): void {
    this.#cancel?.();
    this.#cancel = this.set(ms);
  }

  cancel(): void {
    this.#cancel?.();
  }
}

/** Whether the server could not be asked at all, or its answer broke off. */
function isUnreachable(error: unknown): error is BentoError {
  return (
    error instanceof BentoError &&
    error.code === 'clusterUnreachable' &&
    apiFailure(error) === undefined
  );
}

function asBentoError(error: unknown): BentoError {
  return error instanceof BentoError
    ? error
    : new BentoError('internal', { params: { reason: String(error) } });
}
