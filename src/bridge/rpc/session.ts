// SPDX-License-Identifier: BSD-3-Clause
import {
  type CancellationToken,
  createMessageConnection,
  ErrorCodes,
  type MessageConnection,
  ResponseError
} from 'vscode-jsonrpc/node';
import type { WebSocket } from 'ws';
import * as z from 'zod/mini';
import { BentoError, toBentoError } from '../../domain/errors';
import {
  compareVersions,
  type ErrorData,
  type Json,
  type Method,
  methods,
  type Params,
  PROTOCOL,
  type Result
} from '../../protocol';
import type { Hub } from './hub';
import { Subscriptions } from './subscriptions';
import { transport } from './transport';

/** JSON-RPC error code of every {@link BentoError}; its data says which. */
export const BENTO_ERROR = -32000;

/** What a handler knows of the request it answers. */
export interface RequestContext {
  /** Aborted when the client cancels the request or leaves. */
  signal: AbortSignal;
  /** Sends a partial result to whoever asked for progress. */
  progress(value: Json): void;
}

/** One function for each method; `hello` and the subscriptions belong to the session itself. */
export type Handlers = {
  [M in Exclude<Method, 'hello' | 'subscribe' | 'unsubscribe'>]: (
    params: Params<M>,
    context: RequestContext
  ) => Promise<Result<M>>;
};

/** What a session needs. */
export interface SessionOptions {
  socket: WebSocket;
  handlers: Handlers;
  hub: Hub;
  version: string;
  /** Called when a topic gets its first or loses its last subscriber here. */
  onTopic(topic: string): Promise<() => void>;
  log(entry: Record<string, unknown>): void;
}

/**
 * One client: handshake first, then requests, each checked against its schema
 * before the handler sees it, and the events of the topics it subscribed to.
 */
export class Session {
  private readonly connection: MessageConnection;
  private readonly subscriptions: Subscriptions;
  private greeted = false;
  private readonly running = new Set<AbortController>();

  constructor(private readonly options: SessionOptions) {
    const { reader, writer } = transport(options.socket);
    this.connection = createMessageConnection(reader, writer);
    this.subscriptions = new Subscriptions({
      hub: options.hub,
      onTopic: options.onTopic,
      send: event => this.notify('event', event)
    });
    this.connection.onRequest((method, params, token) =>
      this.answer(method, params, token)
    );
    this.connection.onClose(() => this.close());
    this.connection.onError(() => this.close());
    this.connection.listen();
  }

  private close(): void {
    this.subscriptions.close();
    for (const controller of this.running) {
      controller.abort();
    }
  }

  private notify(method: string, value: unknown): void {
    // A failed send means that the client has left, which `onClose` handles.
    this.connection.sendNotification(method, value).catch(() => undefined);
  }

  private async answer(
    method: string,
    params: unknown,
    token: CancellationToken
  ): Promise<unknown> {
    if (!(method in methods)) {
      throw new ResponseError(
        ErrorCodes.MethodNotFound,
        `Unknown method ${method}`
      );
    }
    const controller = new AbortController();
    token.onCancellationRequested(() => controller.abort());
    this.running.add(controller);
    const started = performance.now();
    let code = 'ok';
    try {
      const { progressToken, ...given } = (params ?? {}) as Record<
        string,
        unknown
      >;
      return await this.dispatch(method as Method, given, {
        signal: controller.signal,
        progress: value => {
          if (progressToken !== undefined) {
            this.notify('$/progress', { token: progressToken, value });
          }
        }
      });
    } catch (thrown) {
      const error = controller.signal.aborted
        ? new BentoError('cancelled')
        : toBentoError(thrown);
      code = error.code;
      throw new ResponseError<ErrorData>(
        BENTO_ERROR,
        error.message,
        error.toData()
      );
    } finally {
      this.running.delete(controller);
      const ms = Math.round(performance.now() - started);
      this.options.log({ method, code, ms });
    }
  }

  private async dispatch(
    method: Method,
    given: unknown,
    context: RequestContext
  ): Promise<unknown> {
    const params = validate(method, given);
    if (method === 'hello') {
      return this.hello(params as Params<'hello'>);
    }
    if (!this.greeted) {
      throw new BentoError('helloFirst');
    }
    if (method === 'subscribe') {
      return this.subscriptions.subscribe(
        params as Params<'subscribe'>,
        context
      );
    }
    if (method === 'unsubscribe') {
      this.subscriptions.unsubscribe(params as Params<'unsubscribe'>);
      return {};
    }
    const handler = this.options.handlers[method] as (
      params: unknown,
      context: RequestContext
    ) => Promise<unknown>;
    return handler(params, context);
  }

  private hello(params: Params<'hello'>): Result<'hello'> {
    const outcome = compareVersions(params.protocol, PROTOCOL);
    this.greeted = outcome === 'ok';
    return {
      outcome,
      protocol: PROTOCOL,
      bridgeVersion: this.options.version,
      remedy: remedies[outcome],
      epoch: this.options.hub.epoch,
      seq: this.options.hub.seq
    };
  }
}

const remedies = {
  ok: '',
  clientTooOld:
    'Install the newer jupyterlab-bento in this kernel (pip install -U jupyterlab-bento), restart the kernel and reload the page.',
  bridgeTooOld:
    'A bridge of an older version is still running: shut Jupyter down (File > Shut Down) and open it again.'
} as const;

function validate(method: Method, given: unknown): unknown {
  const checked = z.safeParse(methods[method].params, given);
  if (checked.success) {
    return checked.data;
  }
  const issue = checked.error.issues[0];
  throw new BentoError('invalidParams', {
    params: {
      field: issue?.path.join('.') || method,
      reason: issue?.message ?? 'not valid'
    }
  });
}
