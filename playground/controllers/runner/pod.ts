// SPDX-License-Identifier: BSD-3-Clause
import type { ControllersContext } from '../context';
import type { EventRecorder } from '../kube/events';
import { KubeError } from '../kube/client';
import type { Stored } from '../kube/objects';
import { keyOf } from '../kube/objects';
import { Container } from './container';
import { podLogs, portForward, putObject, removeObjects } from './kwokObjects';
import { podStatus } from './podStatus';
import { PodSandbox } from './sandbox';
import type { Backend, ServiceProxies } from './services';
import type { ContainerSpec, ContainerStatus, Pod } from './types';

/** What a pod needs of the runner. */
export interface PodOptions {
  context: ControllersContext;
  pod: Stored<Pod>;
  podIP: string;
  services: ServiceProxies;
  events: EventRecorder;
}

/** The life of one pod: init containers in turn, then its containers, each step written to the API. */
export class PodWorker implements Backend {
  readonly uid: string;
  private pod: Stored<Pod>;
  private readonly sandbox: PodSandbox;
  private readonly inits: Container[];
  private readonly containers: Container[];
  private readonly startedAt = Date.now();
  private termination: Promise<void> | undefined;
  private removed = false;
  private changed = false;
  private writing: Promise<void> = Promise.resolve();
  private logsWritten = '';
  private life: Promise<void> = Promise.resolve();

  constructor(private readonly options: PodOptions) {
    const { context, pod } = options;
    this.pod = pod;
    this.uid = pod.metadata.uid;
    this.sandbox = new PodSandbox(context.instance, pod);
    const { initContainers = [], containers = [] } = pod.spec ?? {};
    const waitingFor =
      initContainers.length > 0 ? 'PodInitializing' : 'ContainerCreating';
    const make = (
      spec: ContainerSpec,
      before: ContainerStatus[] | undefined
    ): Container => this.container(spec, waitingFor, before);
    const { initContainerStatuses, containerStatuses } = pod.status ?? {};
    this.inits = initContainers.map(spec => make(spec, initContainerStatuses));
    this.containers = containers.map(spec => make(spec, containerStatuses));
  }

  get namespace(): string {
    return this.pod.metadata.namespace;
  }

  get labels(): Record<string, string> {
    return this.pod.metadata.labels ?? {};
  }

  get ready(): boolean {
    return (
      !this.termination &&
      this.containers.every(container => container.status().ready)
    );
  }

  port(target: number | string): number | undefined {
    const ports = (this.pod.spec?.containers ?? []).flatMap(
      container => container.ports ?? []
    );
    const found = ports.find(
      ({ name, containerPort }) => name === target || containerPort === target
    );
    return found && this.sandbox.localPort(found.containerPort);
  }

  /** Begins its life. */
  start(): void {
    this.life = this.live().catch((error: unknown) => {
      this.options.context.log(
        `pod ${keyOf(this.pod)}: ${(error as Error).message}`
      );
    });
  }

  /** Takes a newer version of the object. */
  update(pod: Stored<Pod>): void {
    const version = (object: Stored<Pod>): number =>
      Number(object.metadata.resourceVersion);
    if (version(pod) > version(this.pod)) {
      this.pod = pod;
    }
  }

  /** Ends it as a kubelet does: the processes within the grace period, then the object. */
  async terminate(graceMs: number): Promise<void> {
    if (this.termination) {
      return;
    }
    await this.stopProcesses(graceMs);
    const { name, namespace } = this.pod.metadata;
    await this.options.context.client.delete(
      { kind: 'Pod', namespace, name },
      { gracePeriodSeconds: 0, uid: this.uid }
    );
  }

  /** Ends the processes and cleans up after an object that is gone already. */
  async forget(): Promise<void> {
    this.removed = true;
    await this.stopProcesses(2_000);
    await removeObjects(this.options.context.client, this.pod);
    this.sandbox.remove();
  }

  /** Ends the processes and leaves the object as it is. */
  async abandon(graceMs: number): Promise<void> {
    this.removed = true;
    await this.stopProcesses(graceMs);
  }

  private stopProcesses(graceMs: number): Promise<void> {
    this.termination ??= this.stopContainers(graceMs);
    return this.termination;
  }

  private async stopContainers(graceMs: number): Promise<void> {
    const all = [...this.inits, ...this.containers];
    await Promise.all(all.map(container => container.stop(graceMs)));
    await this.life;
    await this.writing;
  }

  private container(
    spec: ContainerSpec,
    waitingFor: 'PodInitializing' | 'ContainerCreating',
    before: ContainerStatus[] | undefined
  ): Container {
    const { context, services, events } = this.options;
    const known = before?.find(({ name }) => name === spec.name);
    return new Container({
      context,
      pod: this.pod,
      sandbox: this.sandbox,
      spec,
      waitingFor,
      // A process of an earlier run of the runner counts as ended.
      restartCount: known ? known.restartCount + 1 : 0,
      addressOf: name => services.addressOf(this.namespace, name),
      onChange: () => {
        this.write();
      },
      event: note => {
        events.record(this.pod, note);
      }
    });
  }

  private async live(): Promise<void> {
    const { client } = this.options.context;
    await this.sandbox.prepare();
    this.write();
    if (this.sandbox.localPorts.size > 0) {
      await putObject(client, portForward(this.pod, this.sandbox.localPorts));
    }
    for (const init of this.inits) {
      if (!(await init.runOnce())) {
        return;
      }
    }
    const again = this.pod.spec?.restartPolicy !== 'Never';
    await Promise.all(
      this.containers.map(container =>
        again ? container.keepRunning() : container.runOnce()
      )
    );
  }

  /** Writes the status soon; what changes meanwhile is written with it. */
  private write(): void {
    if (this.changed || this.removed) {
      return;
    }
    this.changed = true;
    this.writing = this.writing.then(async () => {
      this.changed = false;
      try {
        await this.writeLogs();
        await this.writeStatus();
      } catch (error) {
        const gone =
          error instanceof KubeError && [404, 409].includes(error.status);
        if (!gone) {
          this.options.context.log(
            `pod ${keyOf(this.pod)}: ${(error as Error).message}`
          );
        }
      }
    });
  }

  private async writeLogs(): Promise<void> {
    const all = [...this.inits, ...this.containers];
    const logs = all.map(container => container.logs());
    const text = JSON.stringify(logs);
    if (text !== this.logsWritten) {
      this.logsWritten = text;
      await putObject(this.options.context.client, podLogs(this.pod, logs));
    }
  }

  private async writeStatus(): Promise<void> {
    const { context, podIP } = this.options;
    const { name, namespace } = this.pod.metadata;
    const status = podStatus({
      pod: this.pod,
      inits: this.inits.map(container => container.status()),
      containers: this.containers.map(container => container.status()),
      podIP,
      startedAt: this.startedAt,
      now: Date.now()
    });
    this.pod = await context.client.patch<Pod>(
      { kind: 'Pod', namespace, name, part: 'status' },
      { metadata: { uid: this.uid }, status }
    );
  }
}
