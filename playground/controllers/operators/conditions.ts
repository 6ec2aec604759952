// SPDX-License-Identifier: BSD-3-Clause
import type { Condition, ConditionStatus } from './types';

/** What one write says of one condition type. */
export interface ConditionWrite {
  type: string;
  status: ConditionStatus;
  message: string;
}

/** Puts a write together. */
export function says(
  type: string,
  status: ConditionStatus,
  message: string
): ConditionWrite {
  return { type, status, message };
}

/** The condition of a type. */
export function conditionOf(
  conditions: readonly Condition[] | undefined,
  type: string
): Condition | undefined {
  return conditions?.find(condition => condition.type === type);
}

/**
 * The conditions after a write. The reason is always "Reconciling", the time moves only with the
 * status, and a new type goes to the end, as both operators have it.
 * @param now milliseconds
 */
export function withConditions(
  conditions: readonly Condition[] | undefined,
  writes: readonly ConditionWrite[],
  now: number
): Condition[] {
  const result = [...(conditions ?? [])];
  for (const write of writes) {
    const index = result.findIndex(({ type }) => type === write.type);
    const before = result[index];
    const time = new Date(now).toISOString().replace(/\.\d+Z$/, 'Z');
    const condition = {
      ...write,
      reason: 'Reconciling',
      lastTransitionTime:
        before?.status === write.status ? before.lastTransitionTime : time
    };
    if (before) {
      result[index] = condition;
    } else {
      result.push(condition);
    }
  }
  return result;
}
