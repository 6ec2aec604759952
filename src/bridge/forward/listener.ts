// SPDX-License-Identifier: BSD-3-Clause
import * as http from 'node:http';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { toBentoError } from '../../domain/errors';
import { isIdentity, passedOn, toHeaders } from './headers';
import { type Outgoing, send } from './send';
import type { Target } from './target';

const LOCAL_HOST = /^(localhost|127\.0\.0\.1)(:\d{1,5})?$/i;

/** Set by jupyter-server-proxy on what it passes on; the Host that it passes on may be a local one. */
const PROXIED = [
  'x-forwarded-context',
  'x-proxycontextpath',
  'x-forwarded-prefix'
];

/** To what a listener passes requests on, and whom it tells. */
export interface ListenerOptions {
  target: Target;
  name: string;
  /** Called after each request with the reason when the service was not reached. */
  onOutcome(error?: string): void;
}

/**
 * An HTTP server, not yet listening, that passes each request on to a
 * deployment: bodies, event streams and WebSockets both ways.
 *
 * Anything that does not call it `localhost` or `127.0.0.1` is refused, on each
 * request: a proxy that opens local ports to browsers would otherwise put the
 * service's pages on the notebook's origin. Cookies travel in neither direction,
 * since browsers share them between all ports of a host; identity headers never
 * travel. `Authorization` does: it was written by whoever calls the listener.
 */
export function createListener(options: ListenerOptions): http.Server {
  const server = http.createServer({
    requestTimeout: 0,
    keepAliveTimeout: 60_000
  });
  server.on('request', (request, response) => {
    void passRequest(options, request, response);
  });
  server.on('upgrade', (request, socket, head) => {
    passUpgrade(options, request, socket, head);
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  return server;
}

/** Why a request is refused, if it is. */
function refusal(
  request: http.IncomingMessage
): { status: number; text: string } | undefined {
  const hosts = request.rawHeaders.filter(
    (name, index) => index % 2 === 0 && name.toLowerCase() === 'host'
  );
  const local =
    hosts.length === 1 && LOCAL_HOST.test(request.headers.host ?? '');
  if (!local || PROXIED.some(name => name in request.headers)) {
    return {
      status: 403,
      text: 'This address answers only as localhost or 127.0.0.1, not through a proxy.\n'
    };
  }
  if (request.url?.startsWith('/') !== true) {
    return { status: 400, text: 'The path must start with "/".\n' };
  }
  return undefined;
}

function outgoing(
  request: http.IncomingMessage,
  signal: AbortSignal
): Outgoing {
  const headers = toHeaders(
    passedOn(request.rawHeaders, name => isIdentity(name) || name === 'expect')
  );
  const chunked = request.headers['transfer-encoding'] !== undefined;
  if (chunked) {
    headers['transfer-encoding'] = 'chunked';
  }
  const hasBody = chunked || Number(request.headers['content-length'] ?? 0) > 0;
  return {
    method: request.method ?? 'GET',
    path: request.url ?? '/',
    headers,
    ...(hasBody ? { body: request } : {}),
    signal
  };
}

async function passRequest(
  { target, name, onOutcome }: ListenerOptions,
  request: http.IncomingMessage,
  response: http.ServerResponse
): Promise<void> {
  const refused = refusal(request);
  if (refused) {
    plain(response, refused.status, refused.text);
    return;
  }
  const controller = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) {
      controller.abort();
    }
  });
  // A client that leaves in the middle is its own business.
  request.on('error', () => undefined);
  response.on('error', () => undefined);
  try {
    const answer = await send(
      target,
      name,
      outgoing(request, controller.signal)
    );
    onOutcome();
    const incoming = answer.response;
    response.writeHead(
      incoming.statusCode ?? 502,
      incoming.statusMessage,
      answerHeaders(incoming)
    );
    // The head of an event stream must not wait for its first event.
    response.flushHeaders();
    await pipeline(incoming, response);
  } catch (thrown) {
    if (controller.signal.aborted || response.headersSent) {
      response.destroy();
      return;
    }
    const error = toBentoError(thrown);
    onOutcome(error.message);
    plain(
      response,
      error.code === 'serviceNotReady' ? 503 : 502,
      `${error.message} ${error.hint}\n`
    );
  }
}

function passUpgrade(
  { target, onOutcome }: ListenerOptions,
  request: http.IncomingMessage,
  client: Duplex,
  head: Buffer
): void {
  client.on('error', () => client.destroy());
  const refused = refusal(request);
  if (refused) {
    client.end(rawHead(refused.status, 'Refused', ['Connection', 'close']));
    return;
  }
  const controller = new AbortController();
  client.once('close', () => controller.abort());
  const upgrade = ['Connection', 'Upgrade', 'Upgrade'];
  const { headers, ...rest } = outgoing(request, controller.signal);
  const upstream = http.request({
    ...rest,
    headers: {
      ...headers,
      connection: 'Upgrade',
      upgrade: request.headers.upgrade
    },
    agent: target.agent,
    setHost: false
  });
  upstream.once('upgrade', (answer, service, first) => {
    onOutcome();
    const names = [...upgrade, answer.headers.upgrade ?? ''];
    const lines = [...answerHeaders(answer), ...names];
    client.write(rawHead(101, 'Switching Protocols', lines));
    client.write(first);
    service.write(head);
    splice(client, service);
  });
  upstream.once('response', answer => {
    onOutcome();
    const { statusCode = 502, statusMessage = '' } = answer;
    const lines = [...answerHeaders(answer), 'Connection', 'close'];
    client.write(rawHead(statusCode, statusMessage, lines));
    pipeline(answer, client).catch(() => client.destroy());
  });
  upstream.on('error', thrown => {
    if (!controller.signal.aborted) {
      onOutcome(thrown.message);
      client.end(rawHead(502, 'Bad Gateway', ['Connection', 'close']));
    }
  });
  upstream.end();
}

/** Joins two streams until either is gone. */
function splice(client: Duplex, service: Duplex): void {
  service.on('error', () => service.destroy());
  client.once('close', () => service.destroy());
  service.once('close', () => client.destroy());
  client.pipe(service);
  service.pipe(client);
}

function answerHeaders(answer: http.IncomingMessage): string[] {
  return passedOn(answer.rawHeaders, name => name === 'set-cookie').flat();
}

function rawHead(status: number, text: string, headers: string[]): string {
  let head = `HTTP/1.1 ${status} ${text}\r\n`;
  for (let index = 0; index + 1 < headers.length; index += 2) {
    head += `${headers[index] ?? ''}: ${headers[index + 1] ?? ''}\r\n`;
  }
  return `${head}\r\n`;
}

function plain(
  response: http.ServerResponse,
  status: number,
  text: string
): void {
  response
    .writeHead(status, {
      'Content-Type': 'text/plain; charset=utf-8',
      Connection: 'close'
    })
    .end(text);
}
