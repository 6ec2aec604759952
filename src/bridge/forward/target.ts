// SPDX-License-Identifier: BSD-3-Clause
import type * as http from 'node:http';
import { BentoError } from '../../domain/errors';
import type { BentoDeployment, Snapshot } from '../../domain/kube';
import {
  findDeployment,
  type ServicePod,
  servicePods,
  whyBroken
} from '../../domain/servicePods';
import { KeptAgent } from './keptAgent';
import { type Opening, Spare } from './spare';
import { type ApiConnection, openTunnel, type Tunnel } from './tunnel';

/** What is watched of one namespace, as far as forwarding needs it. */
export interface NamespaceView {
  /** Keeps the watch running until the returned function is called. */
  acquire(): () => void;
  /** Resolves when the snapshot is complete. */
  synced(): Promise<void>;
  snapshot(): Snapshot;
  onChange(changed: () => void): () => void;
}

/** Of which deployment, and how it is reached. */
export interface TargetOptions {
  namespace: string;
  name: string;
  connection: ApiConnection;
  apiAgent: http.Agent;
  view: NamespaceView;
}

const SYNC_TIMEOUT_MS = 10_000;

/** For how long a pod that broke a connection is the last choice. */
const SUSPICION_MS = 5000;

const MAX_TRIES = 3;

/**
 * One deployment as the far end of tunnels.
 *
 * Each connection goes to a pod that is picked anew, so that a deployment
 * outlives its pods; a kept connection or a spare to a pod that the Service no
 * longer stands for is closed. The namespace is watched only while there are
 * tunnels, requests or listeners.
 */
export class Target {
  /** Sends HTTP requests through tunnels and keeps them for the next request. */
  readonly agent = new KeptAgent(() => this.connect());

  /** All that are open, with the pod as it was when they were opened. */
  private readonly tunnels = new Map<Tunnel, ServicePod>();
  /** Tunnels by uid of their pod, open or being opened. */
  private readonly load = new Map<string, number>();
  private readonly suspects = new Map<string, number>();
  private readonly spare = new Spare(() => this.openSpare());
  private holds = 0;
  private unwatch: (() => void) | undefined;
  private closed = false;

  constructor(private readonly options: TargetOptions) {}

  /**
   * Keeps the namespace watched until the returned function is called.
   * @param changed is called at each change of the namespace meanwhile.
   */
  hold(changed?: () => void): () => void {
    const { view } = this.options;
    if (this.holds++ === 0) {
      const release = view.acquire();
      const stop = view.onChange(() => this.review());
      this.unwatch = () => {
        stop();
        release();
      };
    }
    const stop = changed && view.onChange(changed);
    let held = true;
    return () => {
      if (held) {
        held = false;
        stop?.();
        if (--this.holds === 0) {
          this.unwatch?.();
        }
      }
    };
  }

  /**
   * The BentoDeployment as it is now.
   * @throws BentoError `notFound`, `clusterUnreachable`.
   */
  async deployment(): Promise<BentoDeployment> {
    const release = this.hold();
    try {
      await this.synced();
      return findDeployment(this.options.view.snapshot(), this.options.name);
    } finally {
      release();
    }
  }

  /** Whether a BentoDeployment of that uid is there, as far as the watch has told. */
  has(uid: string): boolean {
    return this.options.view
      .snapshot()
      .bentoDeployments.some(({ metadata }) => metadata.uid === uid);
  }

  /**
   * Opens a connection to a ready pod: the spare if it fits, else a new tunnel;
   * a pod that cannot be reached is passed over for the next one.
   *
   * @throws BentoError `notFound`, `serviceNotReady`, `clusterUnreachable` and
   *   those of {@link openTunnel}.
   */
  async connect(): Promise<Tunnel> {
    const release = this.hold();
    try {
      await this.synced();
      const tunnel = (await this.spare.take()) ?? (await this.openToAny());
      this.spare.prepare();
      return tunnel;
    } finally {
      release();
    }
  }

  /** Opens a spare tunnel so that the next connection need not wait. Never rejects. */
  async prepare(): Promise<void> {
    const release = this.hold();
    try {
      await this.synced();
      this.spare.prepare();
      await this.spare.opened();
    } catch {
      // The connection that needs it will fail with the reason.
    } finally {
      release();
    }
  }

  /** Makes a pod the last choice for a while and closes what leads to it idly. */
  suspect(podUid: string): void {
    this.suspects.set(podUid, performance.now());
    this.drop(uid => uid === podUid);
  }

