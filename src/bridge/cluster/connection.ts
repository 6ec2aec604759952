// SPDX-License-Identifier: BSD-3-Clause
import type { Agent } from 'node:https';
import { BentoError } from '../../domain/errors';
import type { Settings } from '../settings';
import { connectByKubeconfig } from './kubeconfigConnection';
import { findKubeconfigs } from './kubeconfigFiles';
import { connectByServiceAccount } from './serviceAccount';

export { resolveNamespace } from './namespace';

/** What of the settings tells where the cluster is. */
export type ClusterSettings = Pick<
  Settings,
  'namespace' | 'serviceAccountDir' | 'env'
>;

/** Where a namespace was found. */
export type NamespaceSource =
  'setting' | 'service account' | 'kubeconfig' | 'NB_PREFIX' | 'none';

/** TLS options of a connection, as `node:tls` takes them. */
export interface ConnectionTls {
  ca?: string | Buffer;
  cert?: string | Buffer;
  key?: string | Buffer;
  servername?: string;
  rejectUnauthorized?: boolean;
}

/** Address and credentials of an API server. */
export interface Connection {
  /** Base address without credentials and without a slash at the end; may have a path. */
  readonly server: string;
  /** The namespace that comes with the credentials. */
  readonly namespace?: { name: string; source: NamespaceSource };
  /** Changes (as an object) when certificates were renewed. */
  readonly tls: ConnectionTls;
  /** Set where a proxy lies between; to be used instead of an agent of one's own. */
  readonly agent?: Agent;
  /**
   * Headers that identify us; read anew each time.
   * @throws BentoError `credentialFailed` or `execPluginMissing`.
   */
  headers(): Promise<Record<string, string>>;
  /** Forgets what is kept of the credentials, after a 401. */
  refresh?(): Promise<void>;
}

/**
 * Finds the API server and our credentials. In this order: the service account
 * folder if the setting names one, the files that KUBECONFIG names, the
 * service account of the pod, `~/.kube/config`. So a pod's own account is
 * preferred unless something else was asked for.
 *
 * @throws BentoError `noCluster` when there is none of them; `kubeconfigInvalid`,
 *   `contextMissing`, `execPluginMissing` or `credentialFailed` when the one
 *   found cannot be used.
 */
export async function connect(settings: ClusterSettings): Promise<Connection> {
  const { env, serviceAccountDir } = settings;
  const asked = (env.JUPYTERLAB_BENTO_SERVICE_ACCOUNT_DIR ?? '').trim() !== '';
  const explicitKubeconfig = (env.KUBECONFIG ?? '').trim() !== '';
  if (asked || !explicitKubeconfig) {
    const found = await connectByServiceAccount({
      folder: serviceAccountDir,
      env,
      required: asked
    });
    if (found) {
      return found;
    }
  }
  const files = findKubeconfigs(env);
  if (files.length === 0) {
    throw new BentoError('noCluster');
  }
  return connectByKubeconfig(files, env);
}
