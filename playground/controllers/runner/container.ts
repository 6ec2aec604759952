// SPDX-License-Identifier: BSD-3-Clause
import type { ControllersContext } from '../context';
import type { EventNote } from '../kube/events';
import type { Stored } from '../kube/objects';
import { containerEnv } from './containerEnv';
import { CriLog } from './criLog';
import type { ImageKind } from './launch';
import { imageKind, launchPlan } from './launch';
import type { ExitInfo } from './process';
import { ContainerProcess } from './process';
import { probeAddresses, ReadinessProbe } from './probes';
import type { PodSandbox } from './sandbox';
import type { Translation } from './translate';
import { serviceNames } from './translate';
import type {
  ContainerSpec,
  ContainerState,
  ContainerStatus,
  Pod
} from './types';
import { timeOf } from './types';
import { Waiter } from './waiter';

/** Seconds between a crash and the next start, by how many crashes there were. */
const restartDelays = [0, 10, 20, 40, 80, 160, 300];
/** After running that long a crash counts as the first again. */
const forgivenMs = 600_000;
const pullRetryMs = 10_000;

/** What a container needs of the pod and the runner around it. */
export interface ContainerOptions {
  context: ControllersContext;
  pod: Stored<Pod>;
  sandbox: PodSandbox;
  spec: ContainerSpec;
  /** Why it waits before its turn comes. */
  waitingFor: 'PodInitializing' | 'ContainerCreating';
  restartCount: number;
  addressOf: (service: string) => Promise<string>;
  onChange: () => void;
  event: (note: EventNote) => void;
}

/** One container: its process, its restarts, its readiness, and what a kubelet would say of it. */
export class Container {
  readonly name: string;
  private state: ContainerState;
  private lastState: ContainerState = {};
  private ready = false;
  private restartCount: number;
  private process: ContainerProcess | undefined;
  private probe: ReadinessProbe | undefined;
  private readonly waiter = new Waiter();
  private readonly logStart: number;

  constructor(private readonly options: ContainerOptions) {
    this.name = options.spec.name;
    this.state = { waiting: { reason: options.waitingFor } };
    this.restartCount = options.restartCount;
    this.logStart = options.restartCount;
    // So that there is a log to read, if an empty one, before it starts and for sidecars.
    this.openLog().close();
  }

  /** Its part of the pod's status. */
  status(): ContainerStatus {
    const { image, name } = this.options.spec;
    const begun = this.state.running ?? this.state.terminated;
    const id = `playground://${this.options.pod.metadata.uid}/${name}`;
    return {
      name,
      state: this.state,
      lastState: this.lastState,
      ready: this.ready,
      started: this.state.running !== undefined,
      restartCount: this.restartCount,
      image,
      imageID: begun ? image : '',
      ...(begun ? { containerID: `${id}/${String(this.restartCount)}` } : {})
    };
  }

  /** Where its logs are now. */
  logs(): { container: string; file: string; previous?: string } {
    const { sandbox } = this.options;
    const file = sandbox.logFile(this.name, this.restartCount);
    return this.restartCount > this.logStart
      ? {
          container: this.name,
          file,
          previous: sandbox.logFile(this.name, this.restartCount - 1)
        }
      : { container: this.name, file };
  }

  /** Runs it once and resolves with whether it ended well; false too when it was stopped before. */
  async runOnce(): Promise<boolean> {
    const exit = await this.start();
    return exit?.exitCode === 0;
  }

  /** Runs it again and again, later each time, until it is stopped. */
  async keepRunning(): Promise<void> {
    let crashes = 0;
    for (;;) {
      const begun = Date.now();
      await this.start();
      if (this.waiter.stopped) {
        return;
      }
      crashes = Date.now() - begun > forgivenMs ? 0 : crashes;
      const delay = restartDelays[Math.min(crashes, restartDelays.length - 1)];
      await this.backOff(delay ?? 0);
      if (this.waiter.stopped) {
        return;
      }
      crashes++;
      this.restartCount++;
      this.openLog().close();
    }
  }

  /** Ends it; it gets that long to end by itself. */
  async stop(graceMs: number): Promise<void> {
    this.waiter.stop();
    this.probe?.stop();
    await this.process?.stop(graceMs);
    if (this.state.running && !this.process) {
      this.terminate({ exitCode: 0 });
    }
  }

  private openLog(): CriLog {
    const { sandbox, spec } = this.options;
    const file = sandbox.logFile(this.name, this.restartCount);
    return new CriLog(file, spec.tty ?? false);
  }

  private change(state: ContainerState, ready = false): void {
    this.state = state;
    this.ready = ready;
    this.options.onChange();
  }

  private async start(): Promise<ExitInfo | undefined> {
    const kind = await this.pull();
    if (kind === undefined) {
      return undefined;
    }
    if (kind === 'sidecar') {
      this.run(true);
      await this.waiter.untilStopped();
      return undefined;
    }
    const env = await this.environment();
    return env ? this.runProcess(env) : undefined;
  }

