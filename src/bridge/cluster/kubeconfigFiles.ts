// SPDX-License-Identifier: BSD-3-Clause
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { BentoError } from '../../domain/errors';

/**
 * The kubeconfig files to read, first wins. Of those that KUBECONFIG names the
 * missing ones are left out, as kubectl does. Empty when there is none.
 * @throws BentoError `kubeconfigInvalid` when KUBECONFIG names only missing ones.
 */
export function findKubeconfigs(env: NodeJS.ProcessEnv): string[] {
  const named = (env.KUBECONFIG ?? '')
    .split(delimiter)
    .map(file => file.trim())
    .filter(file => file !== '');
  if (named.length > 0) {
    const found = named.filter(file => existsSync(file));
    if (found.length === 0) {
      throw new BentoError('kubeconfigInvalid', {
        params: {
          path: named.join(delimiter),
          reason: 'there is no such file.'
        }
      });
    }
    return found;
  }
  const usual = env.HOME ? join(env.HOME, '.kube', 'config') : '';
  return usual !== '' && existsSync(usual) ? [usual] : [];
}
