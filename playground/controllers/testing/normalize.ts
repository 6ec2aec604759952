// SPDX-License-Identifier: BSD-3-Clause
import type { KubeObject } from '../kube/objects';
import { quantityValue } from '../operators/quantities';

type Json = Record<string, unknown>;

function asJson(value: unknown): Json {
  return (value ?? {}) as Json;
}

function asList(value: unknown): Json[] {
  return (value ?? []) as Json[];
}

/** Puts `defaults` under an object. */
function under(defaults: Json, value: unknown): Json {
  return { ...defaults, ...asJson(value) };
}

function amounts(value: unknown): Json {
  return Object.fromEntries(
    Object.entries(asJson(value)).map(([key, amount]) => [
      key,
      quantityValue(String(amount))
    ])
  );
}

function resources(value: unknown): Json {
  return Object.fromEntries(
    Object.entries(asJson(value)).map(([side, list]) => [side, amounts(list)])
  );
}

function probe(value: unknown): Json {
  const given = under(
    {
      timeoutSeconds: 1,
      periodSeconds: 10,
      successThreshold: 1,
      failureThreshold: 3
    },
    value
  );
  return {
    ...given,
    ...(given.httpGet
      ? { httpGet: under({ scheme: 'HTTP' }, given.httpGet) }
      : {}),
    ...(given.exec ? { exec: maskScripts(given.exec) } : {})
  };
}

/** The recordings leave scripts out, and this one's are its own. */
function maskScripts(container: unknown): Json {
  const { command, args, ...rest } = asJson(container);
  const mask = (words: unknown): unknown[] =>
    (words as string[]).map((word, index, all) =>
      all[index - 1] === '-c' && !/^(\.\/env|curl|<script>)/.test(word)
        ? '<script>'
        : word
    );
  return {
    ...rest,
    ...(command ? { command: mask(command) } : {}),
    ...(args ? { args: mask(args) } : {})
  };
}

function container(value: Json): Json {
  const given = maskScripts(value);
  const probes = Object.fromEntries(
    ['livenessProbe', 'readinessProbe']
      .filter(name => given[name])
      .map(name => [name, probe(given[name])])
  );
  return {
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    imagePullPolicy: 'IfNotPresent',
    ...given,
    ...probes,
    ...(given.ports
      ? {
          ports: asList(given.ports).map(port =>
            under({ protocol: 'TCP' }, port)
          )
        }
      : {}),
    resources: resources(given.resources)
  };
}

function volume(value: Json): Json {
  return value.configMap
    ? { ...value, configMap: under({ defaultMode: 420 }, value.configMap) }
    : value;
}

function podSpec(value: unknown): Json {
  const given = asJson(value);
  const { serviceAccountName } = given;
  return {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    securityContext: {},
    schedulerName: 'default-scheduler',
    serviceAccount: serviceAccountName,
    ...given,
    volumes: asList(given.volumes).map(volume),
    containers: asList(given.containers).map(container),
    ...(given.initContainers
      ? { initContainers: asList(given.initContainers).map(container) }
      : {})
  };
}

function template(value: unknown, generated: (label: string) => boolean): Json {
  const { metadata, spec } = asJson(value);
  const { labels, ...rest } = asJson(metadata);
  const kept = Object.entries(asJson(labels)).filter(
    ([label]) => !generated(label)
  );
  return {
    metadata: { ...rest, labels: Object.fromEntries(kept) },
    spec: podSpec(spec)
  };
}

const jobLabels = /^(batch\.kubernetes\.io\/)?(controller-uid|job-name)$/;

/** What the API server adds to a spec of a kind when it stores it. */
const specs: Record<string, (spec: Json) => Json> = {
  Deployment: spec => ({
    replicas: 1,
    revisionHistoryLimit: 10,
    progressDeadlineSeconds: 600,
    ...spec,
    template: template(spec.template, () => false)
  }),
  Job: ({ selector: _selector, ...spec }) => ({
    backoffLimit: 6,
    completionMode: 'NonIndexed',
    suspend: false,
    podReplacementPolicy: 'Failed',
    manualSelector: false,
    ...spec,
    template: template(spec.template, label => jobLabels.test(label))
  }),
  Service: ({ clusterIP: _ip, clusterIPs: _ips, ...spec }) => ({
    type: 'ClusterIP',
    sessionAffinity: 'None',
    ipFamilies: ['IPv4'],
    ipFamilyPolicy: 'SingleStack',
    internalTrafficPolicy: 'Cluster',
    ...spec
  })
};

const random = [
  'deployment.kubernetes.io/revision',
  'yatai.ai/bento-request-hash',
  'banzaicloud.com/last-applied'
];

/**
 * An object as it can be compared: with what the API server fills in, without what it or chance
 * makes up, scripts masked, amounts as numbers.
 */
export function normalized(object: KubeObject): Json {
  const { kind, apiVersion, metadata, spec } = object;
  const {
    name,
    namespace,
    labels,
    annotations = {},
    ownerReferences
  } = metadata;
  const kept = Object.entries(annotations).filter(
    ([annotation]) => !random.includes(annotation)
  );
  const fill = specs[kind] ?? ((given: Json) => given);
  return {
    kind,
    apiVersion,
    metadata: {
      name: name.replace(/^(yatai-bento-image-builder-).*/, '$1'),
      namespace,
      labels,
      annotations: Object.fromEntries(kept),
      ownerReferences
    },
    ...(spec === undefined ? {} : { spec: fill(asJson(spec)) }),
    ...(object.data ? { data: Object.keys(object.data) } : {})
  };
}
