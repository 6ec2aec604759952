// SPDX-License-Identifier: BSD-3-Clause
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type {
  ClusterSettings,
  Connection,
  NamespaceSource
} from './connection';

/** A namespace and where it was found; no name with source `none`. */
export interface FoundNamespace {
  name?: string;
  source: NamespaceSource;
}

/**
 * The namespace to work in: the setting, else what comes with the credentials
 * in use (service account file or kubeconfig context), else the service
 * account file, else the one in NB_PREFIX, which Kubeflow sets to
 * `/notebook/<namespace>/<name>`. Never `default` by itself.
 */
export function resolveNamespace(
  settings: ClusterSettings,
  connection?: Connection
): FoundNamespace {
  if (settings.namespace) {
    return { name: settings.namespace, source: 'setting' };
  }
  if (connection?.namespace) {
    return connection.namespace;
  }
  const mounted = readNamespaceFile(settings.serviceAccountDir);
  if (mounted !== undefined) {
    return { name: mounted, source: 'service account' };
  }
  const prefix = namespaceOfPrefix(settings.env.NB_PREFIX ?? '');
  return prefix === undefined
    ? { source: 'none' }
    : { name: prefix, source: 'NB_PREFIX' };
}

/** The namespace that the kubelet wrote; undefined when there is none. */
export function readNamespaceFile(folder: string): string | undefined {
  try {
    return readFileSync(join(folder, 'namespace'), 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}

/** `/notebook/<namespace>/<name>`, and `/workspace/connect/<namespace>/<name>/<port>` of newer ones. */
function namespaceOfPrefix(prefix: string): string | undefined {
  return /(?:^|\/)(?:notebook|workspace\/connect)\/([a-z0-9][-a-z0-9]{0,62})\/[^/]/.exec(
    prefix
  )?.[1];
}
