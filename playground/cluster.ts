// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as path from 'node:path';

import type { ApiAccess } from './api';
import { askApi } from './api';
import { adminKubeconfig } from './control-plane';
import { repositoryRoot } from './paths';
import { run } from './run';
import type { Programs } from './servers';
import { waitFor } from './wait';

/** The profile's namespace; the files in `cluster/` name it and the node too. */
export const profileNamespace = 'ds';
/** The one node. */
export const nodeName = 'playground';

function objectFiles(programs: Programs): string[] {
  const here = path.join(repositoryRoot, 'playground');
  const crds = path.join(here, 'servers', 'crds', 'yaml');
  return [
    programs.kwokFile('kwok.x-k8s.io_portforwards.yaml'),
    programs.kwokFile('kwok.x-k8s.io_logs.yaml'),
    ...fs.readdirSync(crds).map(file => path.join(crds, file)),
    path.join(here, 'cluster', 'kubeflow-roles.yaml'),
    path.join(repositoryRoot, 'deploy', 'cluster-roles.yaml'),
    path.join(here, 'cluster', 'profile.yaml'),
    path.join(here, 'cluster', 'node.yaml')
  ];
}

/** Resolves once the API server says that it is ready. */
export async function apiReady(admin: ApiAccess): Promise<void> {
  await waitFor(
    async () =>
      (await askApi(admin, 'GET', '/readyz')).status === 200 ? 1 : undefined,
    {
      what: 'the API server to be ready',
      timeoutMs: 60_000
    }
  );
}

/** Creates every object that a fresh cluster needs: kinds, roles, the profile, the node. */
export async function createObjects(
  dataDir: string,
  programs: Programs
): Promise<void> {
  const files = objectFiles(programs).flatMap(file => ['-f', file]);
  await kubectlCreate(dataDir, programs, files);
}

/** Creates one object given as data. */
export async function createObject(
  dataDir: string,
  programs: Programs,
  object: object
): Promise<void> {
  await kubectlCreate(dataDir, programs, ['-f', '-'], JSON.stringify(object));
}

async function kubectlCreate(
  dataDir: string,
  programs: Programs,
  files: readonly string[],
  input?: string
): Promise<void> {
  // A cache folder of its own: the one in the home folder is keyed by address, and ports come again.
  const config = [
    `--kubeconfig=${adminKubeconfig(dataDir)}`,
    `--cache-dir=${path.join(dataDir, 'kubectl-cache')}`
  ];
  await run(programs.path('kubectl'), ['create', ...config, ...files], {
    input
  });
}

interface Node {
  status?: {
    addresses?: { type: string }[];
    daemonEndpoints?: { kubeletEndpoint?: { Port?: number } };
    conditions?: { type: string; status: string }[];
  };
}

/**
 * Whether the node is Ready, and forwards and logs will find their way: the API server looks up the
 * node's address and port for them, and KWOK has to listen there. (Its proxy to nodes cannot be
 * asked: it refuses addresses on loopback.)
 */
export async function nodeReady(
  admin: ApiAccess,
  kwokPort: number
): Promise<boolean> {
  const { status, body } = await askApi(
    admin,
    'GET',
    `/api/v1/nodes/${nodeName}`
  );
  const node = status === 200 ? (body as Node).status : undefined;
  const ready = node?.conditions?.some(
    ({ type, status }) => type === 'Ready' && status === 'True'
  );
  const addressed = node?.addresses?.some(({ type }) => type === 'InternalIP');
  if (
    !ready ||
    !addressed ||
    node?.daemonEndpoints?.kubeletEndpoint?.Port !== kwokPort
  ) {
    return false;
  }
  const health = `http://127.0.0.1:${String(kwokPort)}/healthz`;
  const answer = await fetch(health, { signal: AbortSignal.timeout(2_000) });
  return answer.ok;
}

/** Whether the API server answers 200 to a GET of that path. */
export async function exists(
  access: ApiAccess,
  path: string
): Promise<boolean> {
  return (await askApi(access, 'GET', path)).status === 200;
}

/** What the owner of a token is asked about. */
export interface Permission {
  verb: string;
  group: string;
  resource: string;
  subresource?: string;
  namespace: string;
}

/** Whether the owner of the token may do that, as the API server decides it. */
export async function mayI(
  access: ApiAccess,
  permission: Permission
): Promise<boolean> {
  const where = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
  const answer = await askApi(access, 'POST', where, {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes: permission }
  });
  return (
    (answer.body as { status?: { allowed?: boolean } }).status?.allowed === true
  );
}

/**
 * Resolves once the profile works: its kinds are served, its accounts exist, and its editor has
 * the rights that are collected from the roles.
 */
export async function profileReady(
  admin: ApiAccess,
  editor: ApiAccess
): Promise<void> {
  const namespace = profileNamespace;
  const paths = [
    `/apis/resources.yatai.ai/v1alpha1/namespaces/${namespace}/bentorequests`,
    `/apis/resources.yatai.ai/v1alpha1/namespaces/${namespace}/bentoes`,
    `/apis/serving.yatai.ai/v2alpha1/namespaces/${namespace}/bentodeployments`,
    `/api/v1/namespaces/${namespace}/serviceaccounts/default`
  ];
  const needed: Permission[] = [
    {
      verb: 'create',
      group: 'serving.yatai.ai',
      resource: 'bentodeployments',
      namespace
    },
    {
      verb: 'create',
      group: '',
      resource: 'pods',
      subresource: 'portforward',
      namespace
    },
    { verb: 'get', group: '', resource: 'pods', subresource: 'log', namespace }
  ];
  await waitFor(
    async () => {
      const found = await Promise.all(paths.map(path => exists(admin, path)));
      const granted = await Promise.all(
        needed.map(permission => mayI(editor, permission))
      );
      return [...found, ...granted].every(Boolean) ? true : undefined;
    },
    { what: `the profile ${namespace} to be ready`, timeoutMs: 30_000 }
  );
}
