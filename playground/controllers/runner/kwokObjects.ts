// SPDX-License-Identifier: BSD-3-Clause
import type { KubeClient } from '../kube/client';
import { KubeError } from '../kube/client';
import type { Kind, KubeObject, Stored } from '../kube/objects';
import { apiVersionOf } from '../kube/objects';
import type { Pod } from './types';

/** The port of a Service that leads past the proxy; forwards to it reach the same server. */
const nonProxyPort = 3001;

/** The log files of one container. */
export interface ContainerLogs {
  container: string;
  file: string;
  /** Of the start before this one. */
  previous?: string;
}

/** KWOK's object that says where port-forwards to a pod lead. */
export function portForward(
  pod: Stored<Pod>,
  ports: ReadonlyMap<number, number>
): KubeObject {
  const main = ports.get(3000);
  const all = [
    ...ports,
    ...(main === undefined ? [] : [[nonProxyPort, main] as const])
  ];
  return {
    ...named('PortForward', pod),
    spec: {
      forwards: all.map(([port, local]) => ({
        ports: [port],
        target: { address: '127.0.0.1', port: local }
      }))
    }
  };
}

/** KWOK's object that says where the logs of a pod's containers are. */
export function podLogs(
  pod: Stored<Pod>,
  logs: readonly ContainerLogs[]
): KubeObject {
  return {
    ...named('Logs', pod),
    spec: {
      logs: logs.map(({ container, file, previous }) => ({
        containers: [container],
        logsFile: file,
        ...(previous ? { previousLogsFile: previous } : {}),
        follow: true
      }))
    }
  };
}

function named(kind: Kind, pod: Stored<Pod>): KubeObject {
  const { name, namespace } = pod.metadata;
  const metadata = { name, namespace };
  return { apiVersion: apiVersionOf(kind), kind, metadata };
}

/** Writes one of these objects, over what an earlier run may have left. */
export async function putObject(
  client: KubeClient,
  object: KubeObject
): Promise<void> {
  try {
    await client.create(object);
  } catch (error) {
    if (!(error instanceof KubeError && error.status === 409)) {
      throw error;
    }
    const { name, namespace = '' } = object.metadata;
    const kind = object.kind as Kind;
    await client.patch({ kind, namespace, name }, { spec: object.spec });
  }
}

/** Removes both objects of a pod. */
export async function removeObjects(
  client: KubeClient,
  pod: Stored<Pod>
): Promise<void> {
  const { name, namespace } = pod.metadata;
  await Promise.all(
    (['PortForward', 'Logs'] as const).map(kind =>
      client.delete({ kind, namespace, name })
    )
  );
}
