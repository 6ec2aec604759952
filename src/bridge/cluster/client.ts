// SPDX-License-Identifier: BSD-3-Clause
import type { IncomingMessage } from 'node:http';
import { BentoError } from '../../domain/errors';
import {
  answerError,
  apiFailure,
  crdMissing,
  isTrustError,
  networkError
} from './apiErrors';
import { systemClock, type Clock } from './clock';
import type { Connection } from './connection';
import { eachLine } from './lines';
import { Pacer } from './pacer';
import { prunedFields } from './pruned';
import { objectName, pathWithQuery, targetOf, type Query } from './target';
import { Transport, type Timeouts } from './transport';

/** Field manager of all our writes. */
export const FIELD_MANAGER = 'jupyterlab-bento';

const MERGE_PATCH = 'application/merge-patch+json';
const APPLY_PATCH = 'application/apply-patch+yaml';

/** Waits before a request that found nobody is sent again: a pod's network may come up after the pod. */
const RETRY_MS = [250, 1000];
const RETRIED = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH'
]);
/** The server turned the request away before it did anything: how often, and how long at most, we come back. */
const TURNED_AWAY_TIMES = 3;
const TURNED_AWAY_MS = 5000;

interface Request {
  method: string;
  path: string;
  query?: Query;
  body?: unknown;
  contentType?: string;
  signal?: AbortSignal;
  /** Report the first failure instead of trying again; for callers that pace themselves. */
  once?: boolean;
}

/** One collection read to its end. */
export interface Listed<T> {
  items: T[];
  /** Where a watch can go on. */
  resourceVersion: string;
}

/** How a collection is read. */
export interface ListOptions<T> {
  /** Makes the object that is kept; the raw one is dropped at once. */
  keep(raw: unknown): T;
  query?: Query;
  /** Objects per page; 100 by default, so that memory stays flat. */
  pageSize?: number;
  signal?: AbortSignal;
  once?: boolean;
}

/** What is done with a stream. */
export interface StreamOptions {
  signal?: AbortSignal;
  /** Called for each complete line; the stream waits for a promise. What it throws ends the stream. */
  onLine(line: string): unknown;
  /** Called when the server has accepted the request. */
  onOpen?(): void;
  /** After how many milliseconds of silence the stream fails; the transport's limit when absent. */
  idleMs?: number;
}

/**
 * Kubernetes' REST API in few words. Every method throws a BentoError:
 * `unauthorized`, `forbidden`, `notFound`, `crdMissing`, `apiConflict`,
 * `apiRejected`, `quotaExceeded`, `clusterUnreachable`, `cancelled` when the
 * signal aborts, and what the connection's credentials throw. After a 401 the
 * credentials are read again and the request is sent once more; reading is
 * tried again where the server could not be reached.
 */
export class KubeClient {
  readonly clock: Clock;
  /** One for all watches over this client. */
  readonly pacer: Pacer;
  readonly #transport: Transport;

  constructor(
    readonly connection: Connection,
    options: { clock?: Clock; timeouts?: Partial<Timeouts> } = {}
  ) {
    this.clock = options.clock ?? systemClock;
    this.pacer = new Pacer(this.clock);
    this.#transport = new Transport(connection, options);
  }

