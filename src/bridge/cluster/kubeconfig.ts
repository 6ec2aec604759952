// SPDX-License-Identifier: BSD-3-Clause
// The only file that loads @kubernetes/client-node: it is big, so it becomes a
// bundle of its own, read when a kubeconfig is what leads to the cluster. Its
// generated API code is not needed here and is left out of that bundle.
import { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import type { RequestOptions } from 'node:https';

/** What the library adds to a request: headers, basic credentials, TLS options, an agent. */
export type AppliedOptions = RequestOptions & { servername?: string };

/**
 * Loads a kubeconfig given as text. The returned function applies the
 * credentials of its current context to new request options each time: reads
 * files, runs exec plugins and renews tokens when they have expired.
 *
 * It throws whatever the library, the file system or the plugin throws. (No
 * error type of ours: this bundle has no part in the main one's classes.)
 */
export function loadKubeconfig(text: string): () => Promise<AppliedOptions> {
  const config = new KubeConfig();
  config.loadFromString(text);
  return async () => {
    const options: AppliedOptions = { headers: {} };
    await config.applyToHTTPSOptions(options);
    return options;
  };
}
