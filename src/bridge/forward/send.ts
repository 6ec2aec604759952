// SPDX-License-Identifier: BSD-3-Clause
import * as http from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BentoError } from '../../domain/errors';
import type { Target } from './target';
import { Tunnel } from './tunnel';

/** A request as it goes out. */
export interface Outgoing {
  method: string;
  /** Path and query. */
  path: string;
  headers: http.OutgoingHttpHeaders;
  /** Bytes; a stream that can be sent once; or a function that opens one anew for each try. */
  body?: Buffer | Readable | (() => Promise<Readable>);
  /** Aborting closes the connection, also while the answer is being read. */
  signal: AbortSignal;
}

/** The head of an answer, whose body is still to be read, and who gave it. */
export interface Incoming {
  response: http.IncomingMessage;
  /** The tunnel that it came through; absent without one. */
  tunnel?: Tunnel;
}

/** Why one try failed before the head of the answer. */
export class SendFailure extends Error {
  constructor(
    override readonly cause: unknown,
    /** Whether the service surely saw nothing of the request. */
    readonly untouched: boolean,
    readonly tunnel?: Tunnel
  ) {
    super(cause instanceof Error ? cause.message : String(cause));
  }
}

/** Methods that change nothing, so that sending them twice is harmless. */
export const SAFE_METHODS = new Set(['GET', 'HEAD']);

/**
 * Sends a request once over an agent's connection.
 * @throws SendFailure when the connection breaks before the head of the answer.
 */
export function sendOnce(
  agent: http.Agent,
  outgoing: Outgoing
): Promise<Incoming> {
  const { method, path, headers, body, signal } = outgoing;
  return new Promise((resolve, reject) => {
    const request = http.request({
      agent,
      method,
      path,
      headers,
      signal,
      setHost: false
    });
    let tunnel: Tunnel | undefined;
    let connected = false;
    request.once('socket', socket => {
      connected = true;
      tunnel =
        (socket as unknown) instanceof Tunnel
          ? (socket as unknown as Tunnel)
          : undefined;
    });
    request.once('response', response => resolve({ response, tunnel }));
    request.on('error', error => {
      const untouched =
        !connected || (tunnel?.refused === true && tunnel.received === 0);
      reject(new SendFailure(tunnel?.failure ?? error, untouched, tunnel));
    });
    if (body === undefined || Buffer.isBuffer(body)) {
      request.end(body);
      return;
    }
    void pump(body, request, reject);
  });
}

async function pump(
  body: Readable | (() => Promise<Readable>),
  request: http.ClientRequest,
  fail: (error: unknown) => void
): Promise<void> {
  try {
    const source = body instanceof Readable ? body : await body();
    await pipeline(source, request);
  } catch (error) {
    // Comes second, and to no effect, when it was the connection that broke.
    fail(error);
    request.destroy();
  }
}

/**
 * Sends a request to a deployment through a tunnel. When the tunnel or its pod
 * dies before any of the answer came, the request is sent once more, to another
 * pod if there is one, provided that doing so is safe: it only reads, or nothing
 * of it had arrived.
 *
 * @throws BentoError with the cause.
 */
export async function send(
  target: Target,
  name: string,
  outgoing: Outgoing
): Promise<Incoming> {
  const { method, body, signal } = outgoing;
  const repeatable = !(body instanceof Readable);
  for (let retried = false; ; retried = true) {
    try {
      const incoming = await sendOnce(target.agent, outgoing);
      if (incoming.tunnel) {
        target.trust(incoming.tunnel.podUid);
      }
      return incoming;
    } catch (error) {
      if (!(error instanceof SendFailure) || signal.aborted) {
        throw error;
      }
      if (error.tunnel) {
        target.suspect(error.tunnel.podUid);
      }
      const safe = error.untouched || SAFE_METHODS.has(method);
      // Without a tunnel, opening one failed on every pod already.
      if (retried || !error.tunnel || !repeatable || !safe) {
        throw explain(error, name, method);
      }
    }
  }
}

/** The error for a request that failed on its way; says so when it may have arrived and acted. */
export function explain(
  failure: SendFailure,
  name: string,
  method: string
): BentoError {
  if (failure.cause instanceof BentoError && failure.untouched) {
    return failure.cause;
  }
  const where = failure.tunnel ? ` to pod ${failure.tunnel.pod}` : '';
  const advice =
    failure.untouched || SAFE_METHODS.has(method)
      ? ''
      : ' The request may have arrived, so it was not sent again.';
  const reason = `the connection${where} broke before the answer (${failure.message}).${advice}`;
  return new BentoError('serviceUnreachable', {
    params: { name, reason },
    cause: failure.cause
  });
}
