// SPDX-License-Identifier: BSD-3-Clause
// Objects for tests, as the operators and Kubernetes leave them at each step.
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
  Pod,
  Snapshot
} from './kube';
import { MANAGED_LABEL, MANAGER } from './objects';

/** The tag that all test objects are about. */
export const TAG = 'fraud_detection:o5smnagbncigycvj';
/** Its version. */
export const VERSION = 'o5smnagbncigycvj';
/** Name of its BentoRequest and Bento. */
export const BENTO = 'fraud-detection--o5smnagbncigycvj';
/** Its image. */
export const IMAGE = `127.0.0.1:5000/yatai-bentos:yatai.fraud_detection.${VERSION}`;
/** Name of the BentoDeployment. */
export const NAME = 'fraud-detection';

const START = Date.parse('2026-11-30T12:00:00Z');

/** Milliseconds at `seconds` after the start of all tests. */
export function at(seconds: number): number {
  return START + seconds * 1000;
}

/** The same as Kubernetes writes it. */
export function stamp(seconds: number): string {
  return new Date(at(seconds)).toISOString().replace('.000Z', 'Z');
}

/** A namespace with these objects. */
export function snapshotOf(parts: Partial<Snapshot> = {}): Snapshot {
  return {
    namespace: 'ds',
    bentoRequests: [],
    bentoes: [],
    bentoDeployments: [],
    jobs: [],
    pods: [],
    deployments: [],
    events: [],
    ...parts
  };
}

/** Metadata with a uid that tells the kind. */
export function meta(
  kind: string,
  name: string,
  rest: Partial<Metadata> = {}
): Metadata {
  return {
    name,
    namespace: 'ds',
    uid: `${kind}:${name}`,
    resourceVersion: '1',
    generation: 1,
    creationTimestamp: stamp(0),
    labels: {},
    annotations: {},
    ownerReferences: [],
    ...rest
  };
}

/** The reference of an object to its owner. */
export function ownedBy(
  kind: string,
  name: string
): Metadata['ownerReferences'] {
  return [{ kind, name, uid: `${kind}:${name}` }];
}

/** A condition with the reason that both operators always write. */
export function said(
  type: string,
  status: string,
  message: string,
  seconds = 0
): Condition {
  return {
    type,
    status,
    message,
    reason: 'Reconciling',
    lastTransitionTime: stamp(seconds)
  };
}

/** Conditions of a BentoRequest that was just picked up. */
export const STARTED: Condition[] = [
  'ModelsSeeding',
  'ImageBuilding',
  'ImageExists'
].map(type => said(type, 'Unknown', 'Starting to reconcile BentoRequest'));

/** Conditions of a BentoRequest whose build runs, as they stay for ever. */
export const BUILDING: Condition[] = [
  said('ModelsSeeding', 'Unknown', 'Starting to reconcile BentoRequest'),
  said('ImageBuilding', 'True', 'Image building job job-1 is running', 1),
  said('ImageExists', 'False', `Image ${IMAGE} is not exists`),
  said('BentoAvailable', 'Unknown', 'Checking image exists'),
  said('ImageExistsChecked', 'False', `Image not exists: ${IMAGE}`, 1)
];

/** A BentoRequest made here. */
export function aRequest(
  conditions: Condition[] = [],
  rest: Partial<Metadata> = {}
): BentoRequest {
  return {
    metadata: meta('BentoRequest', BENTO, {
      labels: { [MANAGED_LABEL]: MANAGER },
      ...rest
    }),
    spec: { bentoTag: TAG, runners: [], models: [] },
    conditions
  };
}

/** The Bento that the image builder makes, at second 40 if not said otherwise. */
export function aBento(
  runners: string[] = [],
  rest: Partial<Metadata> = {}
): BentoObject {
  return {
    metadata: meta('Bento', BENTO, {
      creationTimestamp: stamp(40),
      ownerReferences: ownedBy('BentoRequest', BENTO),
      ...rest
    }),
    spec: { tag: TAG, image: IMAGE, runners: runners.map(name => ({ name })) }
  };
}

/** Conditions of a BentoDeployment that waits for its Bento. */
export const WAITING: Condition[] = [
  said('Available', 'Unknown', 'Starting to reconcile BentoDeployment'),
  said('BentoFound', 'False', 'Bento not found'),
  said('BentoRequestFound', 'True', 'Bento not found')
];

/** Conditions of a BentoDeployment whose objects were created; says nothing of its pods. */
export const APPLIED: Condition[] = [
  said('Available', 'True', 'Reconciling'),
  said('BentoFound', 'True', 'Bento found')
];

/** A BentoDeployment made here, at second 1. */
export function aDeployment(
  conditions: Condition[] = [],
  options: { runners?: string[] } & Partial<Metadata> = {}
): BentoDeployment {
  const { runners = [], ...rest } = options;
  return {
    metadata: meta('BentoDeployment', NAME, {
      creationTimestamp: stamp(1),
      labels: { [MANAGED_LABEL]: MANAGER },
      ...rest
    }),
    spec: { bento: BENTO, runners: runners.map(name => ({ name })) },
    conditions
  };
}

/** A build Job. */
export function aJob(
  rest: Partial<Omit<Job, 'metadata'>> = {},
  name = 'job-1'
): Job {
  return {
    metadata: meta('Job', name, {
      labels: {
        'yatai.ai/bento-request': BENTO,
        'yatai.ai/is-bento-image-builder': 'true'
      },
      ownerReferences: ownedBy('BentoRequest', BENTO)
    }),
    active: 0,
    succeeded: 0,
    failed: 0,
    conditions: [],
    ...rest
  };
}

