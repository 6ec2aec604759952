// SPDX-License-Identifier: BSD-3-Clause
import type { DeletionItem } from '../protocol';
import { isManaged } from './chain';
import { BentoError } from './errors';
import type { Metadata, Snapshot } from './kube';
import { type Chain, chainOfDeployment, chainOfRequest } from './links';
import { ANNOTATIONS } from './objects';

/**
 * What deleting a deployment removes, and what stays.
 *
 * The BentoDeployment goes with all that the operator made for it. The
 * BentoRequest and the Bento go too when they were made here and no other
 * BentoDeployment uses that Bento; the build's Job and pods go with them. The
 * archive in S3 and the image in the registry stay.
 *
 * @param name - Of a BentoDeployment, or of a BentoRequest that none uses.
 * @returns explicit items in the order in which to delete them, each followed
 *   by what the cluster removes with it, then what stays.
 * @throws BentoError `notFound`.
 */
export function planDeletion(snapshot: Snapshot, name: string): DeletionItem[] {
  const chain = findChain(snapshot, name);
  const keep = keeper(snapshot, chain);
  const items = [
    ...deploymentItems(chain),
    ...requestItems(snapshot, chain, keep),
    ...bentoItems(chain, keep),
    ...leftBehind(chain)
  ];
  return [
    ...items.filter(item => item.fate !== 'kept'),
    ...items.filter(item => item.fate === 'kept')
  ];
}

function findChain(snapshot: Snapshot, name: string): Chain {
  const deployment = snapshot.bentoDeployments.find(
    one => one.metadata.name === name
  );
  if (deployment) {
    return chainOfDeployment(snapshot, deployment);
  }
  const request = snapshot.bentoRequests.find(
    one => one.metadata.name === name
  );
  if (request) {
    return chainOfRequest(snapshot, request);
  }
  const known = snapshot.bentoDeployments.map(one => one.metadata.name).sort();
  throw new BentoError('notFound', {
    params: {
      what: `Deployment ${name} in namespace ${snapshot.namespace}`,
      hint: `Deployments there: ${known.join(', ') || 'none'}`
    }
  });
}

/** Why a BentoRequest or a Bento must stay, if it must. */
type Keeper = (object: {
  metadata: { labels: Record<string, string> };
}) => string | undefined;

function keeper(snapshot: Snapshot, chain: Chain): Keeper {
  const users = snapshot.bentoDeployments
    .filter(
      other =>
        other.spec.bento === chain.bentoName &&
        other.metadata.uid !== chain.deployment?.metadata.uid
    )
    .map(other => other.metadata.name);
  return object => {
    if (users.length > 0) {
      return `used by ${users.join(', ')}`;
    }
    return isManaged(object) ? undefined : 'was not made here';
  };
}

function deploymentItems({ deployment, name, owned }: Chain): DeletionItem[] {
  if (!deployment) {
    return [];
  }
  const runners = owned.some(one => one.metadata.name !== name);
  return [
    {
      kind: 'BentoDeployment',
      name,
      fate: 'explicit',
      ...(isManaged(deployment) ? {} : { note: 'was not made here' })
    },
    ...owned.flatMap(one => [
      item('Deployment', one.metadata, 'with its pods'),
      item('HorizontalPodAutoscaler', one.metadata)
    ]),
    ...(owned.length > 0
      ? [
          item(
            'Service',
            { name },
            runners ? 'and the Services of its runners' : ''
          ),
          item('ConfigMap', { name: `${name}-envoy-config` })
        ]
      : [])
  ];
}

function requestItems(
  snapshot: Snapshot,
  { request, bento }: Chain,
  keep: Keeper
): DeletionItem[] {
  if (!request) {
    return [];
  }
  const reason = keep(request);
  const { name, uid } = request.metadata;
  if (reason !== undefined) {
    return [{ kind: 'BentoRequest', name, fate: 'kept', note: reason }];
  }
  const jobs = snapshot.jobs.filter(job => isOwnedBy(job.metadata, uid));
  return [
    { kind: 'BentoRequest', name, fate: 'explicit' },
    ...(bento && isOwnedBy(bento.metadata, uid)
      ? [item('Bento', bento.metadata)]
      : []),
    ...jobs.map(job => item('Job', job.metadata, 'with its pods'))
  ];
}

/** A Bento that no BentoRequest owns: one that was made for an existing image. */
function bentoItems({ bento, request }: Chain, keep: Keeper): DeletionItem[] {
  if (!bento || (request && isOwnedBy(bento.metadata, request.metadata.uid))) {
    return [];
  }
  const { name } = bento.metadata;
  const reason = keep(bento);
  return [
    reason === undefined
      ? { kind: 'Bento', name, fate: 'explicit' }
      : { kind: 'Bento', name, fate: 'kept', note: reason }
  ];
}

function leftBehind({ request, bento }: Chain): DeletionItem[] {
  const archive = request?.metadata.annotations[ANNOTATIONS.archive];
  return [
    ...(archive === undefined
      ? []
      : [{ kind: 'S3 object', name: archive, fate: 'kept' as const }]),
    ...(bento
      ? [{ kind: 'Image', name: bento.spec.image, fate: 'kept' as const }]
      : [])
  ];
}

function item(
  kind: string,
  { name }: Pick<Metadata, 'name'>,
  note = ''
): DeletionItem {
  return { kind, name, fate: 'owned', ...(note === '' ? {} : { note }) };
}

function isOwnedBy(metadata: Metadata, uid: string): boolean {
  return metadata.ownerReferences.some(owner => owner.uid === uid);
}
