// SPDX-License-Identifier: BSD-3-Clause

/** Metadata as JSON carries it: only the fields used here, times as strings. */
export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
}

/** Ties an object's life to its owner's. */
export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** Any object; `Spec` and `Status` say what is read of it. */
export interface KubeObject<Spec = unknown, Status = unknown> {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec?: Spec;
  status?: Status;
  data?: Record<string, string>;
}

/** An object that the API server has stored. */
export type Stored<T extends KubeObject> = T & {
  metadata: ObjectMeta & { namespace: string; uid: string };
};

const resources = {
  Bento: ['resources.yatai.ai/v1alpha1', 'bentoes'],
  BentoDeployment: ['serving.yatai.ai/v2alpha1', 'bentodeployments'],
  BentoRequest: ['resources.yatai.ai/v1alpha1', 'bentorequests'],
  ConfigMap: ['v1', 'configmaps'],
  Deployment: ['apps/v1', 'deployments'],
  Event: ['v1', 'events'],
  HorizontalPodAutoscaler: ['autoscaling/v2', 'horizontalpodautoscalers'],
  Job: ['batch/v1', 'jobs'],
  Logs: ['kwok.x-k8s.io/v1alpha1', 'logs'],
  Pod: ['v1', 'pods'],
  PortForward: ['kwok.x-k8s.io/v1alpha1', 'portforwards'],
  Secret: ['v1', 'secrets'],
  Service: ['v1', 'services'],
  ServiceAccount: ['v1', 'serviceaccounts']
} as const;

/** The kinds that the controllers know. */
export type Kind = keyof typeof resources;

/** `group/version` of a kind. */
export function apiVersionOf(kind: Kind): string {
  return resources[kind][0];
}

/** The path of a kind's collection, an object, or a part of an object such as `status`. */
export function resourcePath(
  kind: Kind,
  namespace?: string,
  ...rest: string[]
): string {
  const [apiVersion, plural] = resources[kind];
  const root = apiVersion.includes('/') ? 'apis' : 'api';
  const scope = namespace === undefined ? [] : ['namespaces', namespace];
  return ['', root, apiVersion, ...scope, plural, ...rest]
    .join('/')
    .replace(/ /g, '%20');
}

/** An owner reference with which deleting the owner deletes the object. */
export function controlledBy(owner: Stored<KubeObject>): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true
  };
}

/** `namespace/name`, the key under which work and objects are kept. */
export function keyOf(object: { metadata: ObjectMeta }): string {
  return `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
}

/** Takes a key apart. */
export function splitKey(key: string): { namespace: string; name: string } {
  const slash = key.indexOf('/');
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
