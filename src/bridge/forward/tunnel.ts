// SPDX-License-Identifier: BSD-3-Clause
import type * as http from 'node:http';
import { Duplex } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import { WebSocket } from 'ws';
import { BentoError } from '../../domain/errors';
import { refusedUpgrade } from './refusal';

/** The part of a cluster connection that a tunnel needs. */
export interface ApiConnection {
  /** Address of the API server, possibly with a path. */
  server: string;
  tls: Pick<
    ConnectionOptions,
    'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized'
  >;
  /** Set where a proxy lies between. */
  agent?: http.Agent;
  /** Headers with the credentials, fresh at each call. */
  headers(): Promise<Record<string, string>>;
  /** Forgets what is kept of the credentials, after a 401. */
  refresh?(): Promise<void>;
}

/** Where a tunnel leads and how the API server is reached. */
export interface TunnelOptions {
  connection: ApiConnection;
  /** Agent for the TLS connections, so that their sessions are resumed. */
  agent: http.Agent;
  namespace: string;
  pod: { name: string; uid: string; port: number };
  signal?: AbortSignal;
}

const PROTOCOL = 'v4.channel.k8s.io';
const DATA = 0;
const ERROR = 1;

/** Both channels begin with the port as two bytes. */
const PORT_HEADER_BYTES = 2;

const BUFFER_BYTES = 256 * 1024;
const MAX_FRAME_BYTES = 256 * 1024;
const OPEN_TIMEOUT_MS = 10_000;

/** Load balancers cut connections that are silent for a minute. */
const PING_MS = 20_000;

/** Texts of kubelets, container runtimes and KWOK for a port on which nothing listens. */
const NEVER_CONNECTED =
  /connection refused|failed to (dial|connect)|no route to host|not running|not found/i;

/**
 * One TCP connection to a port of a pod, through the API server.
 *
 * Speaks `v4.channel.k8s.io` of the kubelet's port-forward endpoint: each
 * message begins with a channel byte, channel 0 carries the data, channel 1 the
 * text of an error, and each channel begins with the port in two bytes. One
 * WebSocket carries one connection and ends with it.
 *
 * Back-pressure works both ways. The protocol cannot express a half-close, so
 * ending the writable side keeps receiving until the pod ends. Data for a
 * destroyed stream is dropped, and writing to a pod that has left does nothing.
 */
export class Tunnel extends Duplex {
  /** Name of the pod at the other end. */
  readonly pod: string;
  readonly podUid: string;
  /** Why the tunnel broke, when it did not end as the pod wished. */
  failure?: BentoError;
  /** Whether the pod was never reached, so that nothing sent has arrived. */
  refused = false;
  /** Whether the other end has closed. */
  ended = false;
  /** Bytes that came from the pod. */
  received = 0;

  private skip = [PORT_HEADER_BYTES, PORT_HEADER_BYTES];
  private readonly ping: NodeJS.Timeout;

  constructor(
    private readonly socket: WebSocket,
    pod: { name: string; uid: string }
  ) {
    super({
      allowHalfOpen: false,
      readableHighWaterMark: BUFFER_BYTES,
      writableHighWaterMark: BUFFER_BYTES
    });
    this.pod = pod.name;
    this.podUid = pod.uid;
    // Whoever uses the stream listens too; without this one, an error between two users would end the process.
    this.on('error', () => undefined);
    socket.on('message', (data: Buffer) => this.onMessage(data));
    socket.on('close', code => this.onClose(code));
    socket.on('error', () => undefined);
    this.ping = setInterval(() => {
      if (socket.readyState === WebSocket.OPEN) {
        socket.ping();
      }
    }, PING_MS);
    this.ping.unref();
  }

  override _read(): void {
    if (this.socket.isPaused) {
      this.socket.resume();
    }
  }

