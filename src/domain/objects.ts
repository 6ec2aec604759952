// SPDX-License-Identifier: BSD-3-Clause
import type { Bento, DeploySpec, Resources, Scale } from '../protocol';
import { BentoError } from './errors';
import { requestName } from './names';
import {
  BUILDER_DEFAULTS,
  fullResources,
  type FullResources,
  SERVING_DEFAULTS
} from './quantities';

/** Label that everything made here carries. */
export const MANAGED_LABEL = 'app.kubernetes.io/managed-by';
/** Value of {@link MANAGED_LABEL}, and the name under which fields are owned in the API server. */
export const MANAGER = 'jupyterlab-bento';

/** Annotations of our objects; they are written once, at creation. */
export const ANNOTATIONS = {
  /** SHA-256 of the archive in hex: tells same content from other content under the same tag. */
  digest: 'jupyterlab-bento/archive-digest',
  /** `s3://bucket/key` of the archive. */
  archive: 'jupyterlab-bento/archive',
  notebook: 'jupyterlab-bento/notebook',
  cell: 'jupyterlab-bento/cell',
  user: 'jupyterlab-bento/kubeflow-userid'
} as const;

const NO_SIDECAR = { 'sidecar.istio.io/inject': 'false' };

/** PEP 440, as far as versions of BentoML go; the operator refuses to deploy anything else. */
const PEP_440 =
  /^v?\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?(\+[a-z0-9]+([-_.][a-z0-9]+)*)?$/i;

/** A Kubernetes object as it is sent. */
export interface KubeObject<Spec = Record<string, unknown>> {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace: string;
    labels: Record<string, string>;
    annotations?: Record<string, string>;
  };
  spec: Spec;
}

/** What an object tells about the bento. */
export type BentoFacts = Pick<
  Bento,
  'tag' | 'name' | 'bentomlVersion' | 'services' | 'runners' | 'models'
>;

/** Where the archive lies and what is in it. */
export interface ArchiveFacts {
  /** SHA-256 in hex. */
  digest: string;
  /** `s3://bucket/key`. */
  location: string;
}

/** Runner as BentoRequest and Bento name it. */
interface RunnerSpec {
  name: string;
  runnableType?: string;
  modelTags?: string[];
}

/** What BentoRequest and Bento have in common. */
interface BentoSpec {
  serviceName: string;
  context?: { bentomlVersion: string };
  runners?: RunnerSpec[];
  models?: { tag: string }[];
}

/** Kubernetes' own resource list. */
interface ContainerResources {
  requests: Record<string, string>;
  limits: Record<string, string>;
}

/** `spec` of a `resources.yatai.ai/v1alpha1` BentoRequest. */
export interface BentoRequestSpec extends BentoSpec {
  bentoTag: string;
  downloadUrl: string;
  imageBuilderExtraPodMetadata: {
    annotations: Record<string, string>;
    labels: Record<string, string>;
  };
  imageBuilderContainerResources: ContainerResources;
}

/** Replicas and resources of one component of a BentoDeployment. */
interface ComponentSpec {
  resources: FullResources;
  autoscaling: { minReplicas: number; maxReplicas: number };
}

/** `spec` of a `serving.yatai.ai/v2alpha1` BentoDeployment. */
export interface BentoDeploymentSpec extends ComponentSpec {
  bento: string;
  envs?: { name: string; value: string }[];
  runners?: ({ name: string } & ComponentSpec)[];
  ingress: { enabled: false };
}

type Provenance = DeploySpec['provenance'];

/**
 * The BentoRequest that has the image built. Labels and annotations are final:
 * the image builder hashes them, and editing one restarts a running build.
 *
 * - The archive itself is never read for them, so runners come from the bento;
 *   only a legacy bento has any, the services of a newer one run in one pod.
 * - The builder pod opts out of the Istio sidecar, which would cut the download
 *   off and keep the pod from ending.
 *
 * @param input.downloadUrl - Address for the builder; it is a secret when presigned.
 * @throws BentoError `quantityInvalid`, `resourcesInvalid`, `invalidTag`.
 */
