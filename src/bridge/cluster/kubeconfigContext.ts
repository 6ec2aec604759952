// SPDX-License-Identifier: BSD-3-Clause
import { load, YAMLException } from 'js-yaml';
import { readFile } from 'node:fs/promises';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { BentoError } from '../../domain/errors';

type Fields = Record<string, unknown>;

/** The parts of a kubeconfig that its current context names, with absolute paths. */
export interface KubeconfigContext {
  /** Files it came from, as KUBECONFIG would list them. */
  path: string;
  context: string;
  namespace?: string;
  cluster: Fields & { server: string };
  /** Empty when the context names no user. */
  user: Fields;
  userName: string;
}

const LISTS = ['contexts', 'clusters', 'users'] as const;
type Lists = Record<(typeof LISTS)[number], Map<string, Fields>>;

/**
 * Reads the files, merges them as kubectl does (the first to name something
 * wins) and picks what the current context names; nothing else is looked at,
 * so that a broken entry elsewhere does no harm.
 *
 * @throws BentoError `kubeconfigInvalid` or `contextMissing`, both naming the file.
 */
export async function readKubeconfigContext(
  files: string[]
): Promise<KubeconfigContext> {
  const lists: Lists = {
    contexts: new Map(),
    clusters: new Map(),
    users: new Map()
  };
  let current = '';
  for (const file of files) {
    const content = await readYaml(file);
    current ||= text(content['current-context']) ?? '';
    LISTS.forEach(list => merge(lists[list], content[list], dirname(file)));
  }
  return pick({ path: files.join(delimiter), current, lists });
}

function pick(o: {
  path: string;
  current: string;
  lists: Lists;
}): KubeconfigContext {
  const { path, current, lists } = o;
  const context = fields(lists.contexts.get(current)?.context);
  if (current === '' || context === undefined) {
    const reason =
      current === ''
        ? 'has no current context.'
        : `has "${current}" as current context, which it does not hold.`;
    throw new BentoError('contextMissing', {
      params: { path, reason, contexts: known(lists.contexts) }
    });
  }
  const invalid = (reason: string) =>
    new BentoError('kubeconfigInvalid', { params: { path, reason } });
  const clusterName = text(context.cluster) ?? '';
  const cluster = fields(lists.clusters.get(clusterName)?.cluster);
  if (cluster === undefined) {
    throw invalid(
      `context "${current}" names the cluster "${clusterName}"; there are: ${known(lists.clusters)}.`
    );
  }
  const server = serverOf(cluster);
  if (server === undefined) {
    throw invalid(
      `cluster "${clusterName}" has no "server" with http:// or https://.`
    );
  }
  const userName = text(context.user) ?? '';
  if (userName !== '' && !lists.users.has(userName)) {
    throw invalid(
      `context "${current}" names the user "${userName}"; there are: ${known(lists.users)}.`
    );
  }
  return {
    path,
    context: current,
    namespace: text(context.namespace),
    cluster: { ...cluster, server },
    user: fields(lists.users.get(userName)?.user) ?? {},
    userName
  };
}

async function readYaml(path: string): Promise<Fields> {
  let reason: string;
  try {
    const content = fields(load(await readFile(path, 'utf8')));
    if (content) {
      return content;
    }
    reason = 'it is empty or no YAML map.';
  } catch (error) {
    // The parser's own message shows the lines around the place: they may hold a token.
    reason =
      error instanceof YAMLException
        ? `line ${error.mark.line + 1}: ${error.reason}.`
        : `it cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'}).`;
  }
  throw new BentoError('kubeconfigInvalid', { params: { path, reason } });
}

function merge(into: Map<string, Fields>, list: unknown, folder: string): void {
  for (const entry of Array.isArray(list) ? list : []) {
    const named = fields(entry);
    const name = text(named?.name);
    if (named && name !== undefined && !into.has(name)) {
      into.set(name, withAbsolutePaths(named, folder));
    }
  }
}

const PATHS = [
  'certificate-authority',
  'client-certificate',
  'client-key',
  'tokenFile'
];

/** Paths in a kubeconfig count from its own folder; a command only if it is a path. */
function withAbsolutePaths(named: Fields, folder: string): Fields {
  const absolute = (path: string) =>
    isAbsolute(path) ? path : join(folder, path);
  const mapped = { ...named };
  for (const part of ['cluster', 'user']) {
    const inner = fields(named[part]);
    if (!inner) {
      continue;
    }
    const changed = { ...inner };
    for (const key of PATHS) {
      const path = text(inner[key]);
      if (path !== undefined) {
        changed[key] = absolute(path);
      }
    }
    const exec = fields(inner.exec);
    const command = text(exec?.command);
    if (exec && command?.includes('/')) {
      changed.exec = { ...exec, command: absolute(command) };
    }
    mapped[part] = changed;
  }
  return mapped;
}

/** The address without credentials and without a slash at the end. */
function serverOf(cluster: Fields): string | undefined {
  const server = text(cluster.server) ?? '';
  if (!/^https?:\/\//i.test(server) || !URL.canParse(server)) {
    return undefined;
  }
  const url = new URL(server);
  return `${url.protocol}//${url.host}${url.pathname}`.replace(/\/+$/, '');
}

function known(list: Map<string, Fields>): string {
  return [...list.keys()].join(', ') || 'none';
}

function fields(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
