// SPDX-License-Identifier: BSD-3-Clause
import * as http from 'node:http';
import * as https from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Connection } from '../connection';
import { TEST_CERTIFICATE, TEST_KEY } from './certificate';

/** One request as the stub got it. */
export interface StubRequest {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: http.IncomingHttpHeaders;
  body: string;
  /** Whether the client showed a certificate that is trusted. */
  clientCertificate: boolean;
}

/** Answers a request of the stub. */
export type StubHandler = (
  request: StubRequest,
  response: http.ServerResponse
) => void;

/** A real server on loopback that answers as it is told and remembers what it was asked. */
export class StubServer {
  readonly requests: StubRequest[] = [];
  handler: StubHandler;
  readonly #server: http.Server;

  private constructor(
    handler: StubHandler,
    private readonly secure: boolean
  ) {
    this.handler = handler;
    const listener: http.RequestListener = (request, response) => {
      void this.#take(request, response);
    };
    this.#server = secure
      ? https.createServer(
          {
            key: TEST_KEY,
            cert: TEST_CERTIFICATE,
            ca: TEST_CERTIFICATE,
            requestCert: true,
            rejectUnauthorized: false
          },
          listener
        )
      : http.createServer(listener);
  }

  /** Listens on a free port, or on a given one. */
  static async start(
    handler: StubHandler,
    options: { secure?: boolean; port?: number; host?: string } = {}
  ): Promise<StubServer> {
    const stub = new StubServer(handler, options.secure === true);
    await stub.listen(options.port, options.host);
    return stub;
  }

  async listen(port = 0, host = '127.0.0.1'): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ port, host }, resolve);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `${this.secure ? 'https' : 'http'}://127.0.0.1:${this.port}`;
  }

  /** A connection to this server with a fixed token. */
  connection(): Connection {
    return {
      server: this.url,
      tls: this.secure ? { ca: TEST_CERTIFICATE } : {},
      headers: () => Promise.resolve({ authorization: 'Bearer secret-token' })
    };
  }

  /** Cuts every connection and listens no more. */
  async close(): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #take(
    request: http.IncomingMessage,
    response: http.ServerResponse
  ): Promise<void> {
    // A client may go away at any time; that is no news to a test.
    response.on('error', () => undefined);
    const pieces: Buffer[] = [];
    for await (const piece of request) {
      pieces.push(piece as Buffer);
    }
    const url = new URL(request.url ?? '/', 'http://stub');
    const taken = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body: Buffer.concat(pieces).toString(),
      clientCertificate:
        'authorized' in request.socket && request.socket.authorized === true
    };
    this.requests.push(taken);
    this.handler(taken, response);
  }
}

/** Answers with JSON. */
export function sendJson(
  response: http.ServerResponse,
  status: number,
  body: unknown,
  headers: http.OutgoingHttpHeaders = {}
): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    ...headers
  });
  response.end(JSON.stringify(body));
}

/** Answers with a Status object, as the API server does when something fails. */
export function sendStatus(
  response: http.ServerResponse,
  code: number,
  fields: { reason?: string; message?: string; details?: unknown } = {},
  headers: http.OutgoingHttpHeaders = {}
): void {
  sendJson(
    response,
    code,
    { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, ...fields },
    headers
  );
}
