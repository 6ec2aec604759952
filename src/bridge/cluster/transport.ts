// SPDX-License-Identifier: BSD-3-Clause
import * as http from 'node:http';
import * as https from 'node:https';
import { systemClock, type Clock } from './clock';
import type { Connection, ConnectionTls } from './connection';

/** Limits of one request in milliseconds. */
export interface Timeouts {
  /** Until the connection stands, TLS included. */
  connect: number;
  /** From there until the answer begins; the server's own limit is 60 s. */
  answer: number;
  /** Between two pieces of an answer. */
  idle: number;
}

const TIMEOUTS: Timeouts = { connect: 10_000, answer: 65_000, idle: 60_000 };
/** Shorter than what load balancers cut, so that a kept connection is rarely a dead one. */
const KEEP_FREE_MS = 20_000;
const PROBE_MS = 30_000;

/** One HTTP request, path and query escaped already. */
export interface HttpRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  body?: string;
  signal?: AbortSignal;
}

/**
 * HTTP to one API server over kept connections. Errors are those of
 * `node:http`; every socket has a listener for them, before and after the
 * answer, so that none can end the process.
 */
export class Transport {
  readonly timeouts: Timeouts;
  readonly #clock: Clock;
  readonly #base: URL;
  #agent?: { of: ConnectionTls; agent: http.Agent };

  constructor(
    readonly connection: Connection,
    options: { clock?: Clock; timeouts?: Partial<Timeouts> } = {}
  ) {
    this.#clock = options.clock ?? systemClock;
    this.timeouts = { ...TIMEOUTS, ...options.timeouts };
    this.#base = new URL(connection.server);
  }

  /** Sends a request and resolves when the answer begins, whatever its status. */
  async send(request: HttpRequest): Promise<http.IncomingMessage> {
    const credentials = await this.connection.headers();
    const secure = this.#base.protocol === 'https:';
    return new Promise((resolve, reject) => {
      const { body, signal } = request;
      const sent = (secure ? https : http).request({
        hostname: this.#base.hostname.replace(/^\[|\]$/g, ''),
        port: this.#base.port || undefined,
        path: this.#base.pathname.replace(/\/$/, '') + request.path,
        method: request.method,
        agent: this.#agentNow(secure),
        signal,
        headers: {
          accept: 'application/json, */*',
          'user-agent': 'jupyterlab-bento',
          ...(body !== undefined && {
            'content-length': String(Buffer.byteLength(body))
          }),
          ...request.headers,
          ...credentials
        }
      });
      const stopTimers = this.#watchStart(sent, secure);
      // Stays for the whole life of the request: an error after the answer must find a listener too.
      sent.on('error', error => {
        stopTimers();
        reject(error);
      });
      sent.on('response', answer => {
        stopTimers();
        answer.on('error', ignore);
        resolve(answer);
      });
      sent.end(body);
    });
  }

  /** Reads an answer piece by piece, at the reader's pace; ends with an error when nothing comes for too long. */
  async *read(
    answer: http.IncomingMessage,
    idleMs: number
  ): AsyncGenerator<Buffer> {
    let cancel = ignore;
    const restart = () => {
      cancel();
      cancel = this.#clock.timer(idleMs, () =>
        answer.destroy(new Error(`nothing came for ${idleMs / 1000} s`))
      );
    };
    restart();
    try {
      for await (const piece of answer) {
        // The reader may take its time: only the server's silence counts.
        cancel();
        yield piece as Buffer;
        restart();
      }
    } finally {
      cancel();
      answer.destroy();
    }
  }

  /** Closes all connections; a request under way fails. */
  close(): void {
    this.#agent?.agent.destroy();
    this.#agent = undefined;
  }

  /** New certificates need new connections; what is under way ends on the old ones. */
  #agentNow(secure: boolean): http.Agent {
    const { tls, agent: proxy } = this.connection;
    if (proxy) {
      return proxy;
    }
    if (this.#agent?.of !== tls) {
      const options = { keepAlive: true, maxFreeSockets: 4 };
      const agent = secure
        ? new https.Agent({ ...options, ...tls, timeout: KEEP_FREE_MS })
        : new http.Agent({ ...options, timeout: KEEP_FREE_MS });
      this.#agent = { of: tls, agent };
    }
    return this.#agent.agent;
  }

  /** Limits the time until the connection stands and until the answer begins. */
  #watchStart(sent: http.ClientRequest, secure: boolean): () => void {
    const { connect, answer } = this.timeouts;
    const limit = (ms: number, what: string) =>
      this.#clock.timer(ms, () =>
        sent.destroy(new Error(`no ${what} within ${ms / 1000} s`))
      );
    let cancel = limit(connect, 'connection');
    const connected = () => {
      cancel();
      cancel = limit(answer, 'answer');
    };
    sent.on('socket', socket => {
      if (sent.reusedSocket) {
        connected();
      } else {
        socket.once(secure ? 'secureConnect' : 'connect', connected);
        socket.setKeepAlive(true, PROBE_MS);
      }
    });
    return () => cancel();
  }
}

function ignore(): void {
  // Nothing to do: whoever waits has been told through the promise or the iterator.
}