  /** Reads one object, or anything else that answers with JSON. */
  get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
    return this.#json<T>({ method: 'GET', path, query, signal });
  }

  /** Reads a collection in pages. An expired page position is a 410: start again. */
  async list<T>(path: string, options: ListOptions<T>): Promise<Listed<T>> {
    const { keep, query, pageSize = 100, signal, once } = options;
    const items: T[] = [];
    let next: string | undefined;
    for (;;) {
      const page = await this.#json<{
        items?: unknown[] | null;
        metadata?: { continue?: string; resourceVersion?: string };
      }>({
        method: 'GET',
        path,
        query: { ...query, limit: pageSize, continue: next },
        signal,
        once
      });
      (page.items ?? []).forEach(raw => items.push(keep(raw)));
      next = page.metadata?.continue || undefined;
      if (next === undefined) {
        return {
          items,
          resourceVersion: page.metadata?.resourceVersion ?? ''
        };
      }
    }
  }

  /** Creates an object; a field that the schema does not know is an error. */
  create<T>(path: string, body: unknown, query?: Query): Promise<T> {
    return this.#write<T>({
      method: 'POST',
      path,
      body,
      query: {
        fieldManager: FIELD_MANAGER,
        fieldValidation: 'Strict',
        ...query
      }
    });
  }

  /** Patches an object; a merge patch unless another content type is given. */
  patch<T>(
    path: string,
    body: unknown,
    options: { contentType?: string; query?: Query } = {}
  ): Promise<T> {
    return this.#write<T>({
      method: 'PATCH',
      path,
      body,
      contentType: options.contentType ?? MERGE_PATCH,
      query: {
        fieldManager: FIELD_MANAGER,
        fieldValidation: 'Strict',
        ...options.query
      }
    });
  }

  /** Server-side apply as {@link FIELD_MANAGER}, never by force: another manager's field is an `apiConflict`. */
  apply<T>(
    path: string,
    body: unknown,
    options: { dryRun?: boolean; force?: false } = {}
  ): Promise<T> {
    return this.patch<T>(path, body, {
      contentType: APPLY_PATCH,
      query: { dryRun: options.dryRun ? 'All' : undefined, force: false }
    });
  }

  /** Deletes an object; `body` is a DeleteOptions object. */
  delete(path: string, body?: unknown): Promise<unknown> {
    return this.#json({ method: 'DELETE', path, body });
  }

  /**
   * Reads an answer line by line as it comes: a watch or a log. Nothing is
   * tried again.
   * @returns what came after the last line end; for a watch that is half an event.
   */
  async stream(
    path: string,
    query: Query,
    options: StreamOptions
  ): Promise<string> {
    const { signal, onLine, onOpen, idleMs } = options;
    const request = { method: 'GET', path, query, signal, once: true };
    const answer = await this.#send(request);
    onOpen?.();
    const pieces = this.#transport.read(
      answer,
      idleMs ?? this.#transport.timeouts.idle
    );
    let ours: { error: unknown } | undefined;
    const own = (error: unknown): never => {
      ours = { error };
      throw error;
    };
    try {
      return await eachLine(pieces, line => {
        try {
          const pending = onLine(line);
          return pending instanceof Promise ? pending.catch(own) : undefined;
        } catch (error) {
          return own(error);
        }
      });
    } catch (error) {
      throw ours === undefined ? this.#failed(error, signal) : ours.error;
    }
  }

  /** Closes all connections. */
  close(): void {
    this.#transport.close();
  }

  async #write<T>(request: Request): Promise<T> {
    const stored = await this.#json<T>(request);
    // A trial tells what an old server would drop; afterwards it would be too late.
    if (request.query?.dryRun !== undefined) {
      const dropped = prunedFields(request.body, stored);
      if (dropped.length > 0) {
        const target = targetOf(request.method, request.path, request.query);
        throw new BentoError('apiRejected', {
          params: {
            verb: target.verb,
            object: objectName(target),
            reason: `unknown field ${dropped.join(', ')}`
          }
        });
      }
    }
    return stored;
  }

  async #json<T>(request: Request): Promise<T> {
    const answer = await this.#send(request);
    const text = await this.#text(answer, request.signal);
    try {
      return JSON.parse(text) as T;
    } catch {
      throw networkError(
        this.connection.server,
        new Error('its answer is not JSON; is that the API server?')
      );
    }
  }

  async #send(request: Request): Promise<IncomingMessage> {
    let refreshed = false;
    let turnedAway = 0;
    for (;;) {
      const answer = await this.#reach(request);
      const status = answer.statusCode ?? 0;
      if (status >= 200 && status < 300) {
        return answer;
      }
      const error = answerError({
        server: this.connection.server,
        target: targetOf(request.method, request.path, request.query),
        status,
        body: await this.#text(answer, request.signal),
        retryAfter: answer.headers['retry-after']
      });
      const wait = apiFailure(error)?.retryAfterMs;
      if (status === 401 && !refreshed) {
        refreshed = true;
        await this.connection.refresh?.();
      } else if (
        status === 429 &&
        wait !== undefined &&
        request.once !== true &&
        turnedAway < TURNED_AWAY_TIMES
      ) {
        turnedAway += 1;
        const ms = Math.min(wait, TURNED_AWAY_MS);
        await this.clock.sleep(ms, request.signal);
      } else {
        throw await this.#explain(error, request);
      }
    }
  }

  /**
   * Rights are checked before anything else, so that a kind which is not
   * installed is forbidden to whoever has no rights on it. Discovery, which
   * everybody may read, tells the difference.
   */
  async #explain(error: BentoError, request: Request): Promise<BentoError> {
    const target = targetOf(request.method, request.path, request.query);
    const [, , group = '', version = ''] = request.path.split('/');
    const isCustom = target.group.includes('.') && target.resource !== '';
    if (error.code !== 'forbidden' || !isCustom) {
      return error;
    }
    try {
      const { resources = [] } = await this.#json<{
        resources?: { name: string }[];
      }>({
        method: 'GET',
        path: `/apis/${group}/${version}`,
        signal: request.signal,
        once: true
      });
      const known = resources.some(({ name }) => name === target.resource);
      return known ? error : crdMissing(target, error.cause);
    } catch (thrown) {
      return apiFailure(thrown)?.status === 404
        ? crdMissing(target, error.cause)
        : error;
    }
  }

  /** Sends until the server answers, as often as is safe. */
  async #reach(request: Request): Promise<IncomingMessage> {
    const { method, path, query, body, contentType, signal, once } = request;
    const retries = method === 'GET' && once !== true ? RETRY_MS : [];
    let refreshed = false;
    for (let attempt = 0; ; attempt++) {
      try {
        const answer = await this.#transport.send({
          method,
          path: pathWithQuery(path, query),
          body: body === undefined ? undefined : JSON.stringify(body),
          headers:
            body === undefined
              ? {}
              : { 'content-type': contentType ?? 'application/json' },
          signal
        });
        this.pacer.answered();
        return answer;
      } catch (error) {
        const wait = retries[attempt];
        const { code } = error as NodeJS.ErrnoException;
        if (isTrustError(error) && !refreshed) {
          // The authority may have been replaced; nothing has been sent yet.
          refreshed = true;
          await this.connection.refresh?.();
          continue;
        }
        if (wait === undefined || !RETRIED.has(code ?? '') || signal?.aborted) {
          throw this.#failed(error, signal);
        }
        await this.clock.sleep(wait, signal);
      }
    }
  }

  async #text(answer: IncomingMessage, signal?: AbortSignal): Promise<string> {
    const pieces: Buffer[] = [];
    try {
      const { idle } = this.#transport.timeouts;
      for await (const piece of this.#transport.read(answer, idle)) {
        pieces.push(piece);
      }
    } catch (error) {
      throw this.#failed(error, signal);
    }
    return Buffer.concat(pieces).toString('utf8');
  }

  #failed(error: unknown, signal: AbortSignal | undefined): BentoError {
    return signal?.aborted
      ? new BentoError('cancelled', { cause: error })
      : networkError(this.connection.server, error);
  }
}
