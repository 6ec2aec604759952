// SPDX-License-Identifier: BSD-3-Clause
import type { Stored } from '../kube/objects';
import type { KubeObject } from '../kube/objects';
import type { ConditionWrite } from '../operators/conditions';
import { withConditions } from '../operators/conditions';
import type { Condition, ConditionedStatus } from '../operators/types';
import type { RecordedLine } from './recordings';

type Conditioned = Stored<KubeObject<unknown, ConditionedStatus>>;

/** One update of conditions that was seen. */
interface SeenWrite {
  /** Index of its line. */
  at: number;
  t_ms: number;
  /** What the object was, with the conditions after the update. */
  object: Conditioned;
}

/** Conditions as text, in order, without times. */
function shown(conditions: readonly Condition[] | undefined): string {
  return (conditions ?? [])
    .map(
      ({ type, status, reason, message }) =>
        `${type}=${status} ${reason} ${message}`
    )
    .join('\n');
}

function seenWrites(
  lines: readonly RecordedLine[],
  kind: string,
  name: string
): SeenWrite[] {
  let last = '';
  return lines.flatMap(({ object, verb, t_ms }, at) => {
    const mine = object.kind === kind && object.metadata.name === name;
    const conditioned = object as Conditioned;
    const now = shown(conditioned.status?.conditions);
    if (!mine || verb === 'DELETED' || now === last) {
      return [];
    }
    last = now;
    return [{ at, t_ms, object: conditioned }];
  });
}

/** A pass wrote something else than what came next. */
class Mismatch extends Error {}

/** What a pass may look at while it is replayed. */
export interface ReplayMoment {
  /** The object under reconciliation, with the conditions as replayed so far. */
  object: Conditioned;
  /** What an object of another kind was at some moment between the last write and the next. */
  write: (writes: readonly ConditionWrite[]) => Promise<void>;
  /** Which of the possible moments this attempt looks at others' state; a line index. */
  lookAt: number;
  /** When the next write was seen, in ms. */
  nextAt: () => number;
}

/** What to replay. */
export interface ReplayOptions {
  lines: readonly RecordedLine[];
  kind: string;
  name: string;
  /** Runs one pass on the moment. */
  pass: (moment: ReplayMoment) => Promise<void>;
  /** Lines that change what a pass sees; passes are tried at each of them. */
  matters: (line: RecordedLine) => boolean;
}

/**
 * Checks that the recorded updates of an object's conditions are what passes write one after
 * another, each pass looking at the rest of the cluster at some moment around its own updates.
 * @returns how many updates were explained.
 * @throws Error that shows the first update no pass explains.
 */
export async function replayConditions(
  options: ReplayOptions
): Promise<{ explained: number; passes: number }> {
  const { lines, kind, name } = options;
  const writes = seenWrites(lines, kind, name);
  let furthest = { reached: -1, why: '' };

  const attempt = async (
    from: number,
    lookAt: number
  ): Promise<number | undefined> => {
    let next = from;
    let conditions = writes[from - 1]?.object.status?.conditions;
    const base = lines
      .slice(0, (writes[from]?.at ?? lines.length) + 1)
      .filter(
        ({ object }) => object.kind === kind && object.metadata.name === name
      )
      .at(-1)?.object as Conditioned;
    const write = (said: readonly ConditionWrite[]): Promise<void> => {
      const before = shown(conditions);
      const after = withConditions(conditions, said, 0);
      if (shown(after) === before) {
        return Promise.resolve();
      }
      const expected = shown(writes[next]?.object.status?.conditions);
      if (shown(after) !== expected) {
        const why = `expected:\n${expected}\nwritten:\n${shown(after)}`;
        if (next > furthest.reached) {
          furthest = { reached: next, why };
        }
        return Promise.reject(new Mismatch(why));
      }
      conditions = after;
      next++;
      return Promise.resolve();
    };
    try {
      await options.pass({
        object: { ...base, status: { conditions } },
        write,
        lookAt,
        nextAt: () => (writes[next] ?? writes.at(-1))?.t_ms ?? 0
      });
    } catch (error) {
      if (error instanceof Mismatch) {
        return undefined;
      }
    }
    return next;
  };

  const search = async (from: number, passes: number): Promise<number> => {
    if (from === writes.length) {
      return passes;
    }
    const until = writes[Math.min(from + 3, writes.length - 1)]?.at ?? 0;
    const since = writes[Math.max(from - 4, 0)]?.at ?? 0;
    const moments = lines.flatMap((line, index) =>
      index > since && index <= until && options.matters(line) ? [index] : []
    );
    for (const lookAt of [since, ...moments, lines.length - 1]) {
      const reached = lookAt <= until ? await attempt(from, lookAt) : undefined;
      if (reached !== undefined && reached > from) {
        const found = await search(reached, passes + 1);
        if (found >= 0) {
          return found;
        }
      }
    }
    return -1;
  };

  const passes = await search(0, 0);
  if (passes < 0) {
    const { reached, why } = furthest;
    throw new Error(`Update ${String(reached)} is no pass's: ${why}`);
  }
  return { explained: writes.length, passes };
}
