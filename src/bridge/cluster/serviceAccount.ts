// SPDX-License-Identifier: BSD-3-Clause
import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { BentoError } from '../../domain/errors';
import type { Connection, ConnectionTls } from './connection';
import { readNamespaceFile } from './namespace';

/** Where to look for a service account, and whether it must be there. */
export interface ServiceAccountOptions {
  /** Folder with `token`, `ca.crt` and `namespace` as the kubelet mounts it. */
  folder: string;
  env: NodeJS.ProcessEnv;
  required: boolean;
}

/**
 * The connection of a pod: address from KUBERNETES_SERVICE_HOST and _PORT, the
 * token read again for each request since the kubelet renews it, the
 * certificate authority after each refresh.
 *
 * @returns undefined when this is no pod and it is not required.
 * @throws BentoError `credentialFailed` when it is required and something is missing.
 */
export async function connectByServiceAccount(
  options: ServiceAccountOptions
): Promise<Connection | undefined> {
  const { folder, env, required } = options;
  const server = serverAddress(env);
  const token = join(folder, 'token');
  try {
    if (server === undefined) {
      throw failed('KUBERNETES_SERVICE_HOST is not set.');
    }
    await readToken(token);
  } catch (error) {
    if (required) {
      throw error;
    }
    return undefined;
  }
  const name = readNamespaceFile(folder);
  let tls = await readAuthority(folder);
  return {
    server,
    namespace:
      name === undefined ? undefined : { name, source: 'service account' },
    get tls() {
      return tls;
    },
    async headers() {
      return { authorization: `Bearer ${await readToken(token)}` };
    },
    async refresh() {
      const fresh = await readAuthority(folder);
      // The same object while nothing changed, so that connections are kept.
      tls = fresh.ca === tls.ca ? tls : fresh;
    }
  };
}

function serverAddress(env: NodeJS.ProcessEnv): string | undefined {
  const host = (env.KUBERNETES_SERVICE_HOST ?? '').trim();
  if (host === '') {
    return undefined;
  }
  const port = (env.KUBERNETES_SERVICE_PORT ?? '').trim() || '443';
  return `https://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

async function readToken(file: string): Promise<string> {
  let token: string;
  try {
    token = (await readFile(file, 'utf8')).trim();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw failed(`${file} cannot be read (${code ?? 'unknown'}).`);
  }
  if (token === '') {
    throw failed(`${file} is empty.`);
  }
  return token;
}

/** Without `ca.crt` the system's authorities count, as in other clients. */
async function readAuthority(folder: string): Promise<ConnectionTls> {
  try {
    const ca = await readFile(join(folder, 'ca.crt'), 'utf8');
    return ca.trim() === '' ? {} : { ca };
  } catch {
    return {};
  }
}

function failed(reason: string): BentoError {
  return new BentoError('credentialFailed', { params: { reason } });
}
