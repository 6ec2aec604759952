// SPDX-License-Identifier: BSD-3-Clause
import { randomUUID } from 'node:crypto';
import type { Event, Json } from '../../protocol';

/** How many events a client may miss and still get a replay. */
const RING_LENGTH = 2000;

/** Hears the events of its topics, in order. */
export type EventListener = (event: Event) => void;

/**
 * The state that clients copy, topic by topic, and the numbered events that
 * change it. One hub lives as long as the bridge; `epoch` names that life.
 */
export class Hub {
  readonly epoch: string;
  private sequence = 0;
  private readonly ring: Event[] = [];
  private readonly topics = new Map<string, Map<string, Json>>();
  private readonly serialized = new Map<string, string>();
  private readonly listeners = new Set<EventListener>();

  constructor(options: { epoch?: string; ringLength?: number } = {}) {
    this.epoch = options.epoch ?? randomUUID();
    this.ringLength = options.ringLength ?? RING_LENGTH;
  }

  private readonly ringLength: number;

  /** Number of the last event. */
  get seq(): number {
    return this.sequence;
  }

  /** Sets an entry, or removes it with null; equal values make no event. */
  publish(topic: string, key: string, value: Json): void {
    const id = `${topic}\n${key}`;
    const text = value === null ? undefined : JSON.stringify(value);
    if (this.serialized.get(id) === text) {
      return;
    }
    const entries = this.topics.get(topic) ?? new Map<string, Json>();
    this.topics.set(topic, entries);
    if (text === undefined) {
      entries.delete(key);
      this.serialized.delete(id);
    } else {
      entries.set(key, value);
      this.serialized.set(id, text);
    }
    this.sequence += 1;
    const event = {
      epoch: this.epoch,
      seq: this.sequence,
      topic,
      key,
      value
    };
    this.ring.push(event);
    if (this.ring.length > this.ringLength) {
      this.ring.shift();
    }
    for (const listener of this.listeners) {
      listener(event);
    }
  }

  /** Makes the topic hold exactly these entries. */
  replace(topic: string, entries: Map<string, Json>): void {
    for (const key of this.topics.get(topic)?.keys() ?? []) {
      if (!entries.has(key)) {
        this.publish(topic, key, null);
      }
    }
    for (const [key, value] of entries) {
      this.publish(topic, key, value);
    }
  }

  /** The entries of a topic now. */
  snapshot(topic: string): Record<string, Json> {
    return Object.fromEntries(this.topics.get(topic) ?? []);
  }

  /**
   * The events after `since`, or undefined when they are not all there any
   * more (another epoch, or too long ago): then a snapshot is needed.
   */
  replay(since: { epoch: string; seq: number }): Event[] | undefined {
    const missed = this.sequence - since.seq;
    if (since.epoch !== this.epoch || missed < 0 || missed > this.ring.length) {
      return undefined;
    }
    return missed === 0 ? [] : this.ring.slice(-missed);
  }

  /** Calls the listener with every event from now on; returns how to stop. */
  listen(listener: EventListener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}
