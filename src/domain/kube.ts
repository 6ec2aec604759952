// SPDX-License-Identifier: BSD-3-Clause

/** The parts of object metadata that are kept in memory. */
export interface Metadata {
  name: string;
  namespace: string;
  uid: string;
  resourceVersion: string;
  generation?: number;
  /** ISO 8601. */
  creationTimestamp: string;
  deletionTimestamp?: string;
  labels: Record<string, string>;
  /** Without the long ones that other tools leave for themselves, such as `banzaicloud.com/last-applied`. */
  annotations: Record<string, string>;
  ownerReferences: { kind: string; name: string; uid: string }[];
}

/** A condition as Kubernetes and both operators write it. */
export interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  /** When `status` changed last; one-second resolution. */
  lastTransitionTime?: string;
  /** When `reason` or `status` changed last; only Deployments have it. */
  lastUpdateTime?: string;
}

/** `resources.yatai.ai/v1alpha1` BentoRequest, kept fields. */
export interface BentoRequest {
  metadata: Metadata;
  spec: {
    bentoTag: string;
    image?: string;
    runners: { name: string }[];
    models: { tag: string }[];
  };
  /** Empty while no operator has looked at it. */
  conditions: Condition[];
}

/** `resources.yatai.ai/v1alpha1` Bento, kept fields. */
export interface BentoObject {
  metadata: Metadata;
  spec: { tag: string; image: string; runners: { name: string }[] };
}

/** `serving.yatai.ai/v2alpha1` BentoDeployment, kept fields. */
export interface BentoDeployment {
  metadata: Metadata;
  spec: {
    bento: string;
    /** `autoscaling.minReplicas` of the API server. */
    minReplicas?: number;
    runners: { name: string; minReplicas?: number }[];
  };
  conditions: Condition[];
}

/** `batch/v1` Job, kept fields. */
export interface Job {
  metadata: Metadata;
  active: number;
  succeeded: number;
  failed: number;
  conditions: Condition[];
}

/** State of one container as the kubelet reports it. */
export interface ContainerStatus {
  name: string;
  ready: boolean;
  restartCount: number;
  image: string;
  waiting?: { reason?: string; message?: string };
  running?: { startedAt?: string };
  terminated?: {
    exitCode: number;
    reason?: string;
    message?: string;
    finishedAt?: string;
  };
  /** The termination before the current state. */
  lastTerminated?: { exitCode: number; reason?: string; finishedAt?: string };
}

/** `v1` Pod, kept fields. */
export interface Pod {
  metadata: Metadata;
  phase: string;
  reason?: string;
  message?: string;
  conditions: Condition[];
  containers: {
    name: string;
    ports: { name?: string; containerPort: number }[];
  }[];
  initStatuses: ContainerStatus[];
  statuses: ContainerStatus[];
}

/** `apps/v1` Deployment, kept fields. */
export interface DeploymentObject {
  metadata: Metadata;
  /** `spec.replicas`: wanted. */
  replicas: number;
  /** Image of the container `main`. */
  image?: string;
  observedGeneration: number;
  /** `status.replicas`: pods of all revisions, so more than `updatedReplicas` while old ones are left. */
  totalReplicas: number;
  updatedReplicas: number;
  readyReplicas: number;
  availableReplicas: number;
  conditions: Condition[];
}

/** `v1` Event, kept fields. */
export interface EventObject {
  involved: { kind: string; name: string; uid: string };
  type: string;
  reason: string;
  message: string;
  count: number;
  lastSeen: string;
}

/** Everything known of one namespace at one moment. */
export interface Snapshot {
  namespace: string;
  bentoRequests: BentoRequest[];
  bentoes: BentoObject[];
  bentoDeployments: BentoDeployment[];
  jobs: Job[];
  pods: Pod[];
  deployments: DeploymentObject[];
  /** Fetched on demand, so possibly empty; only of Jobs, Pods and ReplicaSets that look stuck. */
  events: EventObject[];
}
