// SPDX-License-Identifier: BSD-3-Clause
import { randomUUID } from 'node:crypto';
import { BentoError, toBentoError } from '../../domain/errors';
import type { Json, Operation, Stage, StageName } from '../../protocol';
import type { Hub } from '../rpc/hub';
import type { Journal, JournalEntry, OpenUpload } from './journal';

/** Topic of the hub that holds all operations by id. */
export const OPERATIONS_TOPIC = 'operations';

/** How many ended operations stay visible. */
const KEPT = 50;

/** What the code of an operation may tell about itself while it runs. */
export interface OperationReport {
  signal: AbortSignal;
  /** Runs a stage: timed, shown as running, then done or failed. */
  stage<T>(name: StageName, work: () => Promise<T>): Promise<T>;
  /** Marks a stage as not needed and says why. */
  skip(name: StageName, note: string): void;
  /** Changes the stage that runs. */
  update(name: StageName, change: Partial<Stage>): void;
  /** Changes the operation itself. */
  set(change: Partial<Operation>): void;
  note(text: string): void;
  /** Remembers an upload, so that a later life can clear it away; undefined forgets it. */
  upload(upload: OpenUpload | undefined): Promise<void>;
}

/** The work of an operation; it ends by returning or by throwing. */
export type OperationWork = (report: OperationReport) => Promise<void>;

/** Begins an operation; `resumed` carries the journal's entry of an earlier life. */
export interface OperationStart {
  entry: Omit<JournalEntry, 'id' | 'startedAt'> & Partial<JournalEntry>;
  stages: StageName[];
  /** Shown from the start. */
  show: Pick<Operation, 'tag' | 'namespace' | 'name'>;
  work: OperationWork;
}

interface Running {
  operation: Operation;
  controller: AbortController;
  finished: Promise<void>;
}

/**
 * The long work of the bridge. An operation belongs to no client: it goes on
 * when its client leaves, and the journal lets the next bridge go on with it.
 */
export class Operations {
  private readonly operations = new Map<string, Running>();
  private readonly listeners = new Set<(operation: Operation) => void>();
  private stopping = false;

  constructor(
    private readonly hub: Hub,
    private readonly journal: Journal
  ) {}

  /** Starts an operation; returns as soon as it is in the journal. */
  async start(start: OperationStart): Promise<Operation> {
    const id = start.entry.id ?? randomUUID();
    const startedAt = start.entry.startedAt ?? new Date().toISOString();
    const entry = { ...start.entry, id, startedAt } as JournalEntry;
    await this.journal.write(entry);
    const operation: Operation = {
      ...start.show,
      id,
      kind: entry.kind,
      state: 'running',
      startedAt,
      stages: start.stages.map(stage => ({ stage, state: 'pending' })),
      notes: []
    };
    const controller = new AbortController();
    const running = { operation, controller, finished: Promise.resolve() };
    this.operations.set(id, running);
    this.changed(operation);
    running.finished = this.run(running, entry, start.work);
    return structuredClone(operation);
  }

  /** All operations that are known, newest last. */
  list(): Operation[] {
    return [...this.operations.values()].map(({ operation }) => operation);
  }

  /** Throws `notFound` for an unknown id. */
  get(id: string): Operation {
    return this.find(id).operation;
  }

  /** Calls back at each change; resolves when the operation has ended or the signal aborts. */
  async follow(
    id: string,
    signal: AbortSignal,
    onChange: (operation: Operation) => void
  ): Promise<Operation> {
    const { operation, finished } = this.find(id);
    const listener = (changed: Operation): void => {
      if (changed.id === id) {
        onChange(changed);
      }
    };
    onChange(operation);
    this.listeners.add(listener);
    try {
      await Promise.race([finished, aborted(signal)]);
      return operation;
    } finally {
      this.listeners.delete(listener);
    }
  }

  /** Cancels an operation and waits until it has cleared up. */
  async cancel(id: string): Promise<Operation> {
    const { operation, controller, finished } = this.find(id);
    controller.abort();
    await finished;
    return operation;
  }

  /** Stops all work without ending it: the journal keeps it for the next life. */
  async close(): Promise<void> {
    this.stopping = true;
    const all = [...this.operations.values()];
    all.forEach(({ controller }) => controller.abort());
    await Promise.all(all.map(({ finished }) => finished));
  }

  private async run(
    running: Running,
    entry: JournalEntry,
    work: OperationWork
  ): Promise<void> {
    const { operation, controller } = running;
    try {
      await work(this.report(running, entry));
      operation.state = 'done';
    } catch (thrown) {
      const cancelled = controller.signal.aborted;
      operation.state = cancelled ? 'cancelled' : 'failed';
      operation.error = (
        cancelled ? new BentoError('cancelled') : toBentoError(thrown)
      ).toData();
    }
    operation.endedAt = new Date().toISOString();
    if (!this.stopping) {
      await this.journal.remove(operation.id);
    }
    this.changed(operation);
    this.forgetOldest();
  }

  private report(running: Running, entry: JournalEntry): OperationReport {
    const { operation, controller } = running;
    const update = (name: StageName, change: Partial<Stage>): void => {
      const stage = operation.stages.find(({ stage }) => stage === name);
      Object.assign(stage ?? {}, change);
      this.changed(operation);
    };
    return {
      signal: controller.signal,
      update,
      skip: (name, note) => update(name, { state: 'skipped', note }),
      set: change => {
        Object.assign(operation, change);
        this.changed(operation);
      },
      note: text => {
        operation.notes.push(text);
        this.changed(operation);
      },
      upload: async upload => {
        entry.upload = upload;
        await this.journal.write(entry);
      },
      stage: async (name, work) => {
        controller.signal.throwIfAborted();
        const began = Date.now();
        update(name, {
          state: 'running',
          startedAt: new Date(began).toISOString()
        });
        try {
          const result = await work();
          update(name, { state: 'done', ms: Date.now() - began });
          return result;
        } catch (thrown) {
          update(name, { state: 'failed', ms: Date.now() - began });
          throw thrown;
        }
      }
    };
  }

  private changed(operation: Operation): void {
    this.hub.publish(
      OPERATIONS_TOPIC,
      operation.id,
      structuredClone(operation) as Json
    );
    for (const listener of this.listeners) {
      listener(operation);
    }
  }

  private forgetOldest(): void {
    const ended = this.list().filter(({ state }) => state !== 'running');
    for (const { id } of ended.slice(0, Math.max(0, ended.length - KEPT))) {
      this.operations.delete(id);
      this.hub.publish(OPERATIONS_TOPIC, id, null);
    }
  }

  private find(id: string): Running {
    const running = this.operations.get(id);
    if (!running) {
      throw new BentoError('notFound', {
        params: {
          what: `Operation ${id}`,
          hint: 'It ended long ago, or with an earlier bridge.'
        }
      });
    }
    return running;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) {
      resolve();
    }
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
