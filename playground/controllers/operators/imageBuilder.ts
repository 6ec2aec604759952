// SPDX-License-Identifier: BSD-3-Clause
import type { ControllersContext } from '../context';
import { EventRecorder } from '../kube/events';
import type { KubeObject, Stored } from '../kube/objects';
import { keyOf, splitKey } from '../kube/objects';
import type { Change } from '../kube/reflector';
import { Reflector } from '../kube/reflector';
import type { Outcome } from '../kube/queue';
import { WorkQueue } from '../kube/queue';
import { imageIsThere } from '../registryFolder';
import type { BuilderWorld } from './bentoRequest';
import { reconcileRequest } from './bentoRequest';
import { requestLabel } from './builderJob';
import { serviceAccountFor, writeConditions } from './clusterAccess';
import type { Bento, BentoRequest, Job } from './types';

/** Events for one object that the real operator gets written before it falls silent. */
export const eventBudget = 25;

/** Runs the image builder over a cluster: watches, queue and the world of each pass. */
export class ImageBuilder {
  private readonly queue: WorkQueue;
  private readonly events: EventRecorder;
  private readonly reflectors: Reflector<KubeObject>[];

  constructor(private readonly context: ControllersContext) {
    const { client, instance, log } = context;
    this.events = new EventRecorder({
      client,
      source: { component: 'yatai-image-builder' },
      budget: eventBudget
    });
    this.queue = new WorkQueue(
      key => this.pass(key),
      (key, error) => {
        log(`image builder: ${key}: ${(error as Error).message}`);
      },
      instance.options.speed
    );
    this.reflectors = [
      new Reflector<KubeObject>({
        client,
        kind: 'BentoRequest',
        onChange: change => {
          this.onRequest(change);
        }
      }),
      new Reflector<KubeObject>({
        client,
        kind: 'Job',
        selection: { labelSelector: requestLabel },
        onChange: change => {
          this.onOwned(change);
        }
      }),
      new Reflector<KubeObject>({
        client,
        kind: 'Bento',
        onChange: change => {
          this.onOwned(change);
        }
      })
    ];
  }

  async ready(): Promise<void> {
    await Promise.all(this.reflectors.map(reflector => reflector.ready()));
  }

  /** Looks at every request again. */
  resync(): void {
    for (const key of this.reflectors[0]?.objects.keys() ?? []) {
      this.queue.add(key);
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.reflectors.map(reflector => reflector.stop()));
    await this.queue.stop();
    await this.events.flush();
  }

  /** Edits of metadata and status go unnoticed. */
  private onRequest({ type, object, previous }: Change<KubeObject>): void {
    const edited = previous?.metadata.generation !== object.metadata.generation;
    if (type === 'added' || (type === 'modified' && edited)) {
      this.queue.add(keyOf(object));
    }
  }

  private onOwned({ object }: Change<KubeObject>): void {
    const owner = object.metadata.ownerReferences?.find(
      ({ kind, controller }) => kind === 'BentoRequest' && controller
    );
    if (owner) {
      this.queue.add(`${object.metadata.namespace}/${owner.name}`);
    }
  }

  private async pass(key: string): Promise<Outcome> {
    return this.context.faults.has('namespace-not-watched')
      ? 'done'
      : reconcileRequest(this.world(key));
  }

  private world(key: string): BuilderWorld {
    const { client, instance } = this.context;
    const { namespace, name } = splitKey(key);
    let current: Stored<BentoRequest> | undefined;
    return {
      request: async () => {
        current = await client.get('BentoRequest', namespace, name);
        return current;
      },
      write: async writes => {
        current = await writeConditions<BentoRequest>(
          { client, kind: 'BentoRequest', key },
          writes,
          { imageBuilderPodStatus: {} }
        );
      },
      event: note => {
        if (current) {
          this.events.record(current, note);
        }
      },
      imageExists: names =>
        Promise.resolve(imageIsThere(instance.dataDir, names.pull)),
      jobs: async () => {
        const labelSelector = `${requestLabel}=${name}`;
        const list = await client.list<Job>('Job', {
          namespace,
          labelSelector
        });
        return list.items;
      },
      createJob: async job => {
        await client.create(job);
      },
      deleteJob: job =>
        client.delete(
          { kind: 'Job', namespace, name: job.metadata.name },
          { propagationPolicy: 'Foreground', uid: job.metadata.uid }
        ),
      serviceAccount: () =>
        serviceAccountFor(
          client,
          namespace,
          'yatai.ai/yatai-image-builder-pod'
        ),
      bento: () => client.get<Bento>('Bento', namespace, name),
      createBento: async bento => {
        await client.create(bento);
      },
      updateBento: async bento => {
        await client.replace(bento);
      }
    };
  }
}
