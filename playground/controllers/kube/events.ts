// SPDX-License-Identifier: BSD-3-Clause
import type { KubeClient } from './client';
import type { KubeObject, Stored } from './objects';

/** One thing to tell about an object. */
export interface EventNote {
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
  /** Which part of a pod it is about: `spec.containers{main}`. */
  fieldPath?: string;
}

/** Who tells, and how much it may. */
export interface RecorderOptions {
  client: Pick<KubeClient, 'create' | 'patch'>;
  source: { component: string; host?: string };
  /** Writes for one object in a burst; one more becomes possible every five minutes. */
  budget?: number;
  now?: () => number;
}

/** An Event of the core API as it is written. */
export interface CoreEvent extends KubeObject {
  involvedObject: object;
  type: string;
  reason: string;
  message: string;
  count: number;
  firstTimestamp: string;
  lastTimestamp: string;
  source: object;
  reportingComponent: string;
  reportingInstance: string;
}

const refillMs = 300_000;

/** A bucket of tokens, refilled one by one. */
export class Budget {
  private tokens: number;
  private since: number;

  constructor(
    private readonly size: number,
    now: number
  ) {
    this.tokens = size;
    this.since = now;
  }

  /** Takes a token if there is one. */
  take(now: number): boolean {
    const refilled = Math.floor((now - this.since) / refillMs);
    this.tokens = Math.min(this.size, this.tokens + refilled);
    this.since += refilled * refillMs;
    if (this.tokens === 0) {
      return false;
    }
    this.tokens--;
    return true;
  }
}

/**
 * Writes Events as client-go's recorder does: in the background and in order, the same text again
 * as a count on the first, and only so many for one object (25, then one every five minutes).
 */
export class EventRecorder {
  private readonly budgets = new Map<string, Budget>();
  private readonly known = new Map<string, CoreEvent>();
  private sending: Promise<void> = Promise.resolve();
  private serial = 0;

  constructor(private readonly options: RecorderOptions) {}

  record(about: Stored<KubeObject>, note: EventNote): void {
    const now = (this.options.now ?? Date.now)();
    if (!this.withinBudget(about.metadata.uid, now)) {
      return;
    }
    const { type, reason, message, fieldPath } = note;
    const key = JSON.stringify([
      about.metadata.uid,
      type,
      reason,
      message,
      fieldPath
    ]);
    const time = new Date(now).toISOString().replace(/\.\d+Z$/, 'Z');
    const before = this.known.get(key);
    const event: CoreEvent = before
      ? { ...before, count: before.count + 1, lastTimestamp: time }
      : this.compose(about, note, time);
    this.known.set(key, event);
    this.sending = this.sending.then(() => this.write(event));
  }

  /** Resolves when everything told so far is written or given up. */
  flush(): Promise<void> {
    return this.sending;
  }

  private withinBudget(uid: string, now: number): boolean {
    const { budget } = this.options;
    if (budget === undefined) {
      return true;
    }
    const found = this.budgets.get(uid) ?? new Budget(budget, now);
    this.budgets.set(uid, found);
    return found.take(now);
  }

  private compose(
    about: Stored<KubeObject>,
    note: EventNote,
    time: string
  ): CoreEvent {
    const { name, namespace, uid, resourceVersion } = about.metadata;
    const { source } = this.options;
    const { fieldPath, ...told } = note;
    this.serial++;
    const stamp = BigInt(Date.now()) * 1_000_000n + BigInt(this.serial);
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${name}.${stamp.toString(16)}`, namespace },
      involvedObject: {
        kind: about.kind,
        namespace,
        name,
        uid,
        apiVersion: about.apiVersion,
        resourceVersion,
        ...(fieldPath ? { fieldPath } : {})
      },
      ...told,
      count: 1,
      firstTimestamp: time,
      lastTimestamp: time,
      source,
      reportingComponent: source.host ? source.component : '',
      reportingInstance: source.host ?? ''
    };
  }

  private async write(event: CoreEvent): Promise<void> {
    const { client } = this.options;
    try {
      if (event.count === 1) {
        await client.create(event);
      } else {
        const { name, namespace = '' } = event.metadata;
        const { count, lastTimestamp } = event;
        await client.patch(
          { kind: 'Event', namespace, name },
          { count, lastTimestamp }
        );
      }
    } catch {
      // Events are told best-effort: the namespace may be going away.
    }
  }
}
