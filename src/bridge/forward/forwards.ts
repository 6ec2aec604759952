// SPDX-License-Identifier: BSD-3-Clause
import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { BentoError } from '../../domain/errors';
import type { Forward } from '../../protocol';
import { createListener } from './listener';
import type { Target } from './target';
import type { Tunnels } from './tunnels';

const MAX_LISTENERS = 20;
const LOOPBACK = '127.0.0.1';

/** Which deployment to pass on to, and from which port of this machine. */
export interface ForwardRequest {
  namespace: string;
  name: string;
  /** A free one when absent. */
  port?: number;
}

interface Entry {
  forward: Forward;
  server: Server;
  connections: Set<Duplex>;
  release(): void;
}

/** The listeners on this machine that pass requests on to deployments. */
export class Forwards {
  private readonly entries = new Map<string, Entry>();
  private opening = 0;
  private readonly listeners = new Set<(forward: Forward) => void>();

  constructor(private readonly tunnels: Tunnels) {}

  /**
   * Opens a listener on 127.0.0.1; a free port is taken when none is given. It
   * closes by itself when the deployment is deleted.
   *
   * @throws BentoError `notFound` when there is no such deployment, `portTaken`,
   *   `invalidParams` for a port that cannot be, `tooManyForwards`.
   */
  async open(o: ForwardRequest): Promise<Forward> {
    checkPort(o.port ?? 0);
    if (this.entries.size + this.opening >= MAX_LISTENERS) {
      throw new BentoError('tooManyForwards', {
        params: { limit: MAX_LISTENERS }
      });
    }
    this.opening++;
    try {
      return await this.openListener(o);
    } finally {
      this.opening--;
    }
  }

  /**
   * Closes a listener and its connections.
   * @throws BentoError `notFound`.
   */
  close(id: string): Forward {
    const entry = this.entries.get(id);
    if (!entry) {
      throw new BentoError('notFound', {
        params: { what: `The forward ${id}`, hint: 'It may be closed already.' }
      });
    }
    this.entries.delete(id);
    entry.release();
    entry.server.close();
    for (const connection of entry.connections) {
      connection.destroy();
    }
    const forward: Forward = {
      ...entry.forward,
      state: 'closed',
      connections: 0
    };
    this.tell(forward);
    return forward;
  }

  /** The open listeners, oldest first. */
  list(): Forward[] {
    return [...this.entries.values()].map(({ forward }) => forward);
  }

  /** Calls back with each forward that changes; one that has closed comes with that state. */
  onChange(callback: (forward: Forward) => void): () => void {
    this.listeners.add(callback);
    return () => this.listeners.delete(callback);
  }

  /** Closes every listener. */
  closeAll(): void {
    for (const id of [...this.entries.keys()]) {
      this.close(id);
    }
  }

  private async openListener(o: ForwardRequest): Promise<Forward> {
    const target = await this.tunnels.target(o.namespace, o.name);
    const id = randomUUID();
    let uid: string | undefined;
    const closeWhenDeleted = () => {
      if (uid !== undefined && this.entries.has(id) && !target.has(uid)) {
        this.close(id);
      }
    };
    const release = target.hold(closeWhenDeleted);
    try {
      uid = (await target.deployment()).metadata.uid;
      const entry = await this.listen(id, target, o);
      this.entries.set(id, { ...entry, release });
      this.tell(entry.forward);
      void target.prepare();
      closeWhenDeleted();
      return entry.forward;
    } catch (error) {
      release();
      throw error;
    }
  }

  private async listen(
    id: string,
    target: Target,
    o: ForwardRequest
  ): Promise<Omit<Entry, 'release'>> {
    const { namespace, name } = o;
    const server = createListener({
      target,
      name,
      onOutcome: error =>
        this.change(id, { state: error ? 'failing' : 'listening', error })
    });
    const connections = new Set<Duplex>();
    server.on('connection', socket => {
      connections.add(socket);
      this.change(id, { connections: connections.size });
      socket.once('close', () => {
        connections.delete(socket);
        this.change(id, { connections: connections.size });
      });
    });
    const port = await listen(server, o.port ?? 0);
    const address = `http://${LOOPBACK}:${port}`;
    const state = 'listening';
    const forward = { id, namespace, name, address, port, state } as const;
    return { server, connections, forward: { ...forward, connections: 0 } };
  }

  private change(id: string, change: Partial<Forward>): void {
    const entry = this.entries.get(id);
    if (entry) {
      const { error, ...rest } = { ...entry.forward, ...change };
      const forward = error === undefined ? rest : { ...rest, error };
      if (JSON.stringify(forward) !== JSON.stringify(entry.forward)) {
        entry.forward = forward;
        this.tell(forward);
      }
    }
  }

  private tell(forward: Forward): void {
    for (const listener of this.listeners) {
      listener(forward);
    }
  }
}

function checkPort(port: number): void {
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new BentoError('invalidParams', {
      params: { field: 'port', reason: `${port} is not between 1 and 65535.` }
    });
  }
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') {
        reject(new BentoError('portTaken', { params: { port }, cause: error }));
      } else {
        const reason = `${port} cannot be listened on (${error.code ?? error.message}).`;
        reject(
          new BentoError('invalidParams', { params: { field: 'port', reason } })
        );
      }
    });
    server.listen({ host: LOOPBACK, port, exclusive: true }, () => {
      server.removeAllListeners('error');
      // What goes wrong later concerns one connection; it must not end the process.
      server.on('error', () => undefined);
      resolve((server.address() as AddressInfo).port);
    });
  });
}
