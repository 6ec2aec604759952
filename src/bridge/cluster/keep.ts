// SPDX-License-Identifier: BSD-3-Clause
// From objects as the API server sends them to what is kept of them. A pod
// has some ten kilobytes, what is kept of it some hundred bytes.
import type {
  BentoDeployment,
  BentoObject,
  BentoRequest,
  Condition,
  ContainerStatus,
  DeploymentObject,
  EventObject,
  Job,
  Metadata,
  Pod
} from '../../domain/kube';
import { count, map, maps, text, texts, type Raw } from './raw';

/** Annotations in which other tools keep whole objects. */
const LONG = /\/last-applied(-configuration)?$/;

/** Keeps a BentoRequest. Throws, as all of these, only for an object without a name. */
export function keepBentoRequest(raw: unknown): BentoRequest {
  const { spec, status, ...object } = map(raw);
  return {
    metadata: keepMetadata(object.metadata),
    spec: {
      bentoTag: text(map(spec).bentoTag) ?? '',
      image: text(map(spec).image),
      runners: names(map(spec).runners),
      models: maps(map(spec).models).map(model => ({
        tag: text(model.tag) ?? ''
      }))
    },
    conditions: keepConditions(map(status).conditions)
  };
}

/** Keeps a Bento. */
export function keepBento(raw: unknown): BentoObject {
  const object = map(raw);
  const spec = map(object.spec);
  return {
    metadata: keepMetadata(object.metadata),
    spec: {
      tag: text(spec.tag) ?? '',
      image: text(spec.image) ?? '',
      runners: names(spec.runners)
    }
  };
}

/** Keeps a BentoDeployment (v2alpha1). */
export function keepBentoDeployment(raw: unknown): BentoDeployment {
  const object = map(raw);
  const spec = map(object.spec);
  return {
    metadata: keepMetadata(object.metadata),
    spec: {
      bento: text(spec.bento) ?? '',
      minReplicas: minReplicas(spec),
      runners: maps(spec.runners).map(runner => ({
        name: text(runner.name) ?? '',
        minReplicas: minReplicas(runner)
      }))
    },
    conditions: keepConditions(map(object.status).conditions)
  };
}

/** Keeps a Job. */
export function keepJob(raw: unknown): Job {
  const object = map(raw);
  const status = map(object.status);
  return {
    metadata: keepMetadata(object.metadata),
    active: count(status.active),
    succeeded: count(status.succeeded),
    failed: count(status.failed),
    conditions: keepConditions(status.conditions)
  };
}

/** Keeps a Pod. */
export function keepPod(raw: unknown): Pod {
  const object = map(raw);
  const status = map(object.status);
  return {
    metadata: keepMetadata(object.metadata),
    phase: text(status.phase) ?? 'Unknown',
    reason: text(status.reason),
    message: text(status.message),
    conditions: keepConditions(status.conditions),
    containers: maps(map(object.spec).containers).map(container => ({
      name: text(container.name) ?? '',
      ports: maps(container.ports).map(port => ({
        name: text(port.name),
        containerPort: count(port.containerPort)
      }))
    })),
    initStatuses: maps(status.initContainerStatuses).map(keepContainerStatus),
    statuses: maps(status.containerStatuses).map(keepContainerStatus)
  };
}

/** Keeps a Deployment. */
export function keepDeployment(raw: unknown): DeploymentObject {
  const object = map(raw);
  const spec = map(object.spec);
  const status = map(object.status);
  const containers = maps(map(map(spec.template).spec).containers);
  const main = containers.find(container => container.name === 'main');
  return {
    metadata: keepMetadata(object.metadata),
    // The server fills in 1 itself; nothing but an odd server leaves it out.
    replicas: typeof spec.replicas === 'number' ? spec.replicas : 1,
    image: text(main?.image),
    observedGeneration: count(status.observedGeneration),
    totalReplicas: count(status.replicas),
    updatedReplicas: count(status.updatedReplicas),
    readyReplicas: count(status.readyReplicas),
    availableReplicas: count(status.availableReplicas),
    conditions: keepConditions(status.conditions)
  };
}

/** Keeps a core Event, whichever of its two generations of fields was filled in. */
export function keepEvent(raw: unknown): EventObject {
  const object = map(raw);
  const involved = map(object.involvedObject);
  const series = map(object.series);
  return {
    involved: {
      kind: text(involved.kind) ?? '',
      name: text(involved.name) ?? '',
      uid: text(involved.uid) ?? ''
    },
    type: text(object.type) ?? 'Normal',
    reason: text(object.reason) ?? '',
    message: text(object.message) ?? '',
    count: count(object.count) || count(series.count) || 1,
    lastSeen:
      text(series.lastObservedTime) ??
      text(object.lastTimestamp) ??
      text(object.eventTime) ??
      text(map(object.metadata).creationTimestamp) ??
      ''
  };
}

function keepMetadata(raw: unknown): Metadata {
  const metadata = map(raw);
  const name = text(metadata.name);
  if (name === undefined) {
    throw new Error('The API server sent an object without a name.');
  }
  const annotations = Object.entries(texts(metadata.annotations));
  return {
    name,
    namespace: text(metadata.namespace) ?? '',
    uid: text(metadata.uid) ?? '',
    resourceVersion: text(metadata.resourceVersion) ?? '',
    generation: optionalNumber(metadata.generation),
    creationTimestamp: text(metadata.creationTimestamp) ?? '',
    deletionTimestamp: text(metadata.deletionTimestamp),
    labels: texts(metadata.labels),
    annotations: Object.fromEntries(
      annotations.filter(([key]) => !LONG.test(key))
    ),
    ownerReferences: maps(metadata.ownerReferences).map(owner => ({
      kind: text(owner.kind) ?? '',
      name: text(owner.name) ?? '',
      uid: text(owner.uid) ?? ''
    }))
  };
}

function keepConditions(raw: unknown): Condition[] {
  return maps(raw).map(condition => ({
    type: text(condition.type) ?? '',
    status: text(condition.status) ?? 'Unknown',
    reason: text(condition.reason),
    message: text(condition.message),
    lastTransitionTime: text(condition.lastTransitionTime),
    lastUpdateTime: text(condition.lastUpdateTime)
  }));
}

function keepContainerStatus(raw: Raw): ContainerStatus {
  const { waiting, running, terminated } = map(raw.state);
  const last = map(raw.lastState).terminated;
  return {
    name: text(raw.name) ?? '',
    ready: raw.ready === true,
    restartCount: count(raw.restartCount),
    image: text(raw.image) ?? '',
    waiting: waiting
      ? {
          reason: text(map(waiting).reason),
          message: text(map(waiting).message)
        }
      : undefined,
    running: running ? { startedAt: text(map(running).startedAt) } : undefined,
    terminated: terminated ? keepTermination(map(terminated)) : undefined,
    lastTerminated: last ? keepTermination(map(last)) : undefined
  };
}

function keepTermination(raw: Raw): NonNullable<ContainerStatus['terminated']> {
  return {
    exitCode: count(raw.exitCode),
    reason: text(raw.reason),
    message: text(raw.message),
    finishedAt: text(raw.finishedAt)
  };
}

function minReplicas(scaled: Raw): number | undefined {
  return optionalNumber(map(scaled.autoscaling).minReplicas);
}

function optionalNumber(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

function names(raw: unknown): { name: string }[] {
  return maps(raw).map(({ name }) => ({ name: text(name) ?? '' }));
}