  /** Waits until its image is there; undefined when it was stopped before. */
  private async pull(): Promise<ImageKind | undefined> {
    const { context, spec } = this.options;
    const { image } = spec;
    for (let failures = 0; !this.waiter.stopped; failures++) {
      const kind = imageKind(context.instance.dataDir, image);
      if (kind !== 'absent') {
        this.tell(
          'Normal',
          'Pulled',
          `Container image "${image}" already present on machine`
        );
        return kind;
      }
      const message = `failed to pull and unpack image "${image}": failed to resolve reference "${image}": ${image}: not found`;
      this.tell(
        'Warning',
        'Failed',
        `Failed to pull image "${image}": ${message}`
      );
      this.change({ waiting: { reason: 'ErrImagePull', message } });
      await this.waiter.pause(pullRetryMs / context.instance.options.speed / 2);
      const reason = 'ImagePullBackOff';
      const back = `Back-off pulling image "${image}"`;
      this.tell('Normal', 'BackOff', back);
      this.change({ waiting: { reason, message: back } });
      await this.waiter.pause(pullRetryMs / context.instance.options.speed / 2);
    }
    return undefined;
  }

  /** Waits until all Secrets that it names are there. */
  private async environment(): Promise<Record<string, string> | undefined> {
    const { context, pod, spec } = this.options;
    while (!this.waiter.stopped) {
      try {
        return await containerEnv(context.client, pod.metadata.namespace, spec);
      } catch (error) {
        const { message } = error as Error;
        const reason = 'CreateContainerConfigError';
        this.tell('Warning', 'Failed', `Error: ${message}`);
        this.change({ waiting: { reason, message } });
        await this.waiter.pause(pullRetryMs / context.instance.options.speed);
      }
    }
    return undefined;
  }

  private async runProcess(env: Record<string, string>): Promise<ExitInfo> {
    const { context, pod, sandbox, spec } = this.options;
    const log = this.openLog();
    let exit: ExitInfo;
    try {
      const services = await this.services();
      const plan = launchPlan({
        context,
        sandbox,
        container: spec,
        env,
        services
      });
      const marker = `${pod.metadata.uid}/${this.name}`;
      const started = new ContainerProcess(plan, log, marker);
      this.process = started;
      this.run(!spec.readinessProbe);
      this.watchReadiness({
        folders: new Map(),
        ports: sandbox.localPorts,
        services
      });
      if (this.waiter.stopped) {
        void started.stop(0);
      }
      exit = await started.exited;
    } catch (error) {
      log.say((error as Error).message);
      exit = { exitCode: 127 };
    }
    this.probe?.stop();
    this.process = undefined;
    log.close();
    this.terminate(exit);
    return exit;
  }

  private async services(): Promise<Translation['services']> {
    const { spec, addressOf } = this.options;
    const probe = spec.readinessProbe?.exec?.command ?? [];
    const texts = [...(spec.command ?? []), ...(spec.args ?? []), ...probe];
    const names = serviceNames(texts.join(' '));
    return new Map(
      await Promise.all(
        names.map(async name => [name, await addressOf(name)] as const)
      )
    );
  }

  private run(ready: boolean): void {
    this.tell('Normal', 'Created', `Created container: ${this.name}`);
    this.tell('Normal', 'Started', `Started container ${this.name}`);
    this.change({ running: { startedAt: timeOf(Date.now()) } }, ready);
  }

  private watchReadiness(translation: Translation): void {
    const { spec } = this.options;
    const addresses = probeAddresses(spec.readinessProbe, spec, translation);
    if (!spec.readinessProbe) {
      return;
    }
    this.probe = new ReadinessProbe(addresses, ready => {
      if (!ready) {
        this.tell(
          'Warning',
          'Unhealthy',
          'Readiness probe failed: not all of its addresses answer'
        );
      }
      if (this.state.running) {
        this.change(this.state, ready);
      }
    });
  }

  private terminate(exit: ExitInfo): void {
    const { pod } = this.options;
    const now = timeOf(Date.now());
    this.change({
      terminated: {
        ...exit,
        reason: exit.exitCode === 0 ? 'Completed' : 'Error',
        startedAt: this.state.running?.startedAt ?? now,
        finishedAt: now,
        containerID: `playground://${pod.metadata.uid}/${this.name}/${String(this.restartCount)}`
      }
    });
  }

  private async backOff(seconds: number): Promise<void> {
    this.lastState = this.state;
    if (seconds > 0) {
      const { context, pod } = this.options;
      const { name, namespace, uid } = pod.metadata;
      const full = `${name}_${namespace}(${uid})`;
      const message = `back-off ${String(seconds)}s restarting failed container=${this.name} pod=${full}`;
      this.tell(
        'Warning',
        'BackOff',
        `Back-off restarting failed container ${this.name} in pod ${full}`
      );
      this.change({ waiting: { reason: 'CrashLoopBackOff', message } });
      await this.waiter.pause(
        (seconds * 1_000) / context.instance.options.speed
      );
    }
  }

  private tell(type: EventNote['type'], reason: string, message: string): void {
    const group = this.isInit() ? 'initContainers' : 'containers';
    const fieldPath = `spec.${group}{${this.name}}`;
    this.options.event({ type, reason, message, fieldPath });
  }

  private isInit(): boolean {
    const { pod } = this.options;
    return (pod.spec?.initContainers ?? []).some(
      ({ name }) => name === this.name
    );
  }
}
