// SPDX-License-Identifier: BSD-3-Clause
import { planDeletion } from '../../domain/deletion';
import { BentoError } from '../../domain/errors';
import type { Snapshot } from '../../domain/kube';
import type { DeletionItem, Operation, Result } from '../../protocol';
import { KINDS, type Kind } from '../cluster/kinds';
import { resourcePath } from '../cluster/target';
import type { Context } from '../context';
import type { Deployments } from './deployments';
import type { Operations } from './operations';

/** The kinds that are deleted by us, in this order: what serves goes before what it was built from. */
const DELETED: Record<string, Kind> = {
  BentoDeployment: KINDS.bentoDeployments,
  BentoRequest: KINDS.bentoRequests,
  Bento: KINDS.bentoes
};

/** The part of a snapshot that holds the objects of a kind. */
const WATCHED = {
  BentoDeployment: 'bentoDeployments',
  BentoRequest: 'bentoRequests',
  Bento: 'bentoes',
  Job: 'jobs',
  Pod: 'pods',
  Deployment: 'deployments'
} as const;

interface Target {
  namespace: string;
  name: string;
}

/** Deletes deployments with what belongs to them alone. */
export class Deleter {
  constructor(
    private readonly context: Context,
    private readonly deployments: Deployments,
    private readonly operations: Operations
  ) {}

  /**
   * What a delete would remove and what it would leave; a deploy that is under
   * way counts. Throws `notFound`.
   */
  async plan(target: Target): Promise<DeletionItem[]> {
    const { namespace, name } = target;
    const release = await this.deployments.acquire(namespace);
    try {
      const running = this.running(target).map(({ tag }): DeletionItem => ({
        kind: 'Deploy',
        name: tag,
        fate: 'explicit',
        note: 'is under way and will be cancelled'
      }));
      try {
        return [...running, ...planDeletion(this.snapshot(namespace), name)];
      } catch (error) {
        if (running.length > 0 && isAbsent(error)) {
          return running;
        }
        throw error;
      }
    } finally {
      release();
    }
  }

  private running({ namespace, name }: Target): Operation[] {
    return this.operations
      .list()
      .filter(
        operation =>
          operation.state === 'running' &&
          operation.namespace === namespace &&
          operation.name === name
      );
  }

  /** Deletes, and ends when all of it is gone that the watches show. */
  async delete(
    target: Target & { signal: AbortSignal }
  ): Promise<Result<'deployment.delete'>> {
    const { namespace, signal } = target;
    const began = Date.now();
    const release = await this.deployments.acquire(namespace);
    try {
      const items = await this.plan(target);
      for (const { id } of this.running(target)) {
        await this.operations.cancel(id);
      }
      const { client } = await this.context.cluster();
      for (const [word, kind] of Object.entries(DELETED)) {
        for (const { name } of explicit(items, word)) {
          await ignoreAbsent(
            client.delete(resourcePath({ ...kind, namespace, name }), {
              propagationPolicy: 'Background'
            })
          );
        }
      }
      await this.deployments.until(
        namespace,
        snapshot => remaining(snapshot, items).length === 0,
        signal
      );
      return { items, ms: Date.now() - began };
    } finally {
      release();
    }
  }

  private snapshot(namespace: string): Snapshot {
    const snapshot = this.deployments.snapshot(namespace);
    if (!snapshot) {
      throw new Error(`${namespace} is not watched`);
    }
    return snapshot;
  }
}

function explicit(items: DeletionItem[], kind: string): DeletionItem[] {
  return items.filter(item => item.kind === kind && item.fate === 'explicit');
}

/** The items that go and are still there. */
function remaining(snapshot: Snapshot, items: DeletionItem[]): DeletionItem[] {
  return items.filter(({ kind, name, fate }) => {
    const part = WATCHED[kind as keyof typeof WATCHED];
    return (
      fate !== 'kept' &&
      part !== undefined &&
      snapshot[part].some(({ metadata }) => metadata.name === name)
    );
  });
}

async function ignoreAbsent(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!isAbsent(error)) {
      throw error;
    }
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof BentoError && error.code === 'notFound';
}
