// SPDX-License-Identifier: BSD-3-Clause
import type { KubeObject, Stored } from '../kube/objects';
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

/** What a pass is run with. */
export interface ReplayMoment {
  /** The object under reconciliation, with the conditions as replayed so far. */
  object: Conditioned;
  /** Takes an update and compares it with the next one that was seen. */
  write: (writes: readonly ConditionWrite[]) => Promise<void>;
  /** The line at which this attempt looks at other objects. */
  lookAt: number;
  /** When the next update was seen, in ms. */
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

class Replay {
  readonly writes: SeenWrite[];
  /** The first update that no pass explains, as far as any got. */
  furthest = { reached: -1, why: '' };
  /** From there nothing leads to the end; without it a wrong text would be sought for ever. */
  private readonly deadEnds = new Set<number>();

  constructor(private readonly options: ReplayOptions) {
    this.writes = seenWrites(options.lines, options.kind, options.name);
  }

  /** Whether passes explain all updates from that one on. */
  async search(from: number): Promise<boolean> {
    if (from === this.writes.length) {
      return true;
    }
    if (this.deadEnds.has(from)) {
      return false;
    }
    for (const lookAt of this.moments(from)) {
      const reached = await this.attempt(from, lookAt);
      if (reached > from && (await this.search(reached))) {
        return true;
      }
    }
    this.deadEnds.add(from);
    return false;
  }

  /** A pass reads what its cache holds: the state a little before its updates, or meanwhile. */
  private moments(from: number): number[] {
    const { lines, matters } = this.options;
    const since = this.writes[Math.max(from - 4, 0)]?.at ?? 0;
    const last = Math.min(from + 3, this.writes.length - 1);
    const until = this.writes[last]?.at ?? 0;
    const changes = lines.flatMap((line, index) =>
      index > since && index <= until && matters(line) ? [index] : []
    );
    return [since, ...changes];
  }

  /** Runs one pass; returns the next update after it, or 0 when it wrote something else. */
  private async attempt(from: number, lookAt: number): Promise<number> {
    let next = from;
    let conditions = this.writes[from - 1]?.object.status?.conditions;
    const write = (said: readonly ConditionWrite[]): Promise<void> => {
      const after = withConditions(conditions, said, 0);
      if (shown(after) === shown(conditions)) {
        return Promise.resolve();
      }
      const expected = shown(this.writes[next]?.object.status?.conditions);
      if (shown(after) !== expected) {
        return this.mismatch(next, expected, shown(after));
      }
      conditions = after;
      next++;
      return Promise.resolve();
    };
    const nextAt = (): number =>
      (this.writes[next] ?? this.writes.at(-1))?.t_ms ?? 0;
    const object = { ...this.objectAt(from), status: { conditions } };
    try {
      await this.options.pass({ object, write, lookAt, nextAt });
    } catch (error) {
      // Other errors are the pass's own way to end.
      if (error instanceof Mismatch) {
        return 0;
      }
    }
    return next;
  }

  private mismatch(
    at: number,
    expected: string,
    written: string
  ): Promise<void> {
    const why = `expected:\n${expected}\nwritten:\n${written}`;
    if (at > this.furthest.reached) {
      this.furthest = { reached: at, why };
    }
    return Promise.reject(new Mismatch(why));
  }

  private objectAt(from: number): Conditioned {
    const { lines, kind, name } = this.options;
    const end = (this.writes[from]?.at ?? lines.length) + 1;
    return lines
      .slice(0, end)
      .filter(
        ({ object }) => object.kind === kind && object.metadata.name === name
      )
      .at(-1)?.object as Conditioned;
  }
}

/**
 * Checks that the recorded updates of an object's conditions are what passes write one after
 * another, each pass looking at the rest of the cluster at some moment around its own updates.
 * @returns how many updates were explained.
 * @throws Error that shows the first update no pass explains.
 */
export async function replayConditions(
  options: ReplayOptions
): Promise<number> {
  const replay = new Replay(options);
  if (!(await replay.search(0))) {
    const { reached, why } = replay.furthest;
    throw new Error(`Update ${String(reached)} is no pass's: ${why}`);
  }
  return replay.writes.length;
}
