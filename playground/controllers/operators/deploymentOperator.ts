// SPDX-License-Identifier: BSD-3-Clause
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

import type { ControllersContext } from '../context';
import { EventRecorder } from '../kube/events';
import type { Kind, KubeObject, Stored } from '../kube/objects';
import { keyOf, splitKey } from '../kube/objects';
import type { Change } from '../kube/reflector';
import { Reflector } from '../kube/reflector';
import type { Outcome } from '../kube/queue';
import { WorkQueue } from '../kube/queue';
import type { DeployWorld } from './bentoDeployment';
import { reconcileDeployment } from './bentoDeployment';
import { serviceAccountFor, writeConditions } from './clusterAccess';
import { eventBudget } from './imageBuilder';
import type { Bento, BentoDeployment, BentoRequest } from './types';

/** How long the operator waits for a domain suffix where none is configured. */
const suffixWaitMs = 1_200_000;
const domainSuffix = '127.0.0.1.sslip.io';
const ownedKinds: Kind[] = ['Deployment', 'Service', 'HorizontalPodAutoscaler'];

/** Runs the deployment operator over a cluster: watches, queue and the world of each pass. */
export class DeploymentOperator {
  private readonly queue: WorkQueue;
  private readonly events: EventRecorder;
  private readonly deployments: Reflector<BentoDeployment>;
  private readonly bentos: Reflector<Bento>;
  private readonly others: Reflector<KubeObject>[];
  private readonly stopping = new AbortController();

  constructor(private readonly context: ControllersContext) {
    const { client, instance, log } = context;
    this.events = new EventRecorder({
      client,
      source: { component: 'yatai-deployment' },
      budget: eventBudget
    });
    this.queue = new WorkQueue(
      key => this.pass(key),
      (key, error) => {
        log(`deployment operator: ${key}: ${(error as Error).message}`);
      },
      instance.options.speed
    );
    this.deployments = new Reflector<BentoDeployment>({
      client,
      kind: 'BentoDeployment',
      onChange: ({ type, object, previous }) => {
        if (type !== 'deleted' && isEdited(object, previous)) {
          this.queue.add(keyOf(object));
        }
      }
    });
    this.bentos = new Reflector<Bento>({
      client,
      kind: 'Bento',
      onChange: ({ object }) => {
        this.onBento(object);
      }
    });
    this.others = [
      new Reflector<KubeObject>({
        client,
        kind: 'BentoRequest',
        // Any change, of the status too, while there is no Bento.
        onChange: ({ object }) => {
          if (!this.bentos.objects.has(keyOf(object))) {
            this.onBento(object);
          }
        }
      }),
      ...ownedKinds.map(
        kind =>
          new Reflector<KubeObject>({
            client,
            kind,
            selection: { labelSelector: 'yatai.ai/creator=yatai-deployment' },
            onChange: change => {
              this.onOwned(kind, change);
            }
          })
      )
    ];
  }

  async ready(): Promise<void> {
    const all = [this.deployments, this.bentos, ...this.others];
    await Promise.all(all.map(reflector => reflector.ready()));
  }

  /** Looks at every deployment again. */
  resync(): void {
    for (const key of this.deployments.objects.keys()) {
      this.queue.add(key);
    }
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    const all = [this.deployments, this.bentos, ...this.others];
    await Promise.all(all.map(reflector => reflector.stop()));
    await this.queue.stop();
    await this.events.flush();
  }

  /** A Bento, and the request for it, concern the deployments that name them. */
  private onBento(object: Stored<KubeObject>): void {
    const { name, namespace } = object.metadata;
    for (const [key, deployment] of this.deployments.objects) {
      const same = deployment.metadata.namespace === namespace;
      if (same && deployment.spec?.bento === name) {
        this.queue.add(key);
      }
    }
  }

  private onOwned(kind: Kind, change: Change<KubeObject>): void {
    const { type, object, previous } = change;
    const owner = object.metadata.ownerReferences?.find(
      reference => reference.kind === 'BentoDeployment' && reference.controller
    );
    const counts =
      type !== 'modified' ||
      kind === 'HorizontalPodAutoscaler' ||
      isEdited(object, previous);
    if (owner && counts) {
      this.queue.add(`${object.metadata.namespace}/${owner.name}`);
    }
  }

  private async pass(key: string): Promise<Outcome> {
    return this.context.faults.has('namespace-not-watched')
      ? 'done'
      : reconcileDeployment(this.world(key));
  }

  private world(key: string): DeployWorld {
    const { client } = this.context;
    const { namespace, name } = splitKey(key);
    let current: Stored<BentoDeployment> | undefined;
    return {
      deployment: async () => {
        current = await client.get('BentoDeployment', namespace, name);
        return current;
      },
      write: async writes => {
        current = await writeConditions<BentoDeployment>(
          { client, kind: 'BentoDeployment', key },
          writes
        );
      },
      event: note => {
        if (current) {
          this.events.record(current, note);
        }
      },
      bento: bento => client.get<Bento>('Bento', namespace, bento),
      request: request =>
        client.get<BentoRequest>('BentoRequest', namespace, request),
      serviceAccount: () =>
        serviceAccountFor(client, namespace, 'yatai.ai/bento-deployment-pod'),
      domainSuffix: () => this.domainSuffix(),
      get: object =>
        client.get(object.kind as Kind, namespace, object.metadata.name),
      create: async object => {
        await client.create(object);
      },
      replace: async object => {
        await client.replace(object);
      }
    };
  }

  /** One worker waits here, so every other deployment waits too. */
  private async domainSuffix(): Promise<string> {
    const { domainSuffixHang, speed } = this.context.instance.options;
    if (!domainSuffixHang) {
      return domainSuffix;
    }
    const { signal } = this.stopping;
    await delay(suffixWaitMs / speed, undefined, { signal });
    const ingress = `default-domain-${randomBytes(3).toString('hex').slice(0, 5)}`;
    throw new Error(
      `failed to wait for ingress ${ingress} to be ready: timed out waiting for the condition`
    );
  }
}

/** Whether the spec is another: generations count those, and Services have none. */
function isEdited(
  object: Stored<KubeObject>,
  previous: Stored<KubeObject> | undefined
): boolean {
  const { generation } = object.metadata;
  return generation === undefined
    ? JSON.stringify(object.spec) !== JSON.stringify(previous?.spec)
    : generation !== previous?.metadata.generation;
}
