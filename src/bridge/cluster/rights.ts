// SPDX-License-Identifier: BSD-3-Clause
import { BentoError } from '../../domain/errors';
import { accessReview, rightInWords, type WantedRight } from './access';
import type { KubeClient } from './client';
import { KINDS, type Kind } from './kinds';

const REQUIRED: WantedRight[] = [
  ...rights(KINDS.bentoRequests, ['get', 'list', 'watch']),
  ...rights(KINDS.bentoes, ['get', 'list', 'watch']),
  ...rights(KINDS.bentoDeployments, [
    'get',
    'list',
    'watch',
    'create',
    'patch'
  ]),
  ...rights(KINDS.jobs, ['list', 'watch']),
  ...rights(KINDS.pods, ['list', 'watch']),
  ...rights(KINDS.deployments, ['get', 'list', 'watch'])
];

/** Rights that a deploy does without, and what is missed then. */
const OPTIONAL: [WantedRight, string][] = [
  [
    { group: '', resource: 'pods', subresource: 'log', verb: 'get' },
    'no log is shown when something fails'
  ],
  [
    { group: '', resource: 'events', verb: 'list' },
    'causes that stand in events only are not found'
  ],
  [
    {
      group: '',
      resource: 'pods',
      subresource: 'portforward',
      verb: 'create'
    },
    'the service can be reached by its address in the cluster only'
  ],
  [
    { ...KINDS.bentoDeployments, verb: 'delete' },
    'the deployment cannot be deleted from here'
  ],
  [
    { ...KINDS.bentoRequests, verb: 'delete' },
    'the BentoRequest cannot be deleted from here'
  ]
];

/**
 * Checks the rights of a deploy; returns in words what will be missed without
 * those that it can do without.
 * @param prebuilt - Whether an existing image is deployed.
 * @throws BentoError `missingRights` with all that are needed and missing.
 */
export async function checkRights(
  client: KubeClient,
  namespace: string,
  prebuilt: boolean
): Promise<string[]> {
  const made = prebuilt ? KINDS.bentoes : KINDS.bentoRequests;
  const required = [...REQUIRED, ...rights(made, ['create'])];
  const optional = OPTIONAL.map(([right]) => right);
  const missing = await accessReview(client, namespace, [
    ...required,
    ...optional
  ]);
  const needed = required.filter(right => missing.includes(right));
  if (needed.length > 0) {
    throw new BentoError('missingRights', {
      params: { namespace, rights: needed.map(rightInWords).join(', ') }
    });
  }
  return OPTIONAL.filter(([right]) => missing.includes(right)).map(
    ([right, loss]) => `Without the right to ${rightInWords(right)}, ${loss}.`
  );
}

function rights(kind: Kind, verbs: string[]): WantedRight[] {
  const { group = '', resource } = kind;
  return verbs.map(verb => ({ group, resource, verb }));
}
