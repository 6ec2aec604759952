// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';

import type { Instance } from '../instance';
import { KubeClient } from './kube/client';

/** A client with every right, for the controllers and for tests. */
export function adminClient(
  instance: Pick<Instance, 'apiServer' | 'caFile' | 'adminKubeconfig'>
): KubeClient {
  const config = JSON.parse(
    fs.readFileSync(instance.adminKubeconfig, 'utf8')
  ) as { users: { user: { token: string } }[] };
  const token = config.users[0]?.user.token ?? '';
  return new KubeClient(instance.apiServer, instance.caFile, token);
}
