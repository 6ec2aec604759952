// SPDX-License-Identifier: BSD-3-Clause
import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import {
  type CancellationToken,
  createMessageConnection,
  type MessageConnection,
  ResponseError
} from 'vscode-jsonrpc/node';
import { WebSocket } from 'ws';
import { transport } from '../src/bridge/rpc/transport';
import {
  type ErrorData,
  type Event,
  type Method,
  type Params,
  PROTOCOL,
  type Result
} from '../src/protocol';
import { repositoryRoot } from './paths';
import type { ProductUser } from './registry';

/** How a bridge is started for a test or a benchmark. */
export interface BridgeOptions {
  /** Its complete environment but for PATH. */
  env: Record<string, string>;
  /** Who it runs as; the invoking user when null. */
  user?: ProductUser | null;
}

/** A bridge process and where it listens. */
export interface Bridge {
  process: ChildProcess;
  socketPath: string;
  /** From spawning the process to its ready line, in milliseconds. */
  readyMs: number;
  /** What it has logged so far. */
  log(): string;
  /** Ends it as its owner's death would, and waits. */
  stop(): Promise<void>;
}

/** A client of a bridge, its handshake done. */
export interface BridgeClient {
  request<M extends Method>(
    method: M,
    params: Params<M>,
    options?: { onProgress?(value: unknown): void; signal?: AbortSignal }
  ): Promise<Result<M>>;
  onEvent(listener: (event: Event) => void): void;
  close(): void;
}

/**
 * Copies the bundle to where the product's user can read it (a clone may lie
 * in a folder that only its owner can enter), starts it and waits until it is ready.
 * @throws Error with the bridge's log when it ends first.
 */
export async function startBridge(options: BridgeOptions): Promise<Bridge> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bento-bridge-'));
  const bundle = path.join(folder, 'bundle');
  fs.cpSync(path.join(repositoryRoot, 'jupyterlab_bento', 'bridge'), bundle, {
    recursive: true,
    preserveTimestamps: true
  });
  const socketFolder = path.join(folder, 'socket');
  fs.mkdirSync(socketFolder, { mode: 0o700 });
  const { user } = options;
  if (user) {
    fs.chmodSync(folder, 0o755);
    fs.chownSync(socketFolder, user.uid, user.gid);
  }
  const socketPath = path.join(socketFolder, 'bridge.sock');
  const began = performance.now();
  const child = spawn(
    process.execPath,
    [path.join(bundle, 'bridge.cjs'), '--socket', socketPath],
    {
      cwd: socketFolder,
      env: { PATH: process.env.PATH, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(user ? { uid: user.uid, gid: user.gid } : {})
    }
  );
  let log = '';
  child.stderr.on('data', (text: Buffer) => (log += text.toString()));
  const ended = new Promise<void>(resolve =>
    child.once('exit', () => resolve())
  );
  await Promise.race([
    new Promise(resolve => child.stdout.once('data', resolve)),
    ended.then(() => {
      throw new Error(`The bridge ended at its start:\n${log}`);
    })
  ]);
  return {
    process: child,
    socketPath,
    readyMs: performance.now() - began,
    log: () => log,
    stop: async () => {
      child.stdin.end();
      await ended;
      fs.rmSync(folder, { recursive: true, force: true });
    }
  };
}

/** An error of the bridge as a client sees it. */
export class RequestError extends Error {
  constructor(
    message: string,
    readonly data: ErrorData | undefined
  ) {
    super([message, ...(data?.details ?? [])].join('\n'));
  }

  /** The code, as the first thing that a test asks for. */
  get code(): string | undefined {
    return this.data?.code;
  }
}

/** Connects to a bridge and shakes hands. */
export async function connectBridge(socketPath: string): Promise<BridgeClient> {
  const socket = new WebSocket(`ws+unix://${socketPath}:/api/v1/rpc`, {
    perMessageDeflate: false
  });
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  const { reader, writer } = transport(socket);
  const connection = createMessageConnection(reader, writer);
  const progress = new Map<string, (value: unknown) => void>();
  connection.onNotification(
    '$/progress',
    ({ token, value }: { token: string; value: unknown }) =>
      progress.get(token)?.(value)
  );
  connection.listen();
  const client = clientOf(connection, progress);
  await client.request('hello', {
    protocol: PROTOCOL,
    client: 'test',
    clientVersion: '0'
  });
  return { ...client, close: () => socket.terminate() };
}

function clientOf(
  connection: MessageConnection,
  progress: Map<string, (value: unknown) => void>
): Omit<BridgeClient, 'close'> {
  let count = 0;
  return {
    onEvent: listener => connection.onNotification('event', listener),
    request: async (method, params, { onProgress, signal } = {}) => {
      const progressToken = `p${(count += 1)}`;
      if (onProgress) {
        progress.set(progressToken, onProgress);
      }
      const cancellation = new AbortSignalCancellation(signal);
      try {
        return await connection.sendRequest(
          method,
          { ...params, ...(onProgress ? { progressToken } : {}) },
          cancellation.token
        );
      } catch (error) {
        if (error instanceof ResponseError) {
          throw new RequestError(error.message, error.data as ErrorData);
        }
        throw error;
      } finally {
        progress.delete(progressToken);
      }
    }
  };
}

/** An AbortSignal as the cancellation token that the JSON-RPC library wants. */
class AbortSignalCancellation {
  constructor(private readonly signal: AbortSignal | undefined) {}

  get token(): CancellationToken {
    const { signal } = this;
    return {
      isCancellationRequested: signal?.aborted ?? false,
      onCancellationRequested: listener => {
        const cancel = (): void => void listener(undefined);
        signal?.addEventListener('abort', cancel);
        return { dispose: () => signal?.removeEventListener('abort', cancel) };
      }
    };
  }
}
