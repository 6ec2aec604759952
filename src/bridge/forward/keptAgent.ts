// SPDX-License-Identifier: BSD-3-Clause
import * as http from 'node:http';
import type { Duplex } from 'node:stream';

/**
 * How long an idle connection to a service is kept. Shorter than the 5 s after
 * which uvicorn, which serves every bento, closes it: a request that meets the
 * closing could not be told from one that was lost.
 */
const KEEP_MS = 4000;

const MAX_CONNECTIONS = 256;
const MAX_IDLE = 8;

/** Opens one connection for the agent. */
export type Connect = () => Promise<Duplex>;

/** An HTTP agent over any duplex stream; keeps idle connections for a short while. */
export class KeptAgent extends http.Agent {
  private readonly idle = new Map<Duplex, NodeJS.Timeout>();

  constructor(private readonly connect: Connect) {
    super({
      keepAlive: true,
      maxSockets: MAX_CONNECTIONS,
      maxFreeSockets: MAX_IDLE
    });
  }

  override createConnection(
    _options: http.ClientRequestArgs,
    callback?: (error: Error | null, stream: Duplex) => void
  ): undefined {
    this.connect().then(
      stream => {
        stream.once('close', () => this.forget(stream));
        callback?.(null, stream);
      },
      // Node looks at the error first and then takes no stream.
      (error: Error) => callback?.(error, undefined as unknown as Duplex)
    );
  }

  override keepSocketAlive(stream: Duplex): boolean {
    const timer = setTimeout(() => stream.destroy(), KEEP_MS);
    timer.unref();
    this.idle.set(stream, timer);
    return true;
  }

  override reuseSocket(stream: Duplex, request: http.ClientRequest): void {
    this.forget(stream);
    super.reuseSocket(stream, request);
  }

  /** Closes the idle connections that a predicate picks. */
  dropIdle(unwanted: (stream: Duplex) => boolean): void {
    for (const stream of [...this.idle.keys()].filter(unwanted)) {
      stream.destroy();
    }
  }

  private forget(stream: Duplex): void {
    clearTimeout(this.idle.get(stream));
    this.idle.delete(stream);
  }
}
