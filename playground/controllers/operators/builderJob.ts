// SPDX-License-Identifier: BSD-3-Clause
import { createHash, randomBytes } from 'node:crypto';

import type { KubeObject, ObjectMeta, Stored } from '../kube/objects';
import { controlledBy } from '../kube/objects';
import type { ImageNames } from './images';
import { imageNames, parseTag } from './images';
import type { BentoRequest, EnvVar, Job, ModelSpec } from './types';

/** Of version 1.2.28, as Kubeflow 1.9 configures it. */
const downloaderImage = 'quay.io/bentoml/bento-downloader:0.0.1';
const builderImage = 'quay.io/bentoml/kaniko:debug';
const context = '/workspace/buildcontext';
/** Names the Secret with S3 keys that downloaders get. */
const secretAnnotation = 'yatai.ai/aws-access-key-secret-name';

/** The label by which the Job and the pods of a request are found. */
export const requestLabel = 'yatai.ai/bento-request';
/** Holds the hash of the request that a Job was made for. */
export const hashAnnotation = 'yatai.ai/bento-request-hash';

const volumeMounts = [
  { name: 'yatai', mountPath: '/yatai' },
  { name: 'workspace', mountPath: '/workspace' }
];

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(sortKeys);
  }
  if (value && typeof value === 'object') {
    return Object.fromEntries(
      Object.entries(value)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, inner]) => [key, sortKeys(inner)])
    );
  }
  return value;
}

/**
 * A hash over labels, annotations and spec, in decimal: a change of any of them makes the next look
 * at the Job throw it away. The name does not count.
 */
export function requestHash(request: BentoRequest): string {
  const { labels = {}, annotations = {} } = request.metadata;
  const text = JSON.stringify(
    sortKeys({ labels, annotations, spec: request.spec })
  );
  return createHash('sha256')
    .update(text)
    .digest()
    .readBigUInt64BE(0)
    .toString();
}

