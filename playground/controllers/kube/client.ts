// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import type { IncomingMessage } from 'node:http';
import * as https from 'node:https';

import type { Kind, KubeObject, Stored } from './objects';
import { resourcePath } from './objects';

/** An answer of the API server that is no success; `message` is the server's own text. */
export class KubeError extends Error {
  constructor(
    readonly status: number,
    readonly reason: string,
    message: string
  ) {
    super(message);
  }
}

/** Narrows a list or a watch. */
export interface Selection {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
}

/** One line of a watch. */
export interface WatchLine {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  object: KubeObject & { code?: number; message?: string };
}

/** How to delete: only this very object, and how long its pods may take. */
export interface DeleteOptions {
  uid?: string;
  gracePeriodSeconds?: number;
  propagationPolicy?: 'Foreground' | 'Background';
}

interface Exchange {
  method: string;
  path: string;
  body?: unknown;
  contentType?: string;
}

function query(parameters: Record<string, string | undefined>): string {
  const given = Object.entries(parameters).filter(
    (entry): entry is [string, string] => entry[1] !== undefined
  );
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`;
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function errorOf(status: number, text: string): KubeError {
  try {
    const body = JSON.parse(text) as { reason?: string; message?: string };
    return new KubeError(status, body.reason ?? '', body.message ?? text);
  } catch {
    return new KubeError(status, '', text);
  }
}

/** Reads and writes objects as plain JSON over kept connections, with the rights of one token. */
export class KubeClient {
  private readonly agent: https.Agent;

  constructor(
    private readonly server: string,
    caFile: string,
    private readonly token: string
  ) {
    this.agent = new https.Agent({
      keepAlive: true,
      ca: fs.readFileSync(caFile)
    });
  }

  /** The object, or undefined when there is none. */
  async get<T extends KubeObject>(
    kind: Kind,
    namespace: string,
    name: string
  ): Promise<Stored<T> | undefined> {
    try {
      const path = resourcePath(kind, namespace, name);
      return await this.exchange<Stored<T>>({ method: 'GET', path });
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) {
        return undefined;
      }
      throw error;
    }
  }

  /** Every object of a kind, and the version from which to watch on. */
  async list<T extends KubeObject>(
    kind: Kind,
    selection: Selection = {}
  ): Promise<{ items: Stored<T>[]; resourceVersion: string }> {
    const { namespace, ...selectors } = selection;
    const path = resourcePath(kind, namespace) + query(selectors);
    const list = await this.exchange<{
      metadata: { resourceVersion: string };
      items: Stored<T>[];
      apiVersion: string;
    }>({ method: 'GET', path });
    // Items of a list carry neither kind nor apiVersion.
    const items = list.items.map(item => ({
      ...item,
      kind,
      apiVersion: list.apiVersion
    }));
    return { items, resourceVersion: list.metadata.resourceVersion };
  }

  create<T extends KubeObject>(object: T): Promise<Stored<T>> {
    const path = resourcePath(object.kind as Kind, object.metadata.namespace);
    return this.exchange({ method: 'POST', path, body: object });
  }

  replace<T extends KubeObject>(object: T): Promise<Stored<T>> {
    const { name, namespace } = object.metadata;
    const path = resourcePath(object.kind as Kind, namespace, name);
    return this.exchange({ method: 'PUT', path, body: object });
  }

  /** A JSON merge patch: lists are replaced as a whole. */
  patch<T extends KubeObject>(
    target: { kind: Kind; namespace: string; name: string; part?: 'status' },
    body: object
  ): Promise<Stored<T>> {
    const rest = target.part ? [target.name, target.part] : [target.name];
    return this.exchange({
      method: 'PATCH',
      path: resourcePath(target.kind, target.namespace, ...rest),
      body,
      contentType: 'application/merge-patch+json'
    });
  }

  /** Deletes an object; one that is gone already is fine. */
  async delete(
    target: { kind: Kind; namespace: string; name: string },
    options: DeleteOptions = {}
  ): Promise<void> {
    const { uid, ...rest } = options;
    const body = { ...rest, ...(uid ? { preconditions: { uid } } : {}) };
    const path = resourcePath(target.kind, target.namespace, target.name);
    try {
      await this.exchange({ method: 'DELETE', path, body });
    } catch (error) {
      // 409: another object of that name stands there by now.
      const gone =
        error instanceof KubeError && [404, 409].includes(error.status);
      if (!gone) {
        throw error;
      }
    }
  }

  /**
   * Follows a kind from a version on; returns when the server ends the stream or `signal` aborts.
   * @throws KubeError or the connection's error.
   */
  async watch(
    kind: Kind,
    selection: Selection & { resourceVersion: string },
    options: { signal: AbortSignal; onLine: (line: WatchLine) => void }
  ): Promise<void> {
    const { namespace, ...parameters } = selection;
    const path =
      resourcePath(kind, namespace) +
      query({ ...parameters, watch: '1', allowWatchBookmarks: 'true' });
    const response = await this.send({ method: 'GET', path }, options.signal);
    response.setEncoding('utf8');
    let rest = '';
    for await (const chunk of response) {
      const lines = (rest + (chunk as string)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        options.onLine(JSON.parse(line) as WatchLine);
      }
    }
  }

  /** Closes the kept connections. */
  close(): void {
    this.agent.destroy();
  }

  private async exchange<T>(exchange: Exchange): Promise<T> {
    const response = await this.send(exchange);
    return JSON.parse(await readText(response)) as T;
  }

  private async send(
    exchange: Exchange,
    signal?: AbortSignal
  ): Promise<IncomingMessage> {
    const response = await this.begin(exchange, signal);
    const status = response.statusCode ?? 0;
    if (status >= 300) {
      throw errorOf(status, await readText(response));
    }
    return response;
  }

  private begin(
    { method, path, body, contentType }: Exchange,
    signal?: AbortSignal
  ): Promise<IncomingMessage> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const request = https.request(new URL(path, this.server), {
        method,
        signal,
        agent: this.agent,
        headers: {
          authorization: `Bearer ${this.token}`,
          accept: 'application/json',
          ...(text === undefined
            ? {}
            : {
                'content-type': contentType ?? 'application/json',
                // Node sends the body of a DELETE without its length otherwise.
                'content-length': Buffer.byteLength(text)
              })
        }
      });
      request.once('response', resolve);
      request.once('error', reject);
      request.end(text);
    });
  }
}