/** Status of a container that waits; `state` says otherwise. */
export function container(
  name: string,
  state: Partial<ContainerStatus> = { waiting: { reason: 'PodInitializing' } }
): ContainerStatus {
  return { name, ready: false, restartCount: 0, image: '', ...state };
}

/** State of a container that runs. */
export function runningSince(seconds: number): Partial<ContainerStatus> {
  return { running: { startedAt: stamp(seconds) } };
}

/** State of a container that ended. */
export function ended(
  exitCode: number,
  reason = exitCode === 0 ? 'Completed' : 'Error'
): Partial<ContainerStatus> {
  return { terminated: { exitCode, reason, finishedAt: stamp(20) } };
}

/** A builder pod of Job `job-1`, with the states of downloader and builder. */
export function builderPod(
  phase: string,
  states: {
    downloader?: Partial<ContainerStatus>;
    builder?: Partial<ContainerStatus>;
  } = {},
  rest: Partial<Pod> & { name?: string; created?: number } = {}
): Pod {
  const { name = 'job-1-a', created = 2, ...pod } = rest;
  return {
    metadata: meta('Pod', name, {
      creationTimestamp: stamp(created),
      labels: {
        'yatai.ai/bento-request': BENTO,
        'yatai.ai/bento-repository': 'fraud_detection',
        'yatai.ai/is-bento-image-builder': 'true'
      },
      ownerReferences: ownedBy('Job', 'job-1')
    }),
    phase,
    conditions: [],
    containers: [{ name: 'builder', ports: [] }],
    initStatuses: [container('bento-downloader', states.downloader)],
    statuses: [container('builder', states.builder)],
    ...pod
  };
}

/** How the Deployment of a component stands. */
export type WorkloadState =
  'new' | 'rolling' | 'surging' | 'complete' | 'short';

/** A Deployment of the BentoDeployment: `fraud-detection` or one of its runners. */
export function workload(
  name: string,
  state: WorkloadState,
  options: { version?: string; image?: string; revision?: number } = {}
): DeploymentObject {
  const { version = VERSION, image = IMAGE, revision = 1 } = options;
  const counts = {
    new: [0, 0, 0],
    rolling: [1, 1, 0],
    surging: [2, 1, 1],
    complete: [1, 1, 1],
    short: [1, 1, 0]
  }[state] as [number, number, number];
  const complete = state === 'complete' || state === 'short';
  return {
    metadata: meta('Deployment', name, {
      creationTimestamp: stamp(41),
      labels: {
        'yatai.ai/bento-deployment': NAME,
        'yatai.ai/bento-version': version,
        'yatai.ai/bento-deployment-target-type': 'production'
      },
      annotations: { 'deployment.kubernetes.io/revision': String(revision) },
      ownerReferences: ownedBy('BentoDeployment', NAME)
    }),
    replicas: 1,
    image,
    observedGeneration: state === 'new' ? 0 : 1,
    totalReplicas: counts[0],
    updatedReplicas: counts[1],
    readyReplicas: counts[2],
    availableReplicas: counts[2],
    conditions: [
      {
        type: 'Available',
        status: counts[2] > 0 ? 'True' : 'False',
        lastTransitionTime: stamp(50)
      },
      {
        type: 'Progressing',
        status: 'True',
        reason: complete ? 'NewReplicaSetAvailable' : 'ReplicaSetUpdated',
        lastTransitionTime: stamp(41),
        lastUpdateTime: stamp(50)
      }
    ]
  };
}

/** A pod of a workload; ready unless the container says otherwise. */
export function servingPod(
  deployment: string,
  main: Partial<ContainerStatus> = { ...runningSince(42), ready: true },
  rest: Partial<Pod> & { version?: string; name?: string } = {}
): Pod {
  const { version = VERSION, name = `${deployment}-7d9c-x2x4z`, ...pod } = rest;
  const runner = /-runner-\d+$/.test(deployment);
  const ready = main.ready === true;
  return {
    metadata: meta('Pod', name, {
      creationTimestamp: stamp(41),
      labels: {
        'yatai.ai/bento-deployment': NAME,
        'yatai.ai/bento-repository': 'fraud_detection',
        'yatai.ai/bento-version': version,
        'yatai.ai/bento-deployment-component-type': runner
          ? 'runner'
          : 'api-server',
        ...(runner
          ? { 'yatai.ai/bento-deployment-component-name': deployment }
          : {}),
        'yatai.ai/bento-deployment-target-type': 'production',
        'yatai.ai/selector': deployment
      },
      ownerReferences: ownedBy('ReplicaSet', `${deployment}-7d9c`)
    }),
    phase: 'Running',
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    containers: [
      { name: 'main', ports: [{ name: 'http', containerPort: 3000 }] }
    ],
    initStatuses: [],
    statuses: [container('main', main)],
    ...pod
  };
}

/** An event about an object of the tests. */
export function anEvent(
  kind: string,
  name: string,
  reason: string,
  message: string
): EventObject {
  return {
    involved: { kind, name, uid: `${kind}:${name}` },
    type: 'Warning',
    reason,
    message,
    count: 1,
    lastSeen: stamp(10)
  };
}

/** The parts of a deployment that serves with two runners. */
export function servingParts(
  state: WorkloadState = 'complete'
): Partial<Snapshot> {
  const names = [NAME, `${NAME}-runner-0`, `${NAME}-runner-1`];
  const ready =
    state === 'complete' ? undefined : { ...runningSince(42), ready: false };
  return {
    bentoRequests: [aRequest(BUILDING)],
    bentoes: [aBento(['a', 'b'])],
    bentoDeployments: [aDeployment(APPLIED, { runners: ['a', 'b'] })],
    deployments: names.map(name => workload(name, state)),
    pods: names.map(name => servingPod(name, ready))
  };
}
