// SPDX-License-Identifier: BSD-3-Clause
import * as net from 'node:net';

import type { ControllersContext } from '../context';
import type { KubeObject, Stored } from '../kube/objects';
import { keyOf, splitKey } from '../kube/objects';
import { Reflector } from '../kube/reflector';

/** The annotation in which a Service says where it is reached on this machine. */
export const addressAnnotation = 'playground.jupyterlab-bento/address';

/** A Service as far as it is carried out here. */
export type Service = KubeObject<{
  selector?: Record<string, string>;
  ports?: { name?: string; port: number; targetPort?: number | string }[];
}>;

/** A pod that a Service may lead to. */
export interface Backend {
  namespace: string;
  labels: Record<string, string>;
  ready: boolean;
  /** The port of 127.0.0.1 for a port's name or number. */
  port: (target: number | string) => number | undefined;
}

/** The pods of the node as they are now. */
export type Backends = () => Iterable<Backend>;

/** Whether the labels are what the selector wants; an empty selector wants nothing. */
export function selects(
  selector: Record<string, string> | undefined,
  labels: Record<string, string>
): boolean {
  const wanted = Object.entries(selector ?? {});
  return (
    wanted.length > 0 && wanted.every(([name, value]) => labels[name] === value)
  );
}

/** One Service: a port of 127.0.0.1 that leads to its ready pods in turn. */
class ServiceProxy {
  service: Service | undefined;
  private readonly server: net.Server;
  private readonly sockets = new Set<net.Socket>();
  private turn = 0;

  constructor(
    private readonly namespace: string,
    private readonly backends: Backends
  ) {
    this.server = net.createServer({ allowHalfOpen: true }, socket => {
      this.connect(socket);
    });
  }

  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(0, '127.0.0.1', () => {
        resolve((this.server.address() as net.AddressInfo).port);
      });
    });
  }

  close(): void {
    this.server.close();
    this.sockets.forEach(socket => socket.destroy());
  }

  private connect(client: net.Socket): void {
    const port = this.nextPort();
    if (port === undefined) {
      client.destroy();
      return;
    }
    const pod = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    for (const [one, other] of [
      [client, pod],
      [pod, client]
    ] as const) {
      this.sockets.add(one);
      one.setNoDelay(true);
      one.once('close', () => {
        this.sockets.delete(one);
        other.destroy();
      });
      // The close that follows ends the other side.
      one.on('error', () => undefined);
      one.pipe(other);
    }
  }

  private nextPort(): number | undefined {
    const { selector, ports } = this.service?.spec ?? {};
    const target = ports?.[0]?.targetPort ?? ports?.[0]?.port ?? 0;
    const ready = [...this.backends()].flatMap(pod => {
      const chosen =
        pod.namespace === this.namespace &&
        pod.ready &&
        selects(selector, pod.labels);
      const port = chosen ? pod.port(target) : undefined;
      return port === undefined ? [] : [port];
    });
    this.turn++;
    return ready[this.turn % ready.length];
  }
}

/**
 * Stands for kube-proxy and cluster DNS: each Service with a selector gets a port of 127.0.0.1,
 * the same as long as it lives, which its annotation tells. Without a ready pod connections close.
 */
export class ServiceProxies {
  private readonly proxies = new Map<string, ServiceProxy>();
  private readonly addresses = new Map<string, Promise<string>>();
  private readonly reflector: Reflector<Service>;

  constructor(
    private readonly context: ControllersContext,
    private readonly backends: Backends
  ) {
    this.reflector = new Reflector<Service>({
      client: context.client,
      kind: 'Service',
      onChange: ({ type, object }) => {
        if (type === 'deleted') {
          this.forget(keyOf(object));
        } else if (object.spec?.selector) {
          void this.publish(object);
        }
      }
    });
  }

  ready(): Promise<void> {
    return this.reflector.ready();
  }

  /** `127.0.0.1:PORT` of a Service, also of one that will only be created. */
  addressOf(namespace: string, name: string): Promise<string> {
    const key = `${namespace}/${name}`;
    const known = this.addresses.get(key);
    if (known) {
      return known;
    }
    const proxy = new ServiceProxy(namespace, this.backends);
    this.proxies.set(key, proxy);
    const address = proxy.listen().then(port => `127.0.0.1:${String(port)}`);
    this.addresses.set(key, address);
    return address;
  }

  async stop(): Promise<void> {
    await this.reflector.stop();
    [...this.proxies.keys()].forEach(key => {
      this.forget(key);
    });
  }

  private async publish(service: Stored<Service>): Promise<void> {
    const { name, namespace, annotations } = service.metadata;
    const address = await this.addressOf(namespace, name);
    const proxy = this.proxies.get(keyOf(service));
    if (proxy) {
      proxy.service = service;
    }
    if (annotations?.[addressAnnotation] !== address) {
      await this.annotate(keyOf(service), address);
    }
  }

  private async annotate(key: string, address: string): Promise<void> {
    const { namespace, name } = splitKey(key);
    try {
      await this.context.client.patch(
        { kind: 'Service', namespace, name },
        { metadata: { annotations: { [addressAnnotation]: address } } }
      );
    } catch (error) {
      this.context.log(`service ${key}: ${(error as Error).message}`);
    }
  }

  private forget(key: string): void {
    this.proxies.get(key)?.close();
    this.proxies.delete(key);
    this.addresses.delete(key);
  }
}
