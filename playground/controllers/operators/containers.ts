// SPDX-License-Identifier: BSD-3-Clause
import type { Component } from './component';
import { containerResources } from './component';
import type { EnvVar } from './types';

/** The port that everything listens on unless the variable PORT says otherwise. */
export const defaultPort = '3000';

const serverModule = 'python -m bentoml._internal.server.cli';

function portOf(component: Component): string {
  const set = component.spec.envs?.find(({ name }) => name === 'PORT')?.value;
  return set ?? defaultPort;
}

/** A runner's name and the Service that reaches it. */
export interface RunnerService {
  runner: string;
  service: string;
}

/** The start command; the bento's entrypoint turns these into today's commands. */
function startCommand(
  component: Component,
  runners: readonly RunnerService[]
): string {
  const entrypoint = './env/docker/entrypoint.sh';
  const bind = `--bind tcp://0.0.0.0:${portOf(component)}`;
  if (component.runner) {
    return `${entrypoint} ${serverModule}.runner . --runner-name ${component.runner} ${bind} --working-dir .`;
  }
  if (runners.length === 0) {
    return `${entrypoint} bentoml serve . --production`;
  }
  const map = JSON.stringify(
    Object.fromEntries(
      runners.map(({ runner, service }) => [
        runner,
        `tcp://${service}:${defaultPort}`
      ])
    )
  );
  return `${entrypoint} ${serverModule}.api_server . ${bind} --runner-map '${map}' --working-dir .`;
}

/** Plain values only, the first of each name, then what the operator adds. */
function environment(component: Component): EnvVar[] {
  const seen = new Map<string, EnvVar>();
  const added: EnvVar[] = [
    { name: 'PORT', value: defaultPort },
    { name: 'YATAI_T_DEPLOYMENT_UID', value: component.deploymentUid },
    { name: 'YATAI_BENTO_DEPLOYMENT_NAME', value: component.deploymentName },
    { name: 'YATAI_BENTO_DEPLOYMENT_NAMESPACE', value: component.namespace }
  ];
  for (const { name, value } of [...(component.spec.envs ?? []), ...added]) {
    if (!seen.has(name)) {
      seen.set(name, { name, value });
    }
  }
  return [...seen.values()];
}

function httpProbe(path: string, port: string): object {
  return { httpGet: { path, port } };
}

function times(
  initialDelaySeconds: number,
  timeoutSeconds: number,
  failureThreshold: number
): object {
  return { initialDelaySeconds, timeoutSeconds, failureThreshold };
}

/** Asks the pod's own server and every runner's Service; fails unless all answer 200. */
function probeScript(path: string, runners: readonly RunnerService[]): string {
  const hosts = ['localhost', ...runners.map(({ service }) => service)];
  const addresses = hosts.map(host => `http://${host}:${defaultPort}${path}`);
  return [
    'import sys, urllib.request',
    `for address in ${JSON.stringify(addresses)}:`,
    '    try:',
    '        urllib.request.urlopen(address, timeout=5)',
    '    except Exception as error:',
    '        sys.exit(f"{address}: {error}")'
  ].join('\n');
}

function execProbe(path: string, runners: readonly RunnerService[]): object {
  return { exec: { command: ['python3', '-c', probeScript(path, runners)] } };
}

function mainProbes(
  component: Component,
  runners: readonly RunnerService[]
): object {
  if (!component.runner && runners.length > 0) {
    return {
      livenessProbe: { ...execProbe('/healthz', runners), ...times(5, 5, 6) },
      readinessProbe: { ...execProbe('/readyz', runners), ...times(5, 5, 36) }
    };
  }
  return {
    livenessProbe: { ...httpProbe('/livez', 'http'), ...times(10, 20, 6) },
    readinessProbe: { ...httpProbe('/readyz', 'http'), ...times(5, 5, 12) }
  };
}

/** The container that serves. */
export function mainContainer(
  component: Component,
  runners: readonly RunnerService[]
): object {
  return {
    name: 'main',
    image: component.image,
    command: ['sh', '-c'],
    args: [startCommand(component, runners)],
    ports: [{ name: 'http', containerPort: Number(portOf(component)) }],
    env: environment(component),
    resources: containerResources(component.spec.resources),
    volumeMounts: [{ name: 'shared-memory', mountPath: '/dev/shm' }],
    ...mainProbes(component, runners),
    stdin: true,
    tty: true
  };
}

/** The container that renames metrics. */
export function metricsContainer(component: Component): object {
  const probe = { ...httpProbe('/healthz', 'metrics'), ...times(5, 5, 10) };
  const metricsName = component.repository.replace(/[^A-Za-z0-9_]/g, '_');
  return {
    name: 'metrics-transformer',
    image: 'quay.io/bentoml/yatai-bento-metrics-transformer:0.0.4',
    ports: [{ name: 'metrics', containerPort: 3003 }],
    env: [
      { name: 'BENTOML_SERVER_HOST', value: 'localhost' },
      { name: 'BENTOML_SERVER_PORT', value: portOf(component) },
      { name: 'PORT', value: '3003' },
      { name: 'OLD_METRICS_PREFIX', value: `BENTOML_${metricsName}_` },
      { name: 'NEW_METRICS_PREFIX', value: 'BENTOML_' }
    ],
    resources: {
      limits: { cpu: '100m', memory: '100Mi' },
      requests: { cpu: '10m', memory: '10Mi' }
    },
    livenessProbe: probe,
    readinessProbe: probe
  };
}

const proxyResources = 'yatai.ai/proxy-sidecar-resources';

/** The envoy beside the API server; annotations set its resources. */
export function proxyContainer(component: Component): object {
  const live = 'curl -s localhost:9901/server_info | grep state | grep -q LIVE';
  const probe = { exec: { command: ['sh', '-c', live] }, ...times(5, 5, 10) };
  const set = component.spec.annotations ?? {};
  const amount = (which: string, fallback: string): string =>
    set[`${proxyResources}-${which}`] ?? fallback;
  return {
    name: 'proxy',
    image: 'quay.io/bentoml/bentoml-proxy:0.0.1',
    command: ['envoy', '--config-path', '/etc/envoy/envoy.yaml'],
    ports: [{ name: 'http-proxy', containerPort: 3004 }],
    resources: {
      limits: {
        cpu: amount('limits-cpu', '300m'),
        memory: amount('limits-memory', '1000Mi')
      },
      requests: {
        cpu: amount('requests-cpu', '100m'),
        memory: amount('requests-memory', '200Mi')
      }
    },
    volumeMounts: [{ name: 'envoy-config', mountPath: '/etc/envoy' }],
    livenessProbe: probe,
    readinessProbe: probe
  };
}
