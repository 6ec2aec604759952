// SPDX-License-Identifier: BSD-3-Clause
import { deflateRawSync } from 'node:zlib';

import type { EventNote } from '../kube/events';
import type { KubeObject, Stored } from '../kube/objects';
import { keyOf } from '../kube/objects';

/** How objects are read and written. */
export interface ApplyWorld {
  get(object: KubeObject): Promise<Stored<KubeObject> | undefined>;
  create(object: KubeObject): Promise<void>;
  replace(object: KubeObject): Promise<void>;
  event(note: EventNote): void;
}

const lastApplied = 'banzaicloud.com/last-applied';
/** How events call a kind; kinds without a name here are applied in silence. */
const spoken: Record<string, string> = {
  Deployment: 'Deployment',
  HorizontalPodAutoscaler: 'HPA',
  Service: 'Service'
};

/** What the operator puts before an error of that kind. */
const errorPrefix: Record<string, string> = {
  Deployment: 'create or update deployment: '
};

/** The object with a packed copy of itself, by which the next pass sees whether anything changed. */
function stamped(object: KubeObject): KubeObject {
  const packed = deflateRawSync(JSON.stringify(object)).toString('base64');
  const { metadata } = object;
  return {
    ...object,
    metadata: {
      ...metadata,
      annotations: { ...metadata.annotations, [lastApplied]: packed }
    }
  };
}

/**
 * Brings one object to what it should be, with the events that go with it. Whatever stands there
 * under that name is overwritten, whoever owns it.
 * @throws Error with the API server's text.
 */
export async function applyObject(
  world: ApplyWorld,
  object: KubeObject
): Promise<void> {
  const kind = spoken[object.kind];
  const tell = (verb: string, text: string, type: EventNote['type']): void => {
    if (kind) {
      world.event({ type, reason: `${verb}${kind}`, message: text });
    }
  };
  const what = `${kind ?? object.kind} ${keyOf(object)}`;
  const step = async (
    verb: 'Create' | 'Update',
    work: () => Promise<void>
  ): Promise<void> => {
    const stem = verb.slice(0, -1);
    const doing = verb === 'Create' ? `${stem}ing a new` : `${stem}ing`;
    tell(verb, `${doing} ${what}`, 'Normal');
    try {
      await work();
    } catch (error) {
      const { message } = error as Error;
      tell(
        verb,
        `Failed to ${verb.toLowerCase()} ${what}: ${message}`,
        'Warning'
      );
      throw new Error(`${errorPrefix[object.kind] ?? ''}${message}`);
    }
    tell(verb, `${verb}d ${what}`, 'Normal');
  };
  tell('Get', `Getting ${what}`, 'Normal');
  const wanted = kind ? stamped(object) : object;
  const found = await world.get(object);
  if (!found) {
    await step('Create', () => world.create(wanted));
  } else if (!isCurrent(found, wanted)) {
    await step('Update', () => world.replace(wanted));
  } else {
    tell('Update', `Skipping update ${what}`, 'Normal');
  }
}

function isCurrent(found: KubeObject, wanted: KubeObject): boolean {
  const stamp = wanted.metadata.annotations?.[lastApplied];
  return stamp === undefined
    ? JSON.stringify(found.data) === JSON.stringify(wanted.data)
    : found.metadata.annotations?.[lastApplied] === stamp;
}
