// SPDX-License-Identifier: BSD-3-Clause
import * as http from 'node:http';
import * as https from 'node:https';
import { type NamespaceView, Target } from './target';
import type { ApiConnection } from './tunnel';

/** What tunnels need of the cluster; both are asked for on first use. */
export interface TunnelsOptions {
  connection(): Promise<ApiConnection>;
  /** The watch of a namespace; the same one at each call. */
  watch(namespace: string): Promise<NamespaceView>;
}

/** All deployments that are reached through the API server, each as a {@link Target}. */
export class Tunnels {
  private readonly agents = new Map<string, http.Agent>();
  private readonly targets = new Map<string, Target>();

  constructor(private readonly options: TunnelsOptions) {}

  /**
   * The far end for a deployment; it need not exist (yet).
   * @throws BentoError when no cluster is configured.
   */
  async target(namespace: string, name: string): Promise<Target> {
    const key = `${namespace}/${name}`;
    const connection = await this.options.connection();
    const view = await this.options.watch(namespace);
    let target = this.targets.get(key);
    if (!target) {
      const apiAgent = this.apiAgent(connection.server);
      target = new Target({ namespace, name, connection, apiAgent, view });
      this.targets.set(key, target);
    }
    return target;
  }

  /** Closes every tunnel. */
  close(): void {
    for (const target of this.targets.values()) {
      target.close();
    }
    this.targets.clear();
    for (const agent of this.agents.values()) {
      agent.destroy();
    }
    this.agents.clear();
  }

  /** An upgraded connection is never reused; the agent is there so that TLS sessions are resumed. */
  private apiAgent(server: string): http.Agent {
    let agent = this.agents.get(server);
    if (!agent) {
      agent = server.startsWith('http:')
        ? new http.Agent()
        : new https.Agent({ maxCachedSessions: 4 });
      this.agents.set(server, agent);
    }
    return agent;
  }
}
