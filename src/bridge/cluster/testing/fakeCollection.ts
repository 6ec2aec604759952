// SPDX-License-Identifier: BSD-3-Clause
import type { ServerResponse } from 'node:http';
import { sendJson, sendStatus, type StubRequest } from './stubServer';

/** An object as the fake server holds it. */
export interface FakeObject {
  metadata: {
    name: string;
    namespace: string;
    uid: string;
    resourceVersion: string;
    labels?: Record<string, string>;
  };
  value: string;
}

interface LoggedEvent {
  version: number;
  line: string;
}

/** How the fake server treats `sendInitialEvents`. */
export type InitialEvents = 'served' | 'refused' | 'ignored';

/** One open watch. */
interface Stream {
  response: ServerResponse;
  /** Bytes that may still be sent before the connection is cut. */
  bytesLeft: number;
}

/**
 * A collection of the Kubernetes API as its list and watch are documented
 * ("API concepts"): one version counter, a log of events that can be
 * compacted, pages, bookmarks, initial events. Its streams can be cut at any
 * byte, closed, or left silent.
 */
export class FakeCollection {
  readonly objects = new Map<string, FakeObject>();
  readonly streams = new Set<Stream>();
  /** Every event since the beginning, as a line. */
  readonly history: string[] = [];
  initialEvents: InitialEvents = 'served';
  /** How a position that is too old is told: as the answer's status, or as an event. */
  goneAs: 'status' | 'event' = 'status';
  /** After how many bytes new streams are cut. */
  cutAfter = Infinity;
  #version = 10;
  #uids = 0;
  #log: LoggedEvent[] = [];
  #compactedAt = 10;
  readonly #pages = new Map<string, FakeObject[]>();

  /** Creates an object, or changes it. */
  put(name: string, value = ''): FakeObject {
    const before = this.objects.get(name);
    const object: FakeObject = {
      metadata: {
        name,
        namespace: 'ns',
        uid: before?.metadata.uid ?? `uid-${++this.#uids}`,
        resourceVersion: String(++this.#version)
      },
      value
    };
    this.objects.set(name, object);
    this.#record(before ? 'MODIFIED' : 'ADDED', object);
    return object;
  }

  remove(name: string): void {
    const object = this.objects.get(name);
    if (object && this.objects.delete(name)) {
      const resourceVersion = String(++this.#version);
      const metadata = { ...object.metadata, resourceVersion };
      this.#record('DELETED', { ...object, metadata });
    }
  }

  /** Forgets the past: earlier positions are gone. */
  compact(): void {
    this.#log = [];
    this.#compactedAt = this.#version;
    this.#pages.clear();
  }

  /** Tells all streams where they are. */
  bookmark(): void {
    this.sendToAll(this.#bookmarkLine());
  }

  /** Sends a line as it is. */
  sendToAll(line: string): void {
    for (const stream of [...this.streams]) {
      this.#write(stream, line);
    }
  }

  /** Ends all streams cleanly, as the server does when their time is over. */
  closeStreams(): void {
    for (const { response } of this.streams) {
      response.end();
    }
    this.streams.clear();
  }

  /** Cuts all connections with streams. */
  cutStreams(): void {
    for (const { response } of this.streams) {
      response.destroy();
    }
    this.streams.clear();
  }

  /** Answers a list or a watch. */
  serve(request: StubRequest, response: ServerResponse): void {
    if (request.query.get('watch') === 'true') {
      this.#watch(request.query, response);
    } else {
      this.#list(request.query, response);
    }
  }

  #list(query: URLSearchParams, response: ServerResponse): void {
    const limit = Number(query.get('limit') ?? Infinity);
    const token = query.get('continue');
    const left = token ? this.#pages.get(token) : [...this.objects.values()];
    if (!left) {
      sendStatus(response, 410, { reason: 'Expired', message: 'too old' });
      return;
    }
    const version = token?.split('/')[0] ?? String(this.#version);
    const rest = left.slice(limit);
    const next = rest.length > 0 ? `${version}/${rest.length}` : undefined;
    if (next !== undefined) {
      this.#pages.set(next, rest);
    }
    sendJson(response, 200, {
      kind: 'List',
      metadata: { resourceVersion: version, continue: next },
      items: left.slice(0, limit)
    });
  }

  #watch(query: URLSearchParams, response: ServerResponse): void {
    const wantsInitial = query.get('sendInitialEvents') === 'true';
    const from = Number(query.get('resourceVersion') ?? 0);
    if (wantsInitial && this.initialEvents === 'refused') {
      sendStatus(response, 422, {
        reason: 'Invalid',
        message: 'resourceVersionMatch is forbidden for watch'
      });
      return;
    }
    const gone = from > 0 && from < this.#compactedAt;
    if (gone && this.goneAs === 'status') {
      sendStatus(response, 410, { reason: 'Expired', message: 'too old' });
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    const stream = { response, bytesLeft: this.cutAfter };
    this.streams.add(stream);
    response.on('close', () => this.streams.delete(stream));
    if (gone) {
      this.#write(
        stream,
        event('ERROR', { kind: 'Status', code: 410, reason: 'Expired' })
      );
      response.end();
      this.streams.delete(stream);
    } else if (from === 0) {
      this.objects.forEach(object =>
        this.#write(stream, event('ADDED', object))
      );
      if (wantsInitial && this.initialEvents === 'served') {
        this.#write(stream, this.#bookmarkLine(true));
      }
    } else {
      this.#log
        .filter(({ version }) => version > from)
        .forEach(({ line }) => this.#write(stream, line));
    }
  }

  #record(type: string, object: FakeObject): void {
    const line = event(type, object);
    this.#log.push({ version: this.#version, line });
    this.history.push(line);
    this.sendToAll(line);
  }

  #bookmarkLine(endsInitial = false): string {
    const annotations = endsInitial
      ? { 'k8s.io/initial-events-end': 'true' }
      : undefined;
    const resourceVersion = String(this.#version);
    return event('BOOKMARK', { metadata: { resourceVersion, annotations } });
  }

  #write(stream: Stream, line: string): void {
    if (!this.streams.has(stream)) {
      return;
    }
    const bytes = Buffer.from(`${line}\n`);
    const sent = bytes.subarray(0, stream.bytesLeft);
    stream.bytesLeft -= sent.length;
    stream.response.write(sent);
    if (sent.length < bytes.length) {
      this.streams.delete(stream);
      // What was written goes out first: the cut is in the middle of a line.
      setImmediate(() => stream.response.destroy());
    }
  }
}

/** One line of a watch. */
export function event(type: string, object: unknown): string {
  return JSON.stringify({ type, object });
}