  override _write(
    chunk: Buffer,
    _encoding: BufferEncoding,
    done: () => void
  ): void {
    this.send([chunk], done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    this.send(
      chunks.map(({ chunk }) => chunk),
      done
    );
  }

  override _final(done: () => void): void {
    done();
  }

  override _destroy(
    error: Error | null,
    done: (error: Error | null) => void
  ): void {
    clearInterval(this.ping);
    this.socket.terminate();
    done(error);
  }

  /** Ends after what was written has been sent; as a socket does it. */
  destroySoon(): void {
    if (this.writableFinished) {
      this.destroy();
    } else {
      this.once('finish', () => this.destroy());
      this.end();
    }
  }

  /** Ends at once for a reason that only someone else can know. */
  break(reason: string): void {
    if (!this.destroyed) {
      this.fail(reason);
      this.destroy(this.failure);
    }
  }

  // What Node's HTTP client calls on sockets and a tunnel has no use for.
  setKeepAlive(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setTimeout(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }

  private onMessage(message: Buffer): void {
    const channel = message[0];
    if (this.destroyed || this.ended || message.length === 0) {
      return;
    }
    if (channel !== DATA && channel !== ERROR) {
      return;
    }
    const header = Math.min(this.skip[channel] ?? 0, message.length - 1);
    this.skip[channel] = (this.skip[channel] ?? 0) - header;
    const data = message.subarray(1 + header);
    if (data.length === 0) {
      return;
    }
    if (channel === ERROR) {
      this.onErrorText(data.toString('utf8'));
      return;
    }
    this.received += data.length;
    if (!this.push(data)) {
      this.socket.pause();
    }
  }

  private onErrorText(reason: string): void {
    this.refused = this.received === 0 && NEVER_CONNECTED.test(reason);
    this.fail(reason);
    this.onClose();
    this.socket.terminate();
  }

  private onClose(code?: number): void {
    clearInterval(this.ping);
    if (this.destroyed || this.ended) {
      return;
    }
    this.ended = true;
    if (code !== undefined && code !== 1000 && code !== 1005) {
      this.fail(`the connection to the API server broke (${code})`);
    }
    if (this.failure && this.readableLength === 0) {
      this.destroy(this.failure);
    } else {
      this.push(null);
    }
    // Unlike "end" this comes also when nobody reads, which a spare needs.
    this.emit('ended');
  }

  private fail(reason: string): void {
    this.failure ??= new BentoError('forwardFailed', {
      params: { pod: this.pod, reason }
    });
  }

  /** Sends frame after frame, each once the one before has left, then calls `done`. */
  private send(chunks: Buffer[], done: () => void): void {
    const frames = toFrames(chunks);
    const next = () => {
      if (this.socket.readyState !== WebSocket.OPEN) {
        // What the pod's end means is decided by whoever reads; a write must not forestall it.
        done();
        return;
      }
      const frame = frames.next();
      if (frame.done === true) {
        done();
      } else {
        this.socket.send(frame.value, { binary: true }, next);
      }
    };
    next();
  }
}

/** Cuts chunks into messages of channel 0; small ones share a message. */
function* toFrames(chunks: Buffer[]): Generator<Buffer, void> {
  const channel = Buffer.of(DATA);
  const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  if (total === 0) {
    return;
  }
  if (total <= MAX_FRAME_BYTES) {
    yield Buffer.concat([channel, ...chunks]);
    return;
  }
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += MAX_FRAME_BYTES) {
      yield Buffer.concat([channel, chunk.subarray(at, at + MAX_FRAME_BYTES)]);
    }
  }
}

/**
 * Opens a tunnel. A token that has just expired is read anew once.
 *
 * @throws BentoError `forwardForbidden`, `unauthorized`, `forwardFailed` when
 *   the pod is at fault, `clusterUnreachable`, `cancelled`.
 */
export async function openTunnel(options: TunnelOptions): Promise<Tunnel> {
  try {
    return await openOnce(options);
  } catch (error) {
    if (error instanceof BentoError && error.code === 'unauthorized') {
      await options.connection.refresh?.();
      return openOnce(options);
    }
    throw error;
  }
}

async function openOnce(options: TunnelOptions): Promise<Tunnel> {
  const { connection, agent, namespace, pod, signal } = options;
  const headers = await connection.headers();
  const address = forwardAddress(connection.server, namespace, pod);
  const secure = address.protocol === 'wss:';
  if (signal?.aborted === true) {
    throw new BentoError('cancelled');
  }
  const socket = new WebSocket(address, PROTOCOL, {
    ...connection.tls,
    agent: connection.agent ?? agent,
    headers,
    perMessageDeflate: false,
    followRedirects: false,
    skipUTF8Validation: true,
    handshakeTimeout: OPEN_TIMEOUT_MS,
    // Masking protects from confused proxies, which TLS does already; a zero key costs nothing to apply.
    ...(secure ? { generateMask: () => undefined } : {})
  });
  const tunnel = new Tunnel(socket, pod);
  await new Promise<void>((resolve, reject) => {
    const abort = () => tunnel.destroy();
    const settle = (result: () => void) => {
      signal?.removeEventListener('abort', abort);
      result();
    };
    const fail = (error: BentoError) => {
      tunnel.destroy();
      settle(() => reject(error));
    };
    signal?.addEventListener('abort', abort);
    socket.once('open', () => settle(resolve));
    socket.once('error', error =>
      fail(
        signal?.aborted === true
          ? new BentoError('cancelled')
          : new BentoError('clusterUnreachable', {
              params: { server: connection.server, reason: error.message },
              cause: error
            })
      )
    );
    socket.once('unexpected-response', (_request, response) => {
      void refusedUpgrade(response, namespace, pod.name).then(fail);
    });
  });
  if (tunnel.ended) {
    tunnel.destroy();
    throw (
      tunnel.failure ??
      new BentoError('forwardFailed', {
        params: { pod: pod.name, reason: 'it closed at once' }
      })
    );
  }
  return tunnel;
}

function forwardAddress(
  server: string,
  namespace: string,
  pod: { name: string; port: number }
): URL {
  const address = new URL(server);
  const base = address.pathname.replace(/\/$/, '');
  address.protocol = address.protocol === 'http:' ? 'ws:' : 'wss:';
  address.pathname = `${base}/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod.name)}/portforward`;
  address.search = `?ports=${pod.port}`;
  return address;
}