export function buildBentoRequest(input: {
  namespace: string;
  bento: BentoFacts;
  downloadUrl: string;
  archive: ArchiveFacts;
  builder?: Resources;
  provenance?: Provenance;
}): KubeObject<BentoRequestSpec> {
  const { namespace, bento, downloadUrl, archive, builder, provenance } = input;
  const resources = fullResources(builder, BUILDER_DEFAULTS, 'builder');
  const { gpu, ...limits } = resources.limits;
  return {
    apiVersion: 'resources.yatai.ai/v1alpha1',
    kind: 'BentoRequest',
    metadata: metadata(requestName(bento.tag), namespace, {
      ...provenanceAnnotations(provenance),
      [ANNOTATIONS.digest]: archive.digest,
      [ANNOTATIONS.archive]: archive.location
    }),
    spec: {
      bentoTag: bento.tag,
      downloadUrl,
      ...bentoSpec(bento),
      imageBuilderExtraPodMetadata: {
        annotations: NO_SIDECAR,
        labels: NO_SIDECAR
      },
      imageBuilderContainerResources: {
        requests: { ...resources.requests },
        limits:
          gpu === undefined ? limits : { ...limits, 'nvidia.com/gpu': gpu }
      }
    }
  };
}

/**
 * The Bento of an image that exists already (made by `bentoml containerize`):
 * with it there is nothing to export and nothing to build.
 * @throws BentoError `invalidTag`.
 */
export function buildBento(input: {
  namespace: string;
  bento: BentoFacts;
  image: string;
  provenance?: Provenance;
}): KubeObject<BentoSpec & { tag: string; image: string }> {
  const { namespace, bento, image, provenance } = input;
  return {
    apiVersion: 'resources.yatai.ai/v1alpha1',
    kind: 'Bento',
    metadata: metadata(
      requestName(bento.tag),
      namespace,
      provenanceAnnotations(provenance)
    ),
    spec: { tag: bento.tag, image, ...bentoSpec(bento) }
  };
}

/**
 * The BentoDeployment that serves a bento. Each runner of the bento is named,
 * because the operator silently starts one that is not with its own defaults
 * and silently ignores a name that the bento lacks. Whatever is empty is left
 * out: an empty `extraPodSpec` would wipe the operator's defaults.
 *
 * @throws BentoError `unknownRunner`, `replicasInvalid`, `quantityInvalid`,
 *   `resourcesInvalid`, `invalidParams` for a variable that is misnamed or named twice.
 */
export function buildBentoDeployment(input: {
  namespace: string;
  name: string;
  bento: BentoFacts;
  apiServer?: Scale;
  runners?: Record<string, Scale>;
  envs?: DeploySpec['envs'];
  provenance?: Provenance;
}): KubeObject<BentoDeploymentSpec> {
  const { namespace, name, bento, apiServer, envs, provenance } = input;
  const legacy = legacyRunners(bento);
  checkKnown(bento.tag, legacy, input.runners ?? {});
  const server = component(apiServer, 'apiServer');
  const runners = legacy.map(runner => ({
    name: runner.name,
    ...component(
      input.runners?.[runner.name] ?? apiServer,
      `runners.${runner.name}`
    )
  }));
  return {
    apiVersion: 'serving.yatai.ai/v2alpha1',
    kind: 'BentoDeployment',
    metadata: metadata(name, namespace, provenanceAnnotations(provenance)),
    spec: {
      bento: requestName(bento.tag),
      ...server,
      ...(envs?.length ? { envs: checkedEnvs(envs) } : {}),
      ...(runners.length > 0 ? { runners } : {}),
      ingress: { enabled: false }
    }
  };
}

/** Fields that nothing depends on and that older operators' schemas lack. */
const DISPENSABLE = ['serviceName'] as const;

/**
 * The object without a field that the API server does not know, when nothing
 * depends on that field; undefined when the refusal is about something else.
 * @param refusal - The server's text, `… unknown field "spec.serviceName"`.
 */
export function withoutUnknownField<O extends KubeObject<object>>(
  object: O,
  refusal: string
): O | undefined {
  const field = DISPENSABLE.find(
    name =>
      name in object.spec && refusal.includes(`unknown field "spec.${name}"`)
  );
  if (field === undefined) {
    return undefined;
  }
  const spec = Object.fromEntries(
    Object.entries(object.spec).filter(([key]) => key !== field)
  );
  return { ...object, spec };
}

