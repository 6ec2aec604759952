// SPDX-License-Identifier: BSD-3-Clause
import type { KubeClient } from '../kube/client';
import type { Kind, KubeObject, Stored } from '../kube/objects';
import { splitKey } from '../kube/objects';
import type { ConditionWrite } from './conditions';
import { withConditions } from './conditions';
import type { ConditionedStatus } from './types';

/** Which object's status is written. */
export interface StatusTarget {
  client: KubeClient;
  kind: Kind;
  key: string;
}

/**
 * One update of an object's status; none when it would change nothing.
 * @param beside fields of the status that are written with the conditions.
 * @returns the object afterwards; undefined when it is gone.
 */
export async function writeConditions<
  T extends KubeObject<unknown, ConditionedStatus>
>(
  { client, kind, key }: StatusTarget,
  writes: readonly ConditionWrite[],
  beside: object = {}
): Promise<Stored<T> | undefined> {
  const { namespace, name } = splitKey(key);
  const found = await client.get<T>(kind, namespace, name);
  if (!found) {
    return undefined;
  }
  const conditions = withConditions(
    found.status?.conditions,
    writes,
    Date.now()
  );
  if (JSON.stringify(conditions) === JSON.stringify(found.status?.conditions)) {
    return found;
  }
  return client.patch<T>(
    { kind, namespace, name, part: 'status' },
    {
      metadata: { uid: found.metadata.uid },
      status: { ...beside, conditions }
    }
  );
}

/** The first account of a namespace that carries the label, else `default`. */
export async function serviceAccountFor(
  client: KubeClient,
  namespace: string,
  label: string
): Promise<string> {
  const labelSelector = `${label}=true`;
  const { items } = await client.list('ServiceAccount', {
    namespace,
    labelSelector
  });
  return items[0]?.metadata.name ?? 'default';
}
