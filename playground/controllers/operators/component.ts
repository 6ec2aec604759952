// SPDX-License-Identifier: BSD-3-Clause
import { createHash } from 'node:crypto';

import type { OwnerReference, Stored } from '../kube/objects';
import { controlledBy } from '../kube/objects';
import { parseTag } from './images';
import type {
  Bento,
  BentoDeployment,
  BentoResources,
  ComponentSpec,
  ContainerResources
} from './types';

/** One Deployment with its HPA and Service: the API server, or one runner. */
export interface Component {
  /** Name of the Deployment and the HPA. */
  name: string;
  service: string;
  /** The runner's name; undefined is the API server. */
  runner?: string;
  spec: ComponentSpec;
  /** All labels of its objects. */
  labels: Record<string, string>;
  annotations: Record<string, string>;
  namespace: string;
  deploymentName: string;
  deploymentUid: string;
  owner: OwnerReference;
  image: string;
  repository: string;
  pullSecrets?: { name: string }[];
  serviceAccount: string;
}

const prefix = 'yatai.ai/bento-deployment';

/** The label by which a Deployment finds its pods. */
export const selectorLabel = 'yatai.ai/selector';
/** Is on the API server's objects, though its Service does not select by it. */
export const targetTypeLabel = `${prefix}-target-type`;

function runnerService(
  deployment: string,
  bentoTag: string,
  runner: string
): string {
  const hash = createHash('md5').update(`${bentoTag}-${runner}`).digest('hex');
  const name = `${deployment}-runner-${hash}`;
  return name.length > 63 ? `runner-${hash}` : name;
}

/** What a runner gets: its own entry, or the top-level settings when the deployment does not name it. */
function runnerSpec(
  deployment: BentoDeployment,
  runner: string
): ComponentSpec {
  const entry = deployment.spec?.runners?.find(({ name }) => name === runner);
  if (entry) {
    return entry;
  }
  const { resources, labels, extraPodMetadata, extraPodSpec } =
    deployment.spec ?? {};
  return { resources, labels, extraPodMetadata, extraPodSpec };
}

/**
 * The components of a deployment, runners first in the Bento's order, the API server last. Runners
 * are those of the Bento: entries of the deployment that it does not name are ignored.
 * @param serviceAccount for pods whose component names none.
 */
export function componentsOf(
  deployment: Stored<BentoDeployment>,
  bento: Bento,
  serviceAccount: string
): Component[] {
  const { name, namespace, uid } = deployment.metadata;
  const { tag = '', image = '', imagePullSecrets } = bento.spec ?? {};
  const { repository, version } = parseTag(tag);
  const bentoAnnotations = {
    'yatai.ai/bento-repository': repository,
    'yatai.ai/bento-version': version
  };
  const make = (
    own: { name: string; service: string; runner?: string },
    spec: ComponentSpec
  ): Component => ({
    ...own,
    spec,
    labels: {
      [prefix]: name,
      [`${prefix}-component-type`]: own.runner ? 'runner' : 'api-server',
      ...(own.runner ? { [`${prefix}-component-name`]: own.runner } : {}),
      [targetTypeLabel]: 'production',
      ...bentoAnnotations,
      'yatai.ai/creator': 'yatai-deployment',
      ...spec.labels
    },
    annotations: { ...bentoAnnotations, ...spec.extraPodMetadata?.annotations },
    namespace,
    deploymentName: name,
    deploymentUid: uid,
    owner: controlledBy(deployment),
    image,
    repository,
    pullSecrets: imagePullSecrets,
    serviceAccount
  });
  const runners = (bento.spec?.runners ?? []).map(({ name: runner }, index) =>
    make(
      {
        name: `${name}-runner-${String(index)}`,
        service: runnerService(name, tag, runner),
        runner
      },
      runnerSpec(deployment, runner)
    )
  );
  return [...runners, make({ name, service: name }, deployment.spec ?? {})];
}

const defaultResources = {
  requests: { cpu: '300m', memory: '500Mi' },
  limits: { cpu: '500m', memory: '1Gi' }
};

/**
 * Resources in the core API's form. What is missing is filled in key by key; a GPU counts only as
 * a limit.
 */
export function containerResources(
  given: BentoResources | undefined
): Required<ContainerResources> {
  const side = (which: 'requests' | 'limits'): Record<string, string> => {
    const { cpu, memory, custom } = given?.[which] ?? {};
    const defaults = defaultResources[which];
    return {
      cpu: cpu ?? defaults.cpu,
      memory: memory ?? defaults.memory,
      ...custom
    };
  };
  const gpu = given?.limits?.gpu;
  return {
    requests: side('requests'),
    limits: { ...side('limits'), ...(gpu ? { 'nvidia.com/gpu': gpu } : {}) }
  };
}
