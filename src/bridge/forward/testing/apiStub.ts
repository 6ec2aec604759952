// SPDX-License-Identifier: BSD-3-Clause
import * as http from 'node:http';
import * as net from 'node:net';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { ApiConnection } from '../tunnel';

/** The kubelet's end of one tunnel. */
export class PodSide {
  /** How many bytes the client sent on the data channel. */
  size = 0;
  private readonly chunks: Buffer[] = [];

  constructor(readonly socket: WebSocket) {
    socket.on('message', (message: Buffer) => {
      if (message[0] === 0) {
        this.chunks.push(message.subarray(1));
        this.size += message.length - 1;
      }
    });
    socket.on('error', () => undefined);
  }

  /** What the client sent on the data channel. */
  get received(): Buffer {
    return Buffer.concat(this.chunks);
  }

  /** The port on both channels, as every kubelet begins. */
  begin(port: number): void {
    const header = Buffer.from([port & 0xff, port >> 8]);
    this.socket.send(Buffer.concat([Buffer.of(0), header]));
    this.socket.send(Buffer.concat([Buffer.of(1), header]));
  }

  data(bytes: Buffer | string): void {
    this.socket.send(Buffer.concat([Buffer.of(0), Buffer.from(bytes)]));
  }

  error(text: string): void {
    this.socket.send(Buffer.concat([Buffer.of(1), Buffer.from(text)]));
  }

  end(): void {
    this.socket.close(1000);
  }
}

/** What a pod does with a tunnel; the port headers are its own to send. */
export type PodBehaviour = (pod: PodSide, port: number) => void;

/** Passes a tunnel on to a TCP port of this machine, as a kubelet does. */
export function passTo(target: () => number): PodBehaviour {
  return (pod, port) => {
    pod.begin(port);
    const socket = net.connect(target(), '127.0.0.1');
    socket.on('data', bytes => {
      socket.pause();
      pod.socket.send(Buffer.concat([Buffer.of(0), bytes]), () =>
        socket.resume()
      );
    });
    socket.on('error', error =>
      pod.error(`error forwarding port: failed to connect: ${error.message}`)
    );
    socket.on('close', () => pod.end());
    pod.socket.on('message', (message: Buffer) => {
      if (message[0] === 0 && !socket.write(message.subarray(1))) {
        pod.socket.pause();
        socket.once('drain', () => pod.socket.resume());
      }
    });
    pod.socket.on('close', () => socket.destroy());
  };
}

/** An API server as far as port-forward goes: `v4.channel.k8s.io` over WebSocket. */
export class ApiStub {
  /** By pod name; a pod that is not here is answered with 404. */
  readonly pods = new Map<string, PodBehaviour>();
  /** Status and message to refuse upgrades with; taken from the front. */
  readonly refusals: { status: number; message: string }[] = [];
  /** `Authorization` of each upgrade. */
  readonly tokens: string[] = [];
  /** Pods in the order in which tunnels were opened to them. */
  readonly opened: string[] = [];
  readonly tunnels = new Set<PodSide>();
  readonly sockets = new Set<net.Socket>();
  private readonly server = http.createServer((_request, response) =>
    response.writeHead(404).end()
  );
  private readonly upgrader = new WebSocketServer({
    noServer: true,
    handleProtocols: protocols =>
      protocols.has('v4.channel.k8s.io') ? 'v4.channel.k8s.io' : false
  });

  constructor() {
    this.server.on('connection', socket => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
    this.server.on('upgrade', (request, socket, head) =>
      this.upgrade(request, socket, head)
    );
  }

  async start(): Promise<void> {
    await new Promise<void>(resolve =>
      this.server.listen(0, '127.0.0.1', resolve)
    );
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) {
      socket.destroy();
    }
    await new Promise(resolve => this.server.close(resolve));
  }

  get address(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** A connection whose token counts up with each use. */
  connection(): ApiConnection {
    let uses = 0;
    return {
      server: this.address,
      tls: {},
      headers: () =>
        Promise.resolve({ authorization: `Bearer token-${++uses}` })
    };
  }

  private upgrade(
    request: http.IncomingMessage,
    socket: Duplex,
    head: Buffer
  ): void {
    this.tokens.push(request.headers.authorization ?? '');
    const address = new URL(request.url ?? '/', this.address);
    const path = /^\/api\/v1\/namespaces\/([^/]+)\/pods\/([^/]+)\/portforward$/;
    const pod = path.exec(address.pathname)?.[2] ?? '';
    const behaviour = this.pods.get(pod);
    const refusal = this.refusals.shift() ?? {
      status: 404,
      message: `pods "${pod}" not found`
    };
    if (!behaviour || refusal.status !== 404) {
      const body = JSON.stringify({ kind: 'Status', message: refusal.message });
      socket.end(
        `HTTP/1.1 ${refusal.status} Refused\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`
      );
      return;
    }
    this.upgrader.handleUpgrade(request, socket, head, websocket => {
      const side = new PodSide(websocket);
      this.opened.push(pod);
      this.tunnels.add(side);
      websocket.once('close', () => this.tunnels.delete(side));
      behaviour(side, Number(address.searchParams.get('ports')));
    });
  }
}
