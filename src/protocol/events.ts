// SPDX-License-Identifier: BSD-3-Clause
import * as z from 'zod/mini';
import { json, type Json } from './common';

/**
 * One change of the state that clients copy: entry `key` of `topic` is now
 * `value`, or gone when `value` is null. `seq` counts up by one over all topics
 * within one bridge life (`epoch`); a client sees gaps for topics that it has
 * not subscribed to.
 */
export const event = z.object({
  epoch: z.string(),
  seq: z.number(),
  topic: z.string(),
  key: z.string(),
  value: json
});
/** See {@link event}. */
export interface Event {
  epoch: string;
  seq: number;
  topic: string;
  key: string;
  value: Json;
}

/** Entries of one topic, as a part of a snapshot. */
export const snapshotChunk = z.object({
  topic: z.string(),
  entries: z.record(z.string(), json)
});
/** See {@link snapshotChunk}. */
export interface SnapshotChunk {
  topic: string;
  entries: Record<string, Json>;
}

/** Everything a client knows: topic → key → value. */
export type ClientState = Record<string, Record<string, Json>>;

/** Returns the state after an event; the given state is not changed. */
export function applyEvent(state: ClientState, change: Event): ClientState {
  const { [change.key]: _before, ...others } = state[change.topic] ?? {};
  const entries =
    change.value === null ? others : { ...others, [change.key]: change.value };
  return { ...state, [change.topic]: entries };
}
