// SPDX-License-Identifier: BSD-3-Clause
import { BentoError } from '../domain/errors';
import type { Environment } from '../protocol';
import { KubeClient } from './cluster/client';
import {
  connect,
  type Connection,
  resolveNamespace
} from './cluster/connection';
import { NamespaceWatch } from './cluster/namespaceWatch';
import type { Settings } from './settings';
import { Store } from './store/store';
import { storeHome } from './store/home';
import { Storage } from './storage/storage';

/**
 * What the parts of the bridge share, made on first use: nothing is loaded,
 * connected or watched before someone asks for it.
 */
export class Context {
  readonly storage: Storage;
  private connecting?: Promise<{ connection: Connection; client: KubeClient }>;
  private readonly watches = new Map<string, NamespaceWatch>();
  private readonly stores = new Map<string, Store>();

  constructor(readonly settings: Settings) {
    this.storage = new Storage(settings);
  }

  /** The store under a BENTOML_HOME; the bridge's own when absent. */
  store(home?: string): Store {
    const folder = storeHome(home ?? this.settings.home, this.settings.env);
    const store =
      this.stores.get(folder) ??
      new Store({ home: folder, cacheDir: this.settings.cacheDir });
    this.stores.set(folder, store);
    return store;
  }

  /** The cluster; throws `noCluster` or `credentialFailed`, and tries anew the next time. */
  cluster(): Promise<{ connection: Connection; client: KubeClient }> {
    this.connecting ??= connect(this.settings)
      .then(connection => ({ connection, client: new KubeClient(connection) }))
      .catch((error: unknown) => {
        this.connecting = undefined;
        throw error;
      });
    return this.connecting;
  }

  /** The namespace to work in; throws `noNamespace` when none is known. */
  async namespace(given?: string): Promise<string> {
    if (given !== undefined) {
      return given;
    }
    const { connection } = await this.cluster();
    const { name } = resolveNamespace(this.settings, connection);
    if (name === undefined) {
      throw new BentoError('noNamespace');
    }
    return name;
  }

  /** The watch of a namespace; it runs while someone has acquired it. */
  async watch(namespace: string): Promise<NamespaceWatch> {
    const { client } = await this.cluster();
    const watch =
      this.watches.get(namespace) ?? new NamespaceWatch({ client, namespace });
    this.watches.set(namespace, watch);
    return watch;
  }

  /** What was found where, for a first look and for `%bento status`. */
  async environment(): Promise<Environment> {
    const found = await this.cluster().catch(() => undefined);
    const { name, source } = resolveNamespace(this.settings, found?.connection);
    return {
      namespace: name,
      namespaceSource: source,
      apiServer: found?.connection.server ?? '',
      home: storeHome(this.settings.home, this.settings.env),
      destination: this.settings.destination,
      endpoint: this.settings.endpoint
    };
  }
}
