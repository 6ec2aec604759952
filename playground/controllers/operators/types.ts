// SPDX-License-Identifier: BSD-3-Clause
import type { KubeObject } from '../kube/objects';

/** A condition as both operators write it. */
export interface Condition {
  type: string;
  status: ConditionStatus;
  reason: string;
  message: string;
  /** Whole seconds. */
  lastTransitionTime: string;
}

/** What a condition says of its type. */
export type ConditionStatus = 'True' | 'False' | 'Unknown';

/** What every status of the three kinds holds. */
export interface ConditionedStatus {
  conditions?: Condition[];
}

/** A model that the builder downloads by itself. */
export interface ModelSpec {
  tag: string;
  downloadUrl?: string;
  size?: string;
}

/** A variable of a container; what is not a plain value is passed through. */
export interface EnvVar {
  name: string;
  value?: string;
}

/** Labels and annotations to add to pods. */
export interface ExtraPodMetadata {
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}

/** What may be added to a pod's spec, passed through as given. */
export interface ExtraPodSpec {
  serviceAccountName?: string;
  containers?: object[];
  [field: string]: unknown;
}

/** Requests and limits of one container in the core API's form. */
export interface ContainerResources {
  requests?: Record<string, string>;
  limits?: Record<string, string>;
}

/** `spec` of a BentoRequest: the fields that the image builder reads. */
export interface BentoRequestSpec {
  bentoTag: string;
  downloadUrl?: string;
  serviceName?: string;
  context?: { bentomlVersion?: string };
  runners?: object[];
  models?: ModelSpec[];
  image?: string;
  buildArgs?: string[];
  imageBuilderExtraPodMetadata?: ExtraPodMetadata;
  imageBuilderExtraPodSpec?: ExtraPodSpec;
  imageBuilderExtraContainerEnv?: EnvVar[];
  imageBuilderContainerResources?: ContainerResources;
  downloaderContainerEnvFrom?: object[];
}

/** A request for an image. */
export type BentoRequest = KubeObject<BentoRequestSpec, ConditionedStatus>;

/** `spec` of a Bento. */
export interface BentoSpec {
  tag: string;
  image: string;
  serviceName?: string;
  context?: { bentomlVersion?: string };
  runners?: { name: string; [field: string]: unknown }[];
  models?: ModelSpec[];
  imagePullSecrets?: { name: string }[];
}

/** An image that can be deployed. */
export type Bento = KubeObject<BentoSpec>;

/** Resources as a BentoDeployment writes them. */
export interface BentoResources {
  requests?: BentoResourceList;
  limits?: BentoResourceList;
}

/** One side of BentoResources; all are strings. */
export interface BentoResourceList {
  cpu?: string;
  memory?: string;
  gpu?: string;
  custom?: Record<string, string>;
}

/** What the API server and each runner can be given. */
export interface ComponentSpec {
  annotations?: Record<string, string>;
  labels?: Record<string, string>;
  resources?: BentoResources;
  autoscaling?: {
    minReplicas: number;
    maxReplicas: number;
    metrics?: object[];
  };
  envs?: EnvVar[];
  extraPodMetadata?: ExtraPodMetadata;
  extraPodSpec?: ExtraPodSpec;
}

/** `spec` of a BentoDeployment: the fields that the deployment operator reads. */
export interface BentoDeploymentSpec extends ComponentSpec {
  bento: string;
  runners?: (ComponentSpec & { name: string })[];
}

/** A deployment of a bento. */
export type BentoDeployment = KubeObject<
  BentoDeploymentSpec,
  ConditionedStatus
>;

/** A Job as far as the image builder looks at it. */
export type Job = KubeObject<
  unknown,
  { active?: number; conditions?: { type: string; status: string }[] }
>;

/** Whether the Job has that condition. */
export function jobIs(job: Job, type: 'Complete' | 'Failed'): boolean {
  return (
    job.status?.conditions?.some(
      condition => condition.type === type && condition.status === 'True'
    ) ?? false
  );
}
