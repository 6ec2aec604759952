// SPDX-License-Identifier: BSD-3-Clause
import type { EventNote } from '../kube/events';
import type { Stored } from '../kube/objects';
import { keyOf } from '../kube/objects';
import type { Outcome } from '../kube/queue';
import type { ApplyWorld } from './apply';
import { applyObject } from './apply';
import type { ConditionWrite } from './conditions';
import { conditionOf, says } from './conditions';
import type { Bento, BentoDeployment, BentoRequest, Condition } from './types';
import { desiredObjects } from './workloads';

/** What a pass of the deployment operator sees and does; everything concerns one deployment. */
export interface DeployWorld extends ApplyWorld {
  deployment(): Promise<Stored<BentoDeployment> | undefined>;
  /** One update of the deployment's status. */
  write(writes: ConditionWrite[]): Promise<void>;
  bento(name: string): Promise<Stored<Bento> | undefined>;
  request(name: string): Promise<Stored<BentoRequest> | undefined>;
  /** The account for pods that name none. */
  serviceAccount(): Promise<string>;
  /**
   * The domain suffix for host names of ingresses.
   * @throws Error after the long wait where none is configured.
   */
  domainSuffix(): Promise<string>;
}

/** An error that the operator has found worth telling; it ends the pass. */
class PassError extends Error {}

/**
 * One pass of yatai-deployment 1.1.21 over a deployment: the same status updates in the same order
 * with the same texts, the same objects. Errors are told and swallowed: only a new event of
 * something watched makes another pass. `Available` says that objects were applied, no more.
 */
export async function reconcileDeployment(
  world: DeployWorld
): Promise<Outcome> {
  const deployment = await world.deployment();
  if (!deployment?.spec || deployment.metadata.deletionTimestamp) {
    return 'done';
  }
  try {
    await pass(world, deployment);
  } catch (error) {
    const cause = error as Error;
    const message = `Failed to reconcile BentoDeployment: ${cause.message}`;
    world.event({ type: 'Warning', reason: 'ReconcileError', message });
    await world.write([says('Available', 'False', message)]);
  }
  return 'done';
}

async function pass(
  world: DeployWorld,
  deployment: Stored<BentoDeployment>
): Promise<void> {
  const conditions = deployment.status?.conditions;
  const types = ['Available', 'BentoFound'];
  const fresh = types.some(type => !conditionOf(conditions, type));
  if (fresh) {
    const message = 'Starting to reconcile BentoDeployment';
    world.event({ type: 'Normal', reason: 'Reconciling', message });
    await world.write(types.map(type => says(type, 'Unknown', message)));
  }
  const found = fresh
    ? 'Unknown'
    : conditionOf(conditions, 'BentoFound')?.status;
  const bento = await findBento(world, deployment, found ?? 'Unknown');
  if (!bento) {
    return;
  }
  const serviceAccount = await world.serviceAccount();
  for (const object of desiredObjects(deployment, bento, serviceAccount)) {
    await applyObject(world, object);
  }
  await ingressStep(world, deployment);
  tell(world, 'Update', 'All resources updated!');
  await world.write([says('Available', 'True', 'Reconciling')]);
}

function tell(
  world: DeployWorld,
  reason: string,
  message: string,
  type: EventNote['type'] = 'Normal'
): void {
  world.event({ type, reason, message });
}

async function findBento(
  world: DeployWorld,
  deployment: Stored<BentoDeployment>,
  known: Condition['status']
): Promise<Stored<Bento> | undefined> {
  const name = deployment.spec?.bento ?? '';
  if (known === 'Unknown') {
    tell(world, 'GetBento', `Getting Bento ${name}`);
  }
  const bento = await world.bento(name);
  if (!bento) {
    if (known === 'Unknown') {
      tell(world, 'GetBento', `Bento ${name} not found`);
    }
    await lookForRequest(world, `${deployment.metadata.namespace}/${name}`);
    return undefined;
  }
  if (known !== 'True') {
    tell(world, 'GetBento', `Bento ${name} is found`);
  }
  await world.write([says('BentoFound', 'True', 'Bento found')]);
  return bento;
}

/** The request's state as far as it shows; `BentoRequestFound` ends True even without a request. */
async function lookForRequest(world: DeployWorld, key: string): Promise<void> {
  const notFound = 'Bento not found';
  const name = key.slice(key.indexOf('/') + 1);
  await world.write([says('BentoFound', 'False', notFound)]);
  await world.write([says('BentoRequestFound', 'Unknown', notFound)]);
  const request = await world.request(name);
  if (!request) {
    const message = `get BentoRequest ${key}: BentoRequest.resources.yatai.ai "${name}" not found`;
    await world.write([
      says('BentoFound', 'False', message),
      says('BentoRequestFound', 'False', message)
    ]);
  }
  await world.write([says('BentoRequestFound', 'True', notFound)]);
  const available = conditionOf(request?.status?.conditions, 'BentoAvailable');
  if (available?.status === 'False') {
    const message = `BentoRequest ${key} is not available: ${available.message}`;
    tell(world, 'GetBentoRequest', message, 'Warning');
    await world.write([
      says('BentoFound', 'False', message),
      says('Available', 'False', message)
    ]);
    throw new PassError(message);
  }
}

/** The host name is worked out whether or not an ingress is wanted. */
async function ingressStep(
  world: DeployWorld,
  deployment: Stored<BentoDeployment>
): Promise<void> {
  const { name, namespace } = deployment.metadata;
  tell(world, 'GenerateIngressHost', 'Generating hostname for ingress');
  let suffix: string;
  try {
    suffix = await world.domainSuffix();
  } catch (error) {
    const { message } = error as Error;
    const told = `Failed to generate hostname for ingress: ${message}`;
    tell(world, 'GenerateIngressHost', told, 'Warning');
    throw new PassError(`get domain suffix: ${message}`);
  }
  const host = `${name}-${namespace}.${suffix}`;
  tell(world, 'GenerateIngressHost', `Generated hostname for ingress: ${host}`);
  const ingress = `Ingress ${keyOf(deployment)}`;
  tell(world, 'GetIngress', `Getting ${ingress}`);
  tell(world, 'GetIngress', `Skipping ${ingress}`);
}
