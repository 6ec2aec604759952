// SPDX-License-Identifier: BSD-3-Clause
import { setTimeout as sleep } from 'node:timers/promises';
import { BentoError } from '../../domain/errors';
import { type KubeObject, withoutUnknownField } from '../../domain/objects';
import type { KubeClient } from '../cluster/client';
import { KINDS } from '../cluster/kinds';
import { resourcePath } from '../cluster/target';

const KIND_OF = {
  BentoRequest: KINDS.bentoRequests,
  Bento: KINDS.bentoes,
  BentoDeployment: KINDS.bentoDeployments
};

/** The only version in which BentoDeployments are read and written: the stored one, so no conversion is involved. */
const VERSION = 'serving.yatai.ai/v2alpha1';

/** An object without finalizers, as the operators make them, is gone at once. */
const GONE_EVERY_MS = 100;

interface Existing {
  metadata: {
    resourceVersion: string;
    managedFields?: { apiVersion?: string }[];
  };
}

type Sent = KubeObject<object>;

/** Writes our three kinds, for a trial or for good. */
export class ObjectWriter {
  constructor(private readonly client: KubeClient) {}

  /** Lets the API server check an object that is to be created. */
  async tryNew(object: Sent): Promise<void> {
    await this.create(object, true);
  }

  /** Creates an object; false when one of this name was there first. */
  async createNew(object: Sent): Promise<boolean> {
    return this.create(object, false);
  }

  /** Lets the API server check a BentoDeployment, new or changed. */
  async tryDeployment(object: Sent): Promise<void> {
    await this.write(object, true);
  }

  /**
   * Creates or changes a BentoDeployment by server-side apply. Where fields
   * are owned under another version of the kind, apply would convert them
   * through the operator's webhook and may lose some: then by merge patch.
   * Returns a remark when that was so.
   */
  async applyDeployment(object: Sent): Promise<string | undefined> {
    return this.write(object, false);
  }

  /** Removes an object; one that is gone is fine. */
  async remove(object: Sent): Promise<void> {
    try {
      await this.client.delete(pathOf(object, true));
    } catch (error) {
      if (!(error instanceof BentoError && error.code === 'notFound')) {
        throw error;
      }
    }
  }

  /** Removes an object and waits until its name is free. */
  async removeAndWait(object: Sent, signal: AbortSignal): Promise<void> {
    await this.remove(object);
    while ((await this.find(pathOf(object, true))) !== undefined) {
      await sleep(GONE_EVERY_MS, undefined, { signal });
    }
  }

  private async create(object: Sent, trial: boolean): Promise<boolean> {
    const query = trial ? { dryRun: 'All' } : {};
    try {
      await this.client.create(pathOf(object, false), object, query);
      return true;
    } catch (error) {
      if (!(error instanceof BentoError)) {
        throw error;
      }
      if (error.code === 'apiConflict') {
        return false;
      }
      const smaller =
        error.code === 'apiRejected'
          ? withoutUnknownField(object, String(error.params.reason))
          : undefined;
      if (smaller) {
        return this.create(smaller, trial);
      }
      throw error;
    }
  }

  private async write(
    object: Sent,
    trial: boolean
  ): Promise<string | undefined> {
    const path = pathOf(object, true);
    const existing = await this.find(path);
    const other = existing?.metadata.managedFields?.find(
      ({ apiVersion }) =>
        apiVersion?.startsWith('serving.yatai.ai/') && apiVersion !== VERSION
    );
    if (!existing || !other) {
      await this.client.apply(path, object, { dryRun: trial });
      return undefined;
    }
    const { resourceVersion } = existing.metadata;
    await this.client.patch(
      path,
      { ...object, metadata: { ...object.metadata, resourceVersion } },
      { query: trial ? { dryRun: 'All' } : {} }
    );
    return `Fields of ${object.metadata.name} are owned under ${String(other.apiVersion)}: it was changed by a merge patch.`;
  }

  private async find(path: string): Promise<Existing | undefined> {
    try {
      return await this.client.get<Existing>(path);
    } catch (error) {
      if (error instanceof BentoError && error.code === 'notFound') {
        return undefined;
      }
      throw error;
    }
  }
}

function pathOf(object: Sent, named: boolean): string {
  const kind = KIND_OF[object.kind as keyof typeof KIND_OF];
  const { namespace, name } = object.metadata;
  return resourcePath({ ...kind, namespace, ...(named ? { name } : {}) });
}
