// SPDX-License-Identifier: BSD-3-Clause
import type { ServiceRoutes } from '../domain/routes';
import type { Forward, Json, ServiceAnswer } from '../protocol';
import type { Context } from './context';
import { Forwards, type ForwardRequest } from './forward/forwards';
import { Tunnels } from './forward/tunnels';
import { Invoker, type SettledRequest } from './invoke/invoker';
import type { Blobs } from './rpc/blobs';
import type { Hub } from './rpc/hub';

/** Topic of the hub with the open forwards by id. */
export const FORWARDS_TOPIC = 'forwards';

/** Requests to deployed services and listeners for them. */
export class Reach {
  private readonly tunnels: Tunnels;
  private readonly invoker: Invoker;
  private readonly listeners: Forwards;

  constructor(
    private readonly options: { context: Context; hub: Hub; blobs: Blobs }
  ) {
    const { context, hub } = options;
    this.tunnels = new Tunnels({
      connection: async () => (await context.cluster()).connection,
      watch: namespace => context.watch(namespace)
    });
    this.invoker = new Invoker({
      tunnels: this.tunnels,
      serviceAddress: context.settings.serviceAddress
    });
    this.listeners = new Forwards(this.tunnels);
    this.listeners.onChange(forward =>
      hub.publish(
        FORWARDS_TOPIC,
        forward.id,
        forward.state === 'closed' ? null : (forward as unknown as Json)
      )
    );
  }

  /** Sends a request to a service; a large answer becomes a blob. */
  request(
    request: SettledRequest,
    signal: AbortSignal
  ): Promise<ServiceAnswer> {
    const { blobs } = this.options;
    return this.invoker.request(request, {
      signal,
      readBlob: id => blobs.read(id),
      saveBlob: async (source, contentType) => {
        const id = blobs.create(contentType);
        try {
          return { id, size: await blobs.write(id, source) };
        } catch (error) {
          await blobs.drop(id);
          throw error;
        }
      }
    });
  }

  /** The routes that a service describes. */
  routes(target: {
    namespace: string;
    name: string;
    signal: AbortSignal;
  }): Promise<ServiceRoutes> {
    return this.invoker.routes(target);
  }

  /** Opens a listener on this machine. */
  open(request: ForwardRequest): Promise<Forward> {
    return this.listeners.open(request);
  }

  /** Closes a listener; throws `notFound`. */
  closeForward(id: string): Promise<Forward> {
    return Promise.resolve().then(() => this.listeners.close(id));
  }

  /** The open listeners. */
  forwards(): Forward[] {
    return this.listeners.list();
  }

  /** Closes listeners and tunnels. */
  close(): void {
    this.listeners.closeAll();
    this.tunnels.close();
  }
}
