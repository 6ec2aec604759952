// SPDX-License-Identifier: BSD-3-Clause
import { deploymentViews } from '../../domain/chain';
import { BentoError } from '../../domain/errors';
import type { EventObject, Snapshot } from '../../domain/kube';
import { logCause } from '../../domain/logCauses';
import { type LogTarget, outcome, type Patience } from '../../domain/outcome';
import type { Deployment, Json } from '../../protocol';
import { fetchEvents } from '../cluster/events';
import { KINDS } from '../cluster/kinds';
import { podLog } from '../cluster/logs';
import type { NamespaceWatch } from '../cluster/namespaceWatch';
import { resourcePath } from '../cluster/target';
import type { Context } from '../context';
import type { Hub } from '../rpc/hub';
import type { Operations } from './operations';

/** How often the passing of time alone is looked at; no request is made. */
const TICK_MS = 1000;

/** States in which the cause may stand in events only, after this long. */
const STUCK_STATES = new Set([
  'queued',
  'checking',
  'deploying',
  'rollingOut',
  'degraded'
]);
const STUCK_AFTER_MS = 3000;
const EVENTS_EVERY_MS = 10_000;

/** Lines of the failed container's log that an error carries. */
const LOG_LINES = 15;

/** Prefix of the hub's topics with the deployments of one namespace by name. */
export const DEPLOYMENTS_TOPIC = 'deployments/';

interface Room {
  watch: NamespaceWatch;
  users: number;
  release?: () => void;
  views: Deployment[];
  events: EventObject[];
  eventsAt: number;
  listeners: Set<() => void>;
}

/**
 * The deployments of each namespace that someone looks at, computed from the
 * watch's snapshot and published as a topic of the hub.
 */
export class Deployments {
  private readonly rooms = new Map<string, Room>();

  constructor(
    private readonly context: Context,
    private readonly hub: Hub,
    private readonly operations: Operations
  ) {}

  /** Starts looking at a namespace and waits until all is known; returns how to stop. */
  async acquire(namespace: string): Promise<() => void> {
    const room = await this.room(namespace);
    room.users += 1;
    if (room.users === 1) {
      this.open(namespace, room);
    }
    let held = true;
    const release = (): void => {
      if (held) {
        held = false;
        room.users -= 1;
        if (room.users === 0) {
          room.release?.();
        }
      }
    };
    try {
      await room.watch.synced();
    } catch (error) {
      release();
      throw error;
    }
    this.compute(namespace, room);
    return release;
  }

  /** All deployments of a namespace now. */
  async list(namespace: string): Promise<Deployment[]> {
    const release = await this.acquire(namespace);
    try {
      return this.rooms.get(namespace)?.views ?? [];
    } finally {
      release();
    }
  }

  /** One deployment now; throws `notFound`. */
  async get(namespace: string, name: string): Promise<Deployment> {
    const release = await this.acquire(namespace);
    try {
      return await this.find(namespace, name, new AbortController().signal);
    } finally {
      release();
    }
  }

  /** The objects behind the deployments; acquire the namespace first. */
  snapshot(namespace: string): Snapshot | undefined {
    return this.rooms.get(namespace)?.watch.snapshot();
  }

  /** Waits until the objects of an acquired namespace are as wanted. */
  async until(
    namespace: string,
    holds: (snapshot: Snapshot) => boolean,
    signal: AbortSignal
  ): Promise<void> {
    const room = await this.room(namespace);
    while (!holds(room.watch.snapshot())) {
      await nextChange(room, signal);
      signal.throwIfAborted();
    }
  }

  /**
   * Waits until a deployment is ready; throws its cause when it has failed,
   * with the last lines of the log of the container that did.
   */
  async wait(options: {
    namespace: string;
    name: string;
    signal: AbortSignal;
    onChange(deployment: Deployment): void;
  }): Promise<Deployment> {
    const { namespace, name, signal, onChange } = options;
    const release = await this.acquire(namespace);
    try {
      let seen: string | undefined;
      const patience: Patience = new Map();
      for (;;) {
        const room = await this.room(namespace);
        const view =
          seen === undefined
            ? await this.find(namespace, name, signal)
            : room.views.find(candidate => candidate.name === name);
        if (!view) {
          throw new BentoError('deploymentDeleted', { params: { name } });
        }
        const text = JSON.stringify(view);
        if (text !== seen) {
          seen = text;
          onChange(view);
        }
        const result = outcome(view, patience, Date.now());
        if (result.kind === 'ready') {
          return view;
        }
        if (result.kind === 'failed') {
          throw await this.withLog(namespace, result.error, result.logTarget);
        }
        await nextChange(room, signal);
        signal.throwIfAborted();
      }
    } finally {
      release();
    }
  }

