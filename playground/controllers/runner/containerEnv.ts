// SPDX-License-Identifier: BSD-3-Clause
import type { KubeClient } from '../kube/client';
import type { KubeObject } from '../kube/objects';
import type { ContainerSpec, EnvFromSource } from './types';

async function variablesFrom(
  client: KubeClient,
  namespace: string,
  source: EnvFromSource
): Promise<Record<string, string>> {
  const isSecret = source.secretRef !== undefined;
  const { name = '', optional } = source.secretRef ?? source.configMapRef ?? {};
  const kind = isSecret ? 'Secret' : 'ConfigMap';
  const found = await client.get<KubeObject>(kind, namespace, name);
  if (!found && !optional) {
    throw new Error(`${kind.toLowerCase()} "${name}" not found`);
  }
  return Object.fromEntries(
    Object.entries(found?.data ?? {}).map(([key, value]) => [
      (source.prefix ?? '') + key,
      isSecret ? Buffer.from(value, 'base64').toString('utf8') : value
    ])
  );
}

/**
 * A container's variables: those from Secrets and ConfigMaps in order, then its own on top.
 * @throws Error as a kubelet words it when one of them is not there.
 */
export async function containerEnv(
  client: KubeClient,
  namespace: string,
  { env = [], envFrom = [] }: ContainerSpec
): Promise<Record<string, string>> {
  const result: Record<string, string> = {};
  for (const source of envFrom) {
    Object.assign(result, await variablesFrom(client, namespace, source));
  }
  for (const { name, value = '' } of env) {
    result[name] = value;
  }
  return result;
}