  /** Takes the suspicion off a pod that has answered. */
  trust(podUid: string): void {
    this.suspects.delete(podUid);
  }

  /** Closes every tunnel; requests that are under way fail. */
  close(): void {
    this.closed = true;
    this.spare.close();
    this.agent.destroy();
    for (const tunnel of this.tunnels.keys()) {
      tunnel.destroy();
    }
  }

  private async synced(): Promise<void> {
    const { view, connection } = this.options;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () =>
          reject(
            new BentoError('clusterUnreachable', {
              params: {
                server: connection.server,
                reason: `no list of pods within ${SYNC_TIMEOUT_MS / 1000} s`
              }
            })
          ),
        SYNC_TIMEOUT_MS
      );
    });
    try {
      await Promise.race([view.synced(), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Unsuspected pods first, then those with few tunnels, then the newest. */
  private order(pods: ServicePod[]): ServicePod[] {
    const rank = pods.map(pod => ({
      pod,
      suspect: this.isSuspect(pod.uid) ? 1 : 0,
      load: this.load.get(pod.uid) ?? 0
    }));
    return rank
      .sort((a, b) => a.suspect - b.suspect || a.load - b.load)
      .map(({ pod }) => pod);
  }

  private isSuspect(podUid: string): boolean {
    const since = this.suspects.get(podUid);
    if (since !== undefined && performance.now() - since > SUSPICION_MS) {
      this.suspects.delete(podUid);
      return false;
    }
    return since !== undefined;
  }

  private async openToAny(): Promise<Tunnel> {
    const tried = new Set<string>();
    for (;;) {
      // Between this choice and the count of tunnels nothing may wait, else all go to one pod.
      const [pod] = this.order(this.ready()).filter(
        ({ uid }) => !tried.has(uid)
      );
      if (!pod) {
        throw this.notReady('its pods have just gone.');
      }
      try {
        return await this.openTo(pod);
      } catch (error) {
        tried.add(pod.uid);
        if (!isPodFault(error) || tried.size >= MAX_TRIES) {
          throw error;
        }
      }
    }
  }

  private async openTo(pod: ServicePod): Promise<Tunnel> {
    const { connection, apiAgent, namespace } = this.options;
    const release = this.hold();
    this.count(pod.uid, 1);
    const done = () => {
      this.count(pod.uid, -1);
      release();
    };
    let tunnel: Tunnel;
    try {
      tunnel = await openTunnel({
        connection,
        agent: apiAgent,
        namespace,
        pod
      });
    } catch (error) {
      done();
      throw error;
    }
    this.tunnels.set(tunnel, pod);
    tunnel.once('close', () => {
      this.tunnels.delete(tunnel);
      done();
    });
    if (this.closed) {
      tunnel.destroy();
    }
    return tunnel;
  }

  private count(podUid: string, change: number): void {
    const load = (this.load.get(podUid) ?? 0) + change;
    if (load === 0) {
      this.load.delete(podUid);
    } else {
      this.load.set(podUid, load);
    }
  }

  private openSpare(): Opening | undefined {
    const [pod] = this.order(this.candidates());
    return pod && { podUid: pod.uid, tunnel: this.openTo(pod) };
  }

  /**
   * Breaks what leads to processes that have ended, and closes what leads idly
   * to pods that the Service has left.
   */
  private review(): void {
    const snapshot = this.options.view.snapshot();
    for (const [tunnel, pod] of this.tunnels) {
      const reason = whyBroken(snapshot, pod);
      if (reason !== undefined) {
        tunnel.break(reason);
      }
    }
    const wanted = new Set(this.candidates().map(({ uid }) => uid));
    this.drop(uid => !wanted.has(uid));
  }

  private drop(unwanted: (podUid: string) => boolean): void {
    this.spare.drop(unwanted);
    this.agent.dropIdle(stream => unwanted((stream as Tunnel).podUid));
  }

  private ready(): ServicePod[] {
    return servicePods(this.options.view.snapshot(), this.options.name);
  }

  private candidates(): ServicePod[] {
    try {
      return this.ready();
    } catch {
      return [];
    }
  }

  private notReady(reason: string): BentoError {
    return new BentoError('serviceNotReady', {
      params: { name: this.options.name, reason }
    });
  }
}

function isPodFault(error: unknown): boolean {
  return error instanceof BentoError && error.code === 'forwardFailed';
}
