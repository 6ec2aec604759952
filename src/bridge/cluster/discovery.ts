// SPDX-License-Identifier: BSD-3-Clause
import { apiFailure } from './apiErrors';
import type { KubeClient } from './client';
import { KINDS } from './kinds';

/** A custom resource that is not served in the version needed. */
export interface MissingCrd {
  /** Name of the CRD, for instance `bentoes.resources.yatai.ai`, with the version when another one is served. */
  crd: string;
  group: string;
}

const NEEDED = [KINDS.bentoRequests, KINDS.bentoes, KINDS.bentoDeployments];

/**
 * Asks which of the custom resources are missing; none when all are served.
 * By discovery (`GET /apis/<group>/<version>`), which every account may do.
 */
export async function crdsInstalled(client: KubeClient): Promise<MissingCrd[]> {
  const groups = new Map(NEEDED.map(kind => [kind.group, kind.version]));
  const answers = await Promise.all(
    [...groups].map(async ([group, version]) => ({
      group,
      version,
      ...(await discover(client, group, version))
    }))
  );
  return answers.flatMap(({ group, version, served, otherVersion }) =>
    NEEDED.filter(
      kind => kind.group === group && !served.has(kind.resource)
    ).map(({ resource }) => ({
      crd: `${resource}.${group}${otherVersion ? ` in version ${version}` : ''}`,
      group
    }))
  );
}

async function discover(
  client: KubeClient,
  group: string,
  version: string
): Promise<{ served: Set<string>; otherVersion: boolean }> {
  const found = await orAbsent(
    client.get<{ resources?: { name: string }[] }>(`/apis/${group}/${version}`)
  );
  if (found) {
    const names = (found.resources ?? []).map(({ name }) => name);
    return { served: new Set(names), otherVersion: false };
  }
  const other = await orAbsent(client.get(`/apis/${group}`));
  return { served: new Set(), otherVersion: other !== undefined };
}

async function orAbsent<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (apiFailure(error)?.status === 404) {
      return undefined;
    }
    throw error;
  }
}