/** The runners of a legacy bento; none for a bento of services, whose class names are no runners. */
export function legacyRunners(
  bento: Pick<Bento, 'runners' | 'services'>
): Bento['runners'] {
  return bento.services.length > 0 ? [] : bento.runners;
}

function metadata(
  name: string,
  namespace: string,
  annotations: Record<string, string>
): KubeObject['metadata'] {
  return {
    name,
    namespace,
    labels: { [MANAGED_LABEL]: MANAGER },
    ...(Object.keys(annotations).length > 0 ? { annotations } : {})
  };
}

function provenanceAnnotations(given: Provenance): Record<string, string> {
  const pairs: [string, string | undefined][] = [
    [ANNOTATIONS.notebook, given?.notebook],
    [ANNOTATIONS.cell, given?.cell],
    [ANNOTATIONS.user, given?.user]
  ];
  return Object.fromEntries(
    pairs.filter((pair): pair is [string, string] => Boolean(pair[1]))
  );
}

function bentoSpec(bento: BentoFacts): BentoSpec {
  const { bentomlVersion } = bento;
  const runners = legacyRunners(bento).map(runner => ({
    name: runner.name,
    ...(runner.runnableType ? { runnableType: runner.runnableType } : {}),
    ...(runner.models.length > 0 ? { modelTags: runner.models } : {})
  }));
  const models = bento.models
    .filter(model => model.registry === 'bentoml')
    .map(model => ({ tag: model.tag }));
  return {
    serviceName: bento.services[0] ?? bento.name,
    ...(bentomlVersion !== undefined && PEP_440.test(bentomlVersion)
      ? { context: { bentomlVersion } }
      : {}),
    ...(runners.length > 0 ? { runners } : {}),
    ...(models.length > 0 ? { models } : {})
  };
}

function component(scale: Scale | undefined, field: string): ComponentSpec {
  return {
    resources: fullResources(
      scale?.resources,
      SERVING_DEFAULTS,
      `${field}.resources`
    ),
    autoscaling: replicas(scale, field)
  };
}

function replicas(
  scale: Scale | undefined,
  field: string
): ComponentSpec['autoscaling'] {
  const minReplicas = scale?.minReplicas ?? 1;
  const maxReplicas = scale?.maxReplicas ?? minReplicas;
  const refuse = (key: string, reason: string): never => {
    throw new BentoError('replicasInvalid', {
      params: { field: `${field}.${key}`, reason }
    });
  };
  if (!Number.isInteger(minReplicas) || minReplicas < 1) {
    refuse(
      'minReplicas',
      `${String(minReplicas)} is not a whole number of at least 1.`
    );
  }
  if (!Number.isInteger(maxReplicas) || maxReplicas < minReplicas) {
    refuse(
      'maxReplicas',
      `${String(maxReplicas)} is not a whole number of at least the minimum, ${String(minReplicas)}.`
    );
  }
  return { minReplicas, maxReplicas };
}

function checkKnown(
  tag: string,
  known: Bento['runners'],
  asked: Record<string, Scale>
): void {
  const names = known.map(runner => runner.name);
  const unknown = Object.keys(asked).find(name => !names.includes(name));
  if (unknown !== undefined) {
    throw new BentoError('unknownRunner', {
      params: { tag, runner: unknown, known: names.join(', ') || 'none' }
    });
  }
}

const VARIABLE = /^[-._a-zA-Z][-._a-zA-Z0-9]*$/;

/** The operator keeps the first of two variables of one name without a word. */
function checkedEnvs(
  envs: { name: string; value: string }[]
): { name: string; value: string }[] {
  const names = envs.map(env => env.name);
  const odd = names.find(name => !VARIABLE.test(name));
  if (odd !== undefined) {
    throw new BentoError('invalidParams', {
      params: { field: 'envs', reason: `"${odd}" cannot name a variable` }
    });
  }
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new BentoError('invalidParams', {
      params: { field: 'envs', reason: `${twice} is given twice` }
    });
  }
  return envs.map(({ name, value }) => ({ name, value: String(value) }));
}
