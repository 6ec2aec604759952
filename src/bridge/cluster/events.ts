// SPDX-License-Identifier: BSD-3-Clause
import type { EventObject } from '../../domain/kube';
import type { KubeClient } from './client';
import { keepEvent } from './keep';
import { KINDS } from './kinds';
import { resourcePath } from './target';

/** Of which object; the uid alone is enough. */
export interface Involved {
  uid?: string;
  kind?: string;
  name?: string;
}

/** Enough to explain, however many a crashing pod leaves. */
const MOST = 500;

/**
 * The events of a namespace, or of one object in it, oldest first; the newest
 * 500 when there are more. Read once, not watched: they are many and help only
 * where something is stuck.
 */
export async function fetchEvents(
  client: KubeClient,
  namespace: string,
  involved: Involved = {}
): Promise<EventObject[]> {
  const fieldSelector = Object.entries(involved)
    .filter(([, value]) => value)
    .map(([field, value]) => `involvedObject.${field}=${value}`)
    .join(',');
  const { items } = await client.list(
    resourcePath({ ...KINDS.events, namespace }),
    { keep: keepEvent, query: { fieldSelector: fieldSelector || undefined } }
  );
  return items
    .sort((one, other) => one.lastSeen.localeCompare(other.lastSeen))
    .slice(-MOST);
}
