// SPDX-License-Identifier: BSD-3-Clause
import { readFile } from 'node:fs/promises';
import type { Agent } from 'node:https';
import { BentoError } from '../../domain/errors';
import type { Connection, ConnectionTls } from './connection';
import { credentialError } from './credentialError';
import type { AppliedOptions } from './kubeconfig';
import {
  readKubeconfigContext,
  type KubeconfigContext
} from './kubeconfigContext';

/** How long headers and certificates are used before they are asked for again. */
const KEEP_MS = 30_000;
/** A program that asks a person something never answers here. */
const LIMIT_MS = 60_000;

interface Applied {
  at: number;
  headers: Record<string, string>;
  tls: ConnectionTls;
  agent?: Agent;
}

/**
 * The connection of a kubeconfig's current context: tokens, token files,
 * client certificates, exec plugins, the older auth providers and proxies as
 * the official library handles them. The files are read again after a 401.
 *
 * @throws BentoError `kubeconfigInvalid`, `contextMissing`, `execPluginMissing`
 *   or `credentialFailed`.
 */
export async function connectByKubeconfig(
  files: string[],
  env: NodeJS.ProcessEnv
): Promise<Connection> {
  const { loadKubeconfig } = await import('./kubeconfig');
  const load = async () => {
    const chosen = await readKubeconfigContext(files);
    return { chosen, ask: loadKubeconfig(libraryText(chosen)) };
  };
  let source = await load();
  let pending: Promise<Applied> | undefined;
  const applyNow = (): Promise<Applied> => {
    // One at a time, so that a program that hangs is not started again and again.
    pending ??= apply(source, env).finally(() => {
      pending = undefined;
    });
    return withinLimit(pending);
  };
  let applied = await applyNow();
  const { namespace } = source.chosen;
  return {
    server: source.chosen.cluster.server,
    namespace:
      namespace === undefined
        ? undefined
        : { name: namespace, source: 'kubeconfig' },
    get tls() {
      return applied.tls;
    },
    get agent() {
      return applied.agent;
    },
    async headers() {
      if (Date.now() - applied.at > KEEP_MS) {
        applied = keepSame(applied, await applyNow());
      }
      return { ...applied.headers, ...(await tokenOfFile(source.chosen.user)) };
    },
    async refresh() {
      source = await load();
      applied = keepSame(applied, await applyNow());
    }
  };
}

/** Only what the context names, in the form that the library reads. */
function libraryText(chosen: KubeconfigContext): string {
  const { cluster, user, userName } = chosen;
  // The library refuses plain http unless told that nothing is verified.
  const unverified =
    cluster['insecure-skip-tls-verify'] === true ||
    cluster.server.startsWith('http:');
  return JSON.stringify({
    'current-context': 'chosen',
    contexts: [
      {
        name: 'chosen',
        context: { cluster: 'chosen', user: userName || 'none' }
      }
    ],
    clusters: [
      {
        name: 'chosen',
        cluster: { ...cluster, 'insecure-skip-tls-verify': unverified }
      }
    ],
    users: [{ name: userName || 'none', user: withExecInfo(user, cluster) }]
  });
}

/**
 * Exec plugins are told what is asked of them in KUBERNETES_EXEC_INFO
 * (client.authentication.k8s.io, ExecCredential); some refuse to run without.
 */
function withExecInfo(
  user: KubeconfigContext['user'],
  cluster: KubeconfigContext['cluster']
): KubeconfigContext['user'] {
  const exec = user.exec as
    | {
        apiVersion?: string;
        env?: { name: string; value: string }[] | null;
        provideClusterInfo?: boolean;
      }
    | undefined;
  if (!exec) {
    return user;
  }
  const value = JSON.stringify({
    apiVersion: exec.apiVersion ?? 'client.authentication.k8s.io/v1',
    kind: 'ExecCredential',
    spec: {
      interactive: false,
      ...(exec.provideClusterInfo === true && {
        cluster: {
          server: cluster.server,
          'certificate-authority-data': cluster['certificate-authority-data']
        }
      })
    }
  });
  const env = [...(exec.env ?? []), { name: 'KUBERNETES_EXEC_INFO', value }];
  return { ...user, exec: { ...exec, env } };
}

async function apply(
  source: { chosen: KubeconfigContext; ask(): Promise<AppliedOptions> },
  env: NodeJS.ProcessEnv
): Promise<Applied> {
  const { chosen } = source;
  let options: AppliedOptions;
  try {
    options = await source.ask();
  } catch (error) {
    throw credentialError(error, { ...chosen, searchPath: env.PATH ?? '' });
  }
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    headers[name.toLowerCase()] = String(value).trim();
  }
  if (options.auth) {
    headers.authorization = `Basic ${Buffer.from(options.auth).toString('base64')}`;
  }
  return {
    at: Date.now(),
    headers,
    tls: {
      ca: options.ca as Buffer | undefined,
      cert: options.cert as Buffer | string | undefined,
      key: options.key as Buffer | string | undefined,
      servername: options.servername,
      rejectUnauthorized: options.rejectUnauthorized
    },
    agent: chosen.cluster['proxy-url'] ? (options.agent as Agent) : undefined
  };
}

/** The library knows token files under another key only and keeps their line ends. */
async function tokenOfFile(
  user: KubeconfigContext['user']
): Promise<Record<string, string>> {
  const file = user.tokenFile;
  if (typeof file !== 'string') {
    return {};
  }
  try {
    const token = (await readFile(file, 'utf8')).trim();
    return { authorization: `Bearer ${token}` };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new BentoError('credentialFailed', {
      params: { reason: `${file} cannot be read (${code ?? 'unknown'}).` }
    });
  }
}

/** Keeps the old TLS options and proxy while nothing changed, so that connections are kept. */
function keepSame(before: Applied, now: Applied): Applied {
  const text = ({ tls }: Applied) =>
    [tls.ca, tls.cert, tls.key].map(part => String(part ?? '')).join('\n');
  return text(before) === text(now)
    ? { ...now, tls: before.tls, agent: before.agent }
    : now;
}

async function withinLimit(work: Promise<Applied>): Promise<Applied> {
  let handle: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    handle = setTimeout(() => {
      const reason = `the program that the kubeconfig names has not answered within ${LIMIT_MS / 1000} s.`;
      reject(new BentoError('credentialFailed', { params: { reason } }));
    }, LIMIT_MS);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(handle);
  }
}
