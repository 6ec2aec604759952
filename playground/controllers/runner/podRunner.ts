// SPDX-License-Identifier: BSD-3-Clause
import type { ControllersContext } from '../context';
import { EventRecorder } from '../kube/events';
import type { Stored } from '../kube/objects';
import type { Change } from '../kube/reflector';
import { Reflector } from '../kube/reflector';
import { registryDir } from '../registryFolder';
import { PodWorker } from './pod';
import { giveToPods } from './sandbox';
import { ServiceProxies } from './services';
import type { Pod } from './types';

/** Carries out the pods of the one node as processes of this machine, and tells the API how they do. */
export class PodRunner {
  private readonly workers = new Map<string, PodWorker>();
  private readonly leaving = new Set<Promise<void>>();
  private readonly services: ServiceProxies;
  private readonly reflector: Reflector<Pod>;
  private readonly events: EventRecorder;
  private count = 0;

  constructor(private readonly context: ControllersContext) {
    const { client, instance } = context;
    giveToPods(registryDir(instance.dataDir));
    this.events = new EventRecorder({
      client,
      source: { component: 'kubelet', host: instance.nodeName }
    });
    this.services = new ServiceProxies(context, () => this.workers.values());
    this.reflector = new Reflector<Pod>({
      client,
      kind: 'Pod',
      selection: { fieldSelector: `spec.nodeName=${instance.nodeName}` },
      onChange: change => {
        this.onPod(change);
      }
    });
  }

  async ready(): Promise<void> {
    await Promise.all([this.reflector.ready(), this.services.ready()]);
  }

  /** Ends every process; the objects stay. */
  async stop(): Promise<void> {
    await this.reflector.stop();
    await Promise.all(
      [...this.workers.values()].map(worker => worker.abandon(3_000))
    );
    await Promise.all(this.leaving);
    await this.services.stop();
    await this.events.flush();
  }

  private onPod({ type, object }: Change<Pod>): void {
    const { uid } = object.metadata;
    if (type === 'deleted') {
      const worker = this.workers.get(uid);
      this.workers.delete(uid);
      this.follow(worker?.forget());
      return;
    }
    const worker = this.workers.get(uid) ?? this.begin(object);
    worker?.update(object);
    if (object.metadata.deletionTimestamp) {
      const grace = object.metadata.deletionGracePeriodSeconds ?? 30;
      this.follow(worker?.terminate(grace * 1_000));
    }
  }

  /** A pod that has ended stays as it is. */
  private begin(pod: Stored<Pod>): PodWorker | undefined {
    const ended = ['Succeeded', 'Failed'].includes(pod.status?.phase ?? '');
    if (ended) {
      return undefined;
    }
    const worker = new PodWorker({
      context: this.context,
      pod,
      podIP: this.nextAddress(),
      services: this.services,
      events: this.events
    });
    this.workers.set(pod.metadata.uid, worker);
    if (!pod.metadata.deletionTimestamp) {
      worker.start();
    }
    return worker;
  }

  private nextAddress(): string {
    this.count++;
    return `10.244.${String(Math.floor(this.count / 254) % 256)}.${String((this.count % 254) + 1)}`;
  }

  private follow(work: Promise<void> | undefined): void {
    if (work) {
      const followed = work
        .catch((error: unknown) => {
          this.context.log(`pod runner: ${(error as Error).message}`);
        })
        .finally(() => this.leaving.delete(followed));
      this.leaving.add(followed);
    }
  }
}
