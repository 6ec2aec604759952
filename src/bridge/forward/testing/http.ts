// SPDX-License-Identifier: BSD-3-Clause
import * as http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** A server on a free port of loopback, and what it holds open. */
export interface TestServer {
  server: http.Server;
  port: number;
  sockets: Set<Socket>;
  stop(): Promise<void>;
}

/** Starts an HTTP server for one test. */
export async function startServer(
  handler: http.RequestListener
): Promise<TestServer> {
  const server = http.createServer(handler);
  const sockets = new Set<Socket>();
  server.on('connection', socket => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    server,
    port: (server.address() as AddressInfo).port,
    sockets,
    stop: async () => {
      server.closeAllConnections();
      sockets.forEach(socket => socket.destroy());
      await new Promise(resolve => server.close(resolve));
    }
  };
}

/** The text of a body. */
export async function textOf(source: AsyncIterable<unknown>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of source) {
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}