/** 20 characters of 0-9 and a-v, as the library that names the Jobs makes them. */
export function newJobSuffix(): string {
  const bits = BigInt(`0x${randomBytes(12).toString('hex')}`) << 4n;
  return bits.toString(32).padStart(20, '0');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Downloads one archive and unpacks it into a folder; `s3://` by the AWS command line, else curl. */
function downloadScript(
  url: string,
  folder: string,
  after: readonly string[] = []
): string {
  const tar = '/tmp/downloaded.tar';
  return [
    'set -e',
    `mkdir -p ${folder}`,
    `url="${url}"`,
    'echo "Downloading ${url} ..."',
    'if [[ ${url} == s3://* ]]; then',
    `  aws s3 cp \${url} ${tar}`,
    'else',
    `  curl --fail -L -H "" \${url} --output ${tar} --progress-bar`,
    'fi',
    `cd ${folder}`,
    'echo "Extracting the archive ..."',
    `tar -xvf ${tar}`,
    `rm ${tar}`,
    ...after,
    'echo "Done"'
  ].join('\n');
}

function modelScript(model: ModelSpec): string {
  const { repository, version } = parseTag(model.tag);
  const folder = `${context}/models/${repository}`;
  return downloadScript(model.downloadUrl ?? '', `${folder}/${version}`, [
    `echo -n '${version}' > ${folder}/latest`
  ]);
}

/**
 * The builder's shell command. Each argument is quoted, build arguments twice: their values reach
 * the build with the inner quotes, which is what this version does.
 */
function buildCommand(request: BentoRequest, names: ImageNames): string {
  const buildArgs = request.spec?.buildArgs ?? [];
  const args = [
    `--context=${context}`,
    '--verbosity=info',
    `--dockerfile=${context}/env/docker/Dockerfile`,
    '--insecure',
    `--destination=${names.push}`,
    ...buildArgs.map(arg => `--build-arg=${quoted(arg)}`)
  ];
  const words = ['/kaniko/executor', ...args].map(quoted);
  return `${words.join(' ')} && exit 0 || exit 42`;
}

function downloader(
  request: BentoRequest,
  name: string,
  script: string
): object {
  const secret = request.metadata.annotations?.[secretAnnotation];
  const envFrom = [
    ...(request.spec?.downloaderContainerEnvFrom ?? []),
    ...(secret ? [{ secretRef: { name: secret } }] : [])
  ];
  return {
    name,
    image: downloaderImage,
    command: ['bash', '-c', script],
    ...(envFrom.length > 0 ? { envFrom } : {}),
    env: withExtra(request, [
      { name: 'AWS_EC2_METADATA_DISABLED', value: 'true' }
    ]),
    resources: {
      limits: { cpu: '1', memory: '3000Mi' },
      requests: { cpu: '100m', memory: '1000Mi' }
    },
    volumeMounts
  };
}

function withExtra(request: BentoRequest, env: EnvVar[]): EnvVar[] {
  return [...env, ...(request.spec?.imageBuilderExtraContainerEnv ?? [])];
}

function builder(request: BentoRequest, names: ImageNames): object {
  return {
    name: 'builder',
    image: builderImage,
    imagePullPolicy: 'Always',
    command: ['sh'],
    args: ['-c', buildCommand(request, names)],
    env: withExtra(request, [
      { name: 'DOCKER_CONFIG', value: '/kaniko/.docker/' },
      { name: 'IFS', value: "''" }
    ]),
    resources: request.spec?.imageBuilderContainerResources ?? {},
    volumeMounts,
    stdin: true,
    tty: true
  };
}

function initContainers(request: BentoRequest): object[] {
  const { downloadUrl = '', models = [] } = request.spec ?? {};
  const bento = downloader(
    request,
    'bento-downloader',
    downloadScript(downloadUrl, context)
  );
  const rest = models.flatMap((model, index) =>
    model.downloadUrl
      ? [
          downloader(
            request,
            `model-downloader-${String(index)}`,
            modelScript(model)
          )
        ]
      : []
  );
  return [bento, ...rest];
}

function podTemplate(
  request: BentoRequest,
  labels: Record<string, string>,
  serviceAccount: string
): object {
  const { imageBuilderExtraPodMetadata: extra, imageBuilderExtraPodSpec } =
    request.spec ?? {};
  const { bentoTag = '', image } = request.spec ?? {};
  const podAffinity = {
    preferredDuringSchedulingIgnoredDuringExecution: [
      {
        weight: 100,
        podAffinityTerm: {
          labelSelector: {
            matchLabels: { [requestLabel]: request.metadata.name }
          },
          topologyKey: 'kubernetes.io/hostname'
        }
      }
    ]
  };
  const metadata: Partial<ObjectMeta> = {
    labels: { ...labels, ...extra?.labels },
    ...(extra?.annotations ? { annotations: extra.annotations } : {})
  };
  return {
    metadata,
    spec: {
      affinity: { podAffinity },
      serviceAccountName: serviceAccount,
      ...imageBuilderExtraPodSpec,
      restartPolicy: 'Never',
      volumes: [
        { name: 'yatai', emptyDir: {} },
        { name: 'workspace', emptyDir: {} }
      ],
      initContainers: initContainers(request),
      containers: [builder(request, imageNames(bentoTag, image))]
    }
  };
}

/** What a Job takes from outside the request. */
export interface JobOptions {
  suffix: string;
  /** For pods whose request names none. */
  serviceAccount: string;
}

/**
 * The Job that builds the image of a request: downloads in init containers, kaniko in `builder`,
 * seven attempts unless the builder exits 42.
 */
export function builderJob(
  request: Stored<BentoRequest>,
  options: JobOptions
): Job & KubeObject {
  const { repository, version } = parseTag(request.spec?.bentoTag ?? '');
  const labels = {
    'yatai.ai/bento': version,
    'yatai.ai/bento-repository': repository,
    [requestLabel]: request.metadata.name,
    'yatai.ai/is-bento-image-builder': 'true'
  };
  const onExitCodes = {
    containerName: 'builder',
    operator: 'In',
    values: [42]
  };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: `yatai-bento-image-builder-${options.suffix}`,
      namespace: request.metadata.namespace,
      labels: {
        ...labels,
        'yatai.ai/yatai-image-builder-separate-models': 'false'
      },
      annotations: { [hashAnnotation]: requestHash(request) },
      ownerReferences: [controlledBy(request)]
    },
    spec: {
      parallelism: 1,
      completions: 1,
      podFailurePolicy: { rules: [{ action: 'FailJob', onExitCodes }] },
      template: podTemplate(request, labels, options.serviceAccount)
    }
  };
}