  /**
   * One deployment of an acquired namespace; throws `notFound`. The watch may
   * be behind what was created a moment ago, so the API server has the last word.
   */
  private async find(
    namespace: string,
    name: string,
    signal: AbortSignal
  ): Promise<Deployment> {
    const room = await this.room(namespace);
    for (;;) {
      const view = room.views.find(candidate => candidate.name === name);
      if (view) {
        return view;
      }
      if (!(await this.exists(namespace, name))) {
        throw missing(name, namespace, room.views);
      }
      await nextChange(room, signal);
      signal.throwIfAborted();
    }
  }

  private async exists(namespace: string, name: string): Promise<boolean> {
    const { client } = await this.context.cluster();
    try {
      await client.get(
        resourcePath({ ...KINDS.bentoDeployments, namespace, name })
      );
      return true;
    } catch (error) {
      if (error instanceof BentoError && error.code === 'notFound') {
        return false;
      }
      throw error;
    }
  }

  private async withLog(
    namespace: string,
    error: BentoError,
    target: LogTarget | undefined
  ): Promise<BentoError> {
    if (!target) {
      return error;
    }
    const { client } = await this.context.cluster();
    const lines = await podLog(client, {
      namespace,
      ...target,
      tailLines: LOG_LINES
    }).catch((reason: unknown) => [`(no log: ${String(reason)})`]);
    return new BentoError(error.code, {
      params: { ...error.params, ...logCause(lines) },
      cause: error,
      details: [
        ...error.details,
        `Pod ${target.pod}, container ${target.container}:`,
        ...lines
      ]
    });
  }

  private async room(namespace: string): Promise<Room> {
    const known = this.rooms.get(namespace);
    if (known) {
      return known;
    }
    const watch = await this.context.watch(namespace);
    const room: Room = this.rooms.get(namespace) ?? {
      watch,
      users: 0,
      views: [],
      events: [],
      eventsAt: 0,
      listeners: new Set()
    };
    this.rooms.set(namespace, room);
    return room;
  }

  private open(namespace: string, room: Room): void {
    const stopWatching = room.watch.acquire();
    const compute = (): void => this.compute(namespace, room);
    const stopListening = room.watch.onChange(compute);
    const tick = setInterval(compute, TICK_MS);
    tick.unref();
    room.release = () => {
      clearInterval(tick);
      stopListening();
      stopWatching();
    };
  }

  private compute(namespace: string, room: Room): void {
    room.views = deploymentViews(
      { ...room.watch.snapshot(), events: room.events },
      {
        now: Date.now(),
        notPickedUpSeconds: this.context.settings.notPickedUpSeconds,
        operations: this.operations.list(),
        previous: room.views
      }
    );
    this.hub.replace(
      DEPLOYMENTS_TOPIC + namespace,
      new Map(room.views.map(view => [view.name, view as unknown as Json]))
    );
    room.listeners.forEach(listener => listener());
    void this.lookForEvents(namespace, room);
  }

  /** Events are many and short-lived: they are read only when something is stuck, and not watched. */
  private async lookForEvents(namespace: string, room: Room): Promise<void> {
    const now = Date.now();
    const stuck = room.views.some(
      view =>
        STUCK_STATES.has(view.state) &&
        now - Date.parse(view.since) > STUCK_AFTER_MS
    );
    if (!stuck || now - room.eventsAt < EVENTS_EVERY_MS) {
      return;
    }
    room.eventsAt = now;
    try {
      const { client } = await this.context.cluster();
      room.events = await fetchEvents(client, namespace);
    } catch {
      // Events are a help, not a need: without the right to them findings say less.
      return;
    }
    if (room.users > 0) {
      this.compute(namespace, room);
    }
  }
}

function missing(
  name: string,
  namespace: string,
  views: Deployment[]
): BentoError {
  const known = views.map(view => view.name).join(', ') || 'none';
  return new BentoError('notFound', {
    params: {
      what: `Deployment ${name} in namespace ${namespace}`,
      hint: `Deployments there: ${known}`
    }
  });
}

function nextChange(room: Room, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      room.listeners.delete(done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    room.listeners.add(done);
    signal.addEventListener('abort', done, { once: true });
  });
}
