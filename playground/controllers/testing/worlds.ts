// SPDX-License-Identifier: BSD-3-Clause
import type { EventNote } from '../kube/events';
import type { KubeObject, Stored } from '../kube/objects';
import { keyOf } from '../kube/objects';
import type { DeployWorld } from '../operators/bentoDeployment';
import type { BuilderWorld } from '../operators/bentoRequest';
import type { ConditionWrite } from '../operators/conditions';
import { withConditions } from '../operators/conditions';
import type {
  Bento,
  BentoDeployment,
  BentoRequest,
  ConditionedStatus,
  Job
} from '../operators/types';

/** Gives an object what the API server gives it. */
export function stored<T extends KubeObject>(object: T): Stored<T> {
  const { metadata } = object;
  return {
    ...object,
    metadata: { namespace: 'ds', uid: `uid-of-${metadata.name}`, ...metadata }
  };
}

/** What a pass did, in order. */
class Diary {
  /** `Type=Status message` of what each update changed, one entry for each update. */
  readonly updates: string[] = [];
  readonly notes: EventNote[] = [];
  readonly done: string[] = [];

  /** The object after an update of its conditions. */
  update<T extends KubeObject<unknown, ConditionedStatus>>(
    object: T,
    writes: readonly ConditionWrite[]
  ): T {
    const before = object.status?.conditions ?? [];
    const conditions = withConditions(before, writes, 0);
    const changed = conditions.filter(
      ({ type, status, message }) =>
        !before.some(
          old =>
            old.type === type &&
            old.status === status &&
            old.message === message
        )
    );
    if (changed.length > 0) {
      this.updates.push(
        changed
          .map(({ type, status, message }) => `${type}=${status} ${message}`)
          .join('; ')
      );
    }
    return { ...object, status: { ...object.status, conditions } };
  }

  /** Messages of all events. */
  get told(): string[] {
    return this.notes.map(({ message }) => message);
  }

  /** Takes what was written since the last time. */
  takeUpdates(): string[] {
    return this.updates.splice(0);
  }
}

/** The image builder's world of one request, in memory. */
export class MemoryBuilder extends Diary implements BuilderWorld {
  all: Stored<Job>[] = [];
  made: Stored<Bento> | undefined;
  pushed = new Set<string>();
  /** Makes the creation of a Job fail. */
  refusal: string | undefined;

  constructor(public current: Stored<BentoRequest> | undefined) {
    super();
  }

  request = (): Promise<Stored<BentoRequest> | undefined> =>
    Promise.resolve(this.current);

  write = (writes: ConditionWrite[]): Promise<void> => {
    this.current = this.current && this.update(this.current, writes);
    return Promise.resolve();
  };

  event = (note: EventNote): void => {
    this.notes.push(note);
  };

  imageExists = ({ push }: { push: string }): Promise<boolean> =>
    Promise.resolve(this.pushed.has(push));

  jobs = (): Promise<Stored<Job>[]> => Promise.resolve(this.all);

  createJob = (job: Job): Promise<void> => {
    if (this.refusal) {
      return Promise.reject(new Error(this.refusal));
    }
    this.all.push(stored(job));
    return Promise.resolve();
  };

  deleteJob = (job: Stored<Job>): Promise<void> => {
    this.done.push(`delete ${job.metadata.name}`);
    job.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
    return Promise.resolve();
  };

  serviceAccount = (): Promise<string> => Promise.resolve('default');

  bento = (): Promise<Stored<Bento> | undefined> => Promise.resolve(this.made);

  createBento = (bento: Bento): Promise<void> => {
    this.made = stored(bento);
    return Promise.resolve();
  };

  updateBento = (bento: Bento): Promise<void> => {
    this.done.push('update Bento');
    this.made = stored(bento);
    return Promise.resolve();
  };
}

/** The deployment operator's world of one deployment, in memory. */
export class MemoryDeployer extends Diary implements DeployWorld {
  readonly objects = new Map<string, Stored<KubeObject>>();
  readonly bentos = new Map<string, Stored<Bento>>();
  readonly requests = new Map<string, Stored<BentoRequest>>();
  /** Texts with which writing `Kind ns/name` is refused. */
  readonly refusals = new Map<string, string>();
  suffixError: string | undefined;

  constructor(public current: Stored<BentoDeployment>) {
    super();
  }

  deployment = (): Promise<Stored<BentoDeployment>> =>
    Promise.resolve(this.current);

  write = (writes: ConditionWrite[]): Promise<void> => {
    this.current = this.update(this.current, writes);
    return Promise.resolve();
  };

  event = (note: EventNote): void => {
    this.notes.push(note);
  };

  bento = (name: string): Promise<Stored<Bento> | undefined> =>
    Promise.resolve(this.bentos.get(name));

  request = (name: string): Promise<Stored<BentoRequest> | undefined> =>
    Promise.resolve(this.requests.get(name));

  serviceAccount = (): Promise<string> => Promise.resolve('default');

  domainSuffix = (): Promise<string> =>
    this.suffixError
      ? Promise.reject(new Error(this.suffixError))
      : Promise.resolve('example.com');

  get = (object: KubeObject): Promise<Stored<KubeObject> | undefined> =>
    Promise.resolve(this.objects.get(`${object.kind} ${keyOf(object)}`));

  create = (object: KubeObject): Promise<void> => this.put('create', object);

  replace = (object: KubeObject): Promise<void> => this.put('replace', object);

  private put(verb: string, object: KubeObject): Promise<void> {
    const what = `${object.kind} ${keyOf(object)}`;
    const refusal = this.refusals.get(what);
    if (refusal) {
      return Promise.reject(new Error(refusal));
    }
    this.done.push(`${verb} ${what}`);
    this.objects.set(what, stored(object));
    return Promise.resolve();
  }
}
