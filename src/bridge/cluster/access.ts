// SPDX-License-Identifier: BSD-3-Clause
import type { KubeClient } from './client';

/** One thing that one wants to be allowed to do in a namespace. */
export interface WantedRight {
  /** Empty for the core group. */
  group: string;
  resource: string;
  subresource?: string;
  verb: string;
}

const REVIEWS = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
const AT_ONCE = 8;

/**
 * Asks the API server which of these rights are missing, in the order given.
 * One SelfSubjectAccessReview each, which every account may make, a few at a time.
 */
export async function accessReview<T extends WantedRight>(
  client: KubeClient,
  namespace: string,
  wanted: readonly T[]
): Promise<T[]> {
  const allowed = new Map<T, boolean>();
  const queue = wanted.values();
  const work = async () => {
    for (const right of queue) {
      allowed.set(right, await isAllowed(client, namespace, right));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return wanted.filter(right => allowed.get(right) !== true);
}

/** A right in words, for instance `create pods/portforward` or `get bentoes.resources.yatai.ai`. */
export function rightInWords(right: WantedRight): string {
  const { group, resource, subresource, verb } = right;
  const path = subresource ? `${resource}/${subresource}` : resource;
  return `${verb} ${group === '' ? path : `${path}.${group}`}`;
}

async function isAllowed(
  client: KubeClient,
  namespace: string,
  { group, resource, subresource, verb }: WantedRight
): Promise<boolean> {
  const review = await client.create<{ status?: { allowed?: boolean } }>(
    REVIEWS,
    {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: {
        resourceAttributes: { namespace, group, resource, subresource, verb }
      }
    }
  );
  return review.status?.allowed === true;
}
