// SPDX-License-Identifier: BSD-3-Clause
import type { ResourceAddress } from './target';

/** Group, version and plural of a kind. */
export type Kind = Pick<ResourceAddress, 'group' | 'version' | 'resource'>;

/** The kinds that are read and written, always in these versions. */
export const KINDS = {
  bentoRequests: {
    group: 'resources.yatai.ai',
    version: 'v1alpha1',
    resource: 'bentorequests'
  },
  bentoes: {
    group: 'resources.yatai.ai',
    version: 'v1alpha1',
    resource: 'bentoes'
  },
  bentoDeployments: {
    group: 'serving.yatai.ai',
    version: 'v2alpha1',
    resource: 'bentodeployments'
  },
  jobs: { group: 'batch', version: 'v1', resource: 'jobs' },
  pods: { version: 'v1', resource: 'pods' },
  deployments: { group: 'apps', version: 'v1', resource: 'deployments' },
  events: { version: 'v1', resource: 'events' },
  services: { version: 'v1', resource: 'services' }
} satisfies Record<string, Kind>;
