// SPDX-License-Identifier: BSD-3-Clause
import { BentoError } from './errors';
import type { BentoDeployment, ContainerStatus, Pod, Snapshot } from './kube';

/** A pod that a request can be sent to. */
export interface ServicePod {
  name: string;
  uid: string;
  /** Number of the container port that is named `http`. */
  port: number;
  /** How often the container with that port has been restarted. */
  restarts: number;
}

const LABEL = 'yatai.ai/';
const DEPLOYMENT = `${LABEL}bento-deployment`;
const COMPONENT = `${LABEL}bento-deployment-component-type`;
const TARGET = `${LABEL}bento-deployment-target-type`;
const VERSION = `${LABEL}bento-version`;

/**
 * The pods that the Service of a deployment stands for and that can answer now,
 * newest first.
 *
 * The Service selects API server pods of one Bento version and flips to the
 * next version before its pods are ready; ready pods of the version before are
 * left out here as they are there. The operator writes the same version on the
 * Service's selector and on the Deployment's labels, so the latter tells it.
 *
 * @throws BentoError `notFound` when there is no such BentoDeployment,
 *   `serviceNotReady` with the reason when no pod can answer.
 */
export function servicePods(snapshot: Snapshot, name: string): ServicePod[] {
  const deployment = findDeployment(snapshot, name);
  const notReady = (reason: string) =>
    new BentoError('serviceNotReady', { params: { name, reason } });
  const version = snapshot.deployments.find(
    candidate => candidate.metadata.name === name
  )?.metadata.labels[VERSION];
  const all = snapshot.pods.filter(pod => isApiServer(pod, name));
  const selected = all
    .filter(
      pod => version === undefined || pod.metadata.labels[VERSION] === version
    )
    .sort((one, other) =>
      other.metadata.creationTimestamp.localeCompare(
        one.metadata.creationTimestamp
      )
    );
  const found = selected.filter(isReady).flatMap(toServicePod);
  if (found.length > 0) {
    return found;
  }
  if (deployment.metadata.deletionTimestamp !== undefined) {
    throw notReady('it is being deleted.');
  }
  if (selected.length === 0) {
    throw notReady(
      all.length === 0
        ? 'it has no pod yet.'
        : `there is no pod of version ${version ?? ''} yet, only of another one.`
    );
  }
  throw notReady(`${selected.slice(0, 3).map(whyNot).join('; ')}.`);
}

/**
 * Why connections to a pod have certainly broken since it was picked, if they
 * have: a node that went away, for one, does not close them.
 */
export function whyBroken(
  snapshot: Snapshot,
  before: ServicePod
): string | undefined {
  const pod = snapshot.pods.find(({ metadata }) => metadata.uid === before.uid);
  if (!pod) {
    return 'the pod is gone';
  }
  const status = serverStatus(pod);
  if (status?.terminated ?? status?.waiting) {
    return 'its container has ended';
  }
  return status && status.restartCount > before.restarts
    ? 'its container was restarted'
    : undefined;
}

/**
 * The BentoDeployment of that name.
 * @throws BentoError `notFound`, with the names that there are.
 */
export function findDeployment(
  snapshot: Snapshot,
  name: string
): BentoDeployment {
  const found = snapshot.bentoDeployments.find(
    candidate => candidate.metadata.name === name
  );
  if (found) {
    return found;
  }
  const known = snapshot.bentoDeployments
    .map(deployment => deployment.metadata.name)
    .sort();
  throw new BentoError('notFound', {
    params: {
      what: `The BentoDeployment ${name} in namespace ${snapshot.namespace}`,
      hint: `Known: ${known.join(', ') || 'none'}`
    }
  });
}

function isApiServer(pod: Pod, name: string): boolean {
  const { labels } = pod.metadata;
  return (
    labels[DEPLOYMENT] === name &&
    labels[COMPONENT] === 'api-server' &&
    labels[TARGET] !== 'debug'
  );
}

function isReady(pod: Pod): boolean {
  return (
    pod.metadata.deletionTimestamp === undefined &&
    pod.conditions.some(
      condition => condition.type === 'Ready' && condition.status === 'True'
    )
  );
}

/** The container with the port named `http`, and that port. */
function server(pod: Pod): { container: string; port: number } | undefined {
  for (const { name, ports } of pod.containers) {
    const port = ports.find(candidate => candidate.name === 'http');
    if (port) {
      return { container: name, port: port.containerPort };
    }
  }
  return undefined;
}

function serverStatus(pod: Pod): ContainerStatus | undefined {
  const container = server(pod)?.container;
  return pod.statuses.find(({ name }) => name === container);
}

function toServicePod(pod: Pod): ServicePod[] {
  const found = server(pod);
  if (!found) {
    return [];
  }
  const { name, uid } = pod.metadata;
  const restarts = serverStatus(pod)?.restartCount ?? 0;
  return [{ name, uid, port: found.port, restarts }];
}

/** Why one selected pod cannot answer, in a few words. */
function whyNot(pod: Pod): string {
  const { name } = pod.metadata;
  if (pod.metadata.deletionTimestamp !== undefined) {
    return `pod ${name} is going away`;
  }
  if (isReady(pod)) {
    return `pod ${name} has no container port named "http"`;
  }
  const waiting = [...pod.initStatuses, ...pod.statuses].find(
    status => status.waiting?.reason !== undefined
  );
  if (waiting) {
    return `container ${waiting.name} of pod ${name} waits (${waiting.waiting?.reason ?? ''})`;
  }
  if (pod.phase !== 'Running') {
    return `pod ${name} is ${pod.reason ?? pod.phase}`;
  }
  const unready = pod.statuses.find(status => !status.ready);
  return unready
    ? `container ${unready.name} of pod ${name} is not ready`
    : `pod ${name} is not ready`;
}
