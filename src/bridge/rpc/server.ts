// SPDX-License-Identifier: BSD-3-Clause
import { chmod, rm } from 'node:fs/promises';
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse
} from 'node:http';
import { WebSocketServer } from 'ws';
import { toBentoError } from '../../domain/errors';
import { MAX_MESSAGE_BYTES } from '../../protocol';
import type { Blobs } from './blobs';
import type { Hub } from './hub';
import { type Handlers, Session } from './session';

/** Shorter than what gateways allow a silent connection. */
const HEARTBEAT_MS = 20_000;

/** What the server needs. */
export interface ServerOptions {
  /** Path of the unix socket to listen on. */
  socketPath: string;
  handlers: Handlers;
  hub: Hub;
  blobs: Blobs;
  version: string;
  onTopic(topic: string): Promise<() => void>;
  log(entry: Record<string, unknown>): void;
}

/**
 * Listens on a unix socket (mode 0600): `/api/v1/rpc` is the WebSocket,
 * `/api/v1/blobs/<id>` takes and gives bytes. Returns how to stop.
 */
export async function serve(options: ServerOptions): Promise<() => void> {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false
  });
  const http = createServer((request, response) => {
    void answer(options, request, response);
  });
  http.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    if (request.url !== '/api/v1/rpc') {
      socket.end('HTTP/1.1 404 Not Found\r\n\r\n');
      return;
    }
    sockets.handleUpgrade(request, socket, head, client => {
      const { handlers, hub, version, onTopic, log } = options;
      // An oversized frame closes the connection; ws reports it here too.
      client.on('error', error => log({ socketError: error.message }));
      new Session({ socket: client, handlers, hub, version, onTopic, log });
    });
  });
  const heartbeat = setInterval(() => {
    sockets.clients.forEach(client => client.ping());
  }, HEARTBEAT_MS);
  heartbeat.unref();
  await listen(http, options.socketPath);
  return () => {
    clearInterval(heartbeat);
    sockets.clients.forEach(client => client.terminate());
    http.close();
    http.closeAllConnections();
  };
}

async function listen(http: Server, socketPath: string): Promise<void> {
  await rm(socketPath, { force: true });
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject);
    http.listen(socketPath, resolve);
  });
  await chmod(socketPath, 0o600);
}

async function answer(
  options: ServerOptions,
  request: IncomingMessage,
  response: ServerResponse
): Promise<void> {
  const id = /^\/api\/v1\/blobs\/([\w-]+)$/.exec(request.url ?? '')?.[1];
  if (id === undefined) {
    response.writeHead(404).end();
    return;
  }
  try {
    await options.blobs.serve(id, request, response);
  } catch (thrown) {
    options.log({ blob: id, error: toBentoError(thrown).message });
    if (!response.headersSent) {
      response.writeHead(500);
    }
    response.end();
  }
}
