// SPDX-License-Identifier: BSD-3-Clause
import type { Resources } from '../protocol';
import type { BentoDeploymentSpec } from './objects';
import {
  BUILDER_DEFAULTS,
  fullResources,
  type FullResources,
  parseQuantity
} from './quantities';

/** A `v1` ResourceQuota, as far as it is read: quantities by resource name. */
export interface Quota {
  name: string;
  hard: Record<string, string>;
  used: Record<string, string>;
}

/** A resource of a quota that a deploy does not fit into. */
export interface QuotaProblem {
  quota: string;
  /** Whether no deletion by others can help: more is needed than the quota allows in all. */
  certain: boolean;
  /** One sentence with the numbers. */
  text: string;
}

/** Sidecars that the deployment operator (1.1.21) adds: one per pod, and a proxy before the API server. */
const METRICS: FullResources = {
  requests: { cpu: '10m', memory: '10Mi' },
  limits: { cpu: '100m', memory: '100Mi' }
};
const PROXY: FullResources = {
  requests: { cpu: '100m', memory: '200Mi' },
  limits: { cpu: '300m', memory: '1000Mi' }
};

const SYNONYMS: Record<string, string> = {
  cpu: 'requests.cpu',
  memory: 'requests.memory',
  'count/pods': 'pods',
  'count/services': 'services'
};

type Needs = Record<string, number>;

/**
 * What a deploy adds to the namespace at least, by the names that quotas use:
 * CPUs, bytes and counts. The build ends before the service starts, so the
 * larger of the two counts. A mesh may add sidecars of its own.
 */
export function deployNeeds(
  deployment: BentoDeploymentSpec,
  builder: Resources | undefined | 'none'
): Needs {
  const { autoscaling, resources, runners = [] } = deployment;
  const needs: Needs = { services: runners.length + 1 };
  needs['count/deployments.apps'] = runners.length + 1;
  add(needs, autoscaling.minReplicas, resources, METRICS, PROXY);
  runners.forEach(runner =>
    add(needs, runner.autoscaling.minReplicas, runner.resources, METRICS)
  );
  if (builder === 'none') {
    return needs;
  }
  const build: Needs = {};
  add(build, 1, fullResources(builder, BUILDER_DEFAULTS, 'builder'));
  return Object.fromEntries(
    Object.keys({ ...needs, ...build }).map(key => [
      key,
      Math.max(needs[key] ?? 0, build[key] ?? 0)
    ])
  );
}

/** Where `needs` do not fit into the quotas of a namespace. */
export function quotaProblems(
  quotas: readonly Quota[],
  needs: Needs
): QuotaProblem[] {
  return quotas.flatMap(quota =>
    Object.entries(quota.hard).flatMap(([resource, hardText]) => {
      const need = needs[SYNONYMS[resource] ?? resource];
      if (need === undefined) {
        return [];
      }
      const hard = parseQuantity(hardText, resource);
      const used = parseQuantity(quota.used[resource] ?? '0', resource);
      const left = Math.max(0, hard - used);
      if (need <= left + 1e-9) {
        return [];
      }
      const show = (value: number) => amount(resource, value);
      return [
        {
          quota: quota.name,
          certain: need > hard + 1e-9,
          text: `${show(need)} of ${resource} are needed, ${show(left)} of ${show(hard)} are free.`
        }
      ];
    })
  );
}

function add(
  needs: Needs,
  pods: number,
  ...containers: { requests: object; limits: object }[]
): void {
  needs.pods = (needs.pods ?? 0) + pods;
  for (const container of containers) {
    for (const [side, list] of Object.entries(container)) {
      for (const [key, text] of Object.entries(
        list as Record<string, string>
      )) {
        const name = `${side}.${key === 'gpu' ? 'nvidia.com/gpu' : key}`;
        const value = parseQuantity(text, name);
        needs[name] = (needs[name] ?? 0) + value * pods;
      }
    }
  }
}

function amount(resource: string, value: number): string {
  if (resource.endsWith('memory')) {
    return `${String(Math.round(value / 1024 ** 2))}Mi`;
  }
  return resource.endsWith('cpu')
    ? `${String(Math.round(value * 1000))}m`
    : String(value);
}
