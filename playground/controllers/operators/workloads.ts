// SPDX-License-Identifier: BSD-3-Clause
import type { KubeObject, ObjectMeta, Stored } from '../kube/objects';
import { controlledBy } from '../kube/objects';
import type { Component } from './component';
import {
  componentsOf,
  containerResources,
  selectorLabel,
  targetTypeLabel
} from './component';
import type { RunnerService } from './containers';
import {
  defaultPort,
  mainContainer,
  metricsContainer,
  proxyContainer
} from './containers';
import { halfOfMemory } from './quantities';
import type { Bento, BentoDeployment } from './types';

/** Values of the annotation that chooses how pods are replaced. */
const strategies: Record<string, object> = {
  Recreate: { type: 'Recreate' },
  RampedSlowRollout: {
    type: 'RollingUpdate',
    rollingUpdate: { maxUnavailable: 0, maxSurge: 1 }
  }
};
const defaultStrategy = {
  type: 'RollingUpdate',
  rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' }
};

function metadataOf(component: Component, name: string): ObjectMeta {
  return {
    name,
    namespace: component.namespace,
    labels: component.labels,
    annotations: component.annotations,
    ownerReferences: [component.owner]
  };
}

function envoyConfigName(deploymentName: string): string {
  return `${deploymentName}-envoy-config`;
}

function podTemplate(
  component: Component,
  runners: readonly RunnerService[]
): object {
  const { spec } = component;
  const memory = containerResources(spec.resources).limits.memory ?? '';
  const isApiServer = component.runner === undefined;
  const envoy = { name: envoyConfigName(component.deploymentName) };
  const { containers: extraContainers = [], ...extra } =
    spec.extraPodSpec ?? {};
  return {
    metadata: {
      labels: {
        ...component.labels,
        ...spec.extraPodMetadata?.labels,
        [selectorLabel]: component.name
      },
      annotations: component.annotations
    },
    spec: {
      serviceAccountName: component.serviceAccount,
      ...(component.pullSecrets
        ? { imagePullSecrets: component.pullSecrets }
        : {}),
      ...extra,
      volumes: [
        {
          name: 'shared-memory',
          emptyDir: {
            medium: 'Memory',
            sizeLimit: halfOfMemory(memory) ?? '64Mi'
          }
        },
        ...(isApiServer ? [{ name: 'envoy-config', configMap: envoy }] : [])
      ],
      containers: [
        mainContainer(component, runners),
        metricsContainer(component),
        ...(isApiServer ? [proxyContainer(component)] : []),
        ...extraContainers
      ]
    }
  };
}

function deploymentObject(
  component: Component,
  runners: readonly RunnerService[]
): KubeObject {
  const strategy =
    component.spec.annotations?.['yatai.ai/deployment-strategy'] ?? '';
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: metadataOf(component, component.name),
    // No count of replicas: each update sets it back to one.
    spec: {
      selector: { matchLabels: { [selectorLabel]: component.name } },
      template: podTemplate(component, runners),
      strategy: strategies[strategy] ?? defaultStrategy
    }
  };
}

/** Without settings one pod and no more; `behavior` is dropped. */
function scaler(component: Component): KubeObject {
  const {
    minReplicas = 1,
    maxReplicas = 1,
    metrics
  } = component.spec.autoscaling ?? {};
  const target = { type: 'Utilization', averageUtilization: 80 };
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: metadataOf(component, component.name),
    spec: {
      scaleTargetRef: {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        name: component.name
      },
      minReplicas,
      maxReplicas,
      metrics: metrics?.length
        ? metrics
        : [{ type: 'Resource', resource: { name: 'cpu', target } }]
    }
  };
}

function service(component: Component): KubeObject {
  const selector = Object.fromEntries(
    Object.entries(component.labels).filter(
      ([label]) => component.runner !== undefined || label !== targetTypeLabel
    )
  );
  const port = (name: string, number: number): object => ({
    name,
    port: number,
    targetPort: 'http',
    protocol: 'TCP'
  });
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadataOf(component, component.service),
    spec: {
      selector,
      ports: [port('http', Number(defaultPort)), port('http-non-proxy', 3001)]
    }
  };
}

/** A configuration of the sidecar that passes everything on to the server; nothing here runs it. */
function envoyConfig(deployment: Stored<BentoDeployment>): KubeObject {
  const { name, namespace } = deployment.metadata;
  const address = (host: string, port: string): string =>
    `{ socket_address: { address: ${host}, port_value: ${port} } }`;
  const text = `admin: { address: ${address('127.0.0.1', '9901')} }
static_resources:
  listeners:
    - address: ${address('0.0.0.0', '3004')}
      filter_chains:
        - filters:
            - name: envoy.filters.network.tcp_proxy
              typed_config:
                '@type': type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                stat_prefix: http
                cluster: production
  clusters:
    - name: production
      load_assignment:
        cluster_name: production
        endpoints: [{ lb_endpoints: [{ endpoint: { address: ${address('127.0.0.1', defaultPort)} } }] }]
`;
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: envoyConfigName(name),
      namespace,
      ownerReferences: [controlledBy(deployment)]
    },
    data: { 'envoy.yaml': text }
  };
}

/**
 * Everything that yatai-deployment 1.1.21 makes of a deployment, in the order in which it applies
 * it: for each runner Deployment, HPA and Service, then the ConfigMap, then the API server's three.
 * @param serviceAccount for pods whose component names none.
 */
export function desiredObjects(
  deployment: Stored<BentoDeployment>,
  bento: Bento,
  serviceAccount: string
): KubeObject[] {
  const components = componentsOf(deployment, bento, serviceAccount);
  const runners = components.flatMap(({ runner, service }) =>
    runner === undefined ? [] : [{ runner, service }]
  );
  return components.flatMap(component => [
    ...(component.runner === undefined ? [envoyConfig(deployment)] : []),
    deploymentObject(component, runners),
    scaler(component),
    service(component)
  ]);
}
