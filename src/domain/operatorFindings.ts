// SPDX-License-Identifier: BSD-3-Clause
import type { Finding } from '../protocol';
import { type FindingContext, makeFinding } from './finding';
import { condition } from './pods';
import { componentState, deployRefusal, isOverdue } from './state';

/** How old a condition must be before it is held against objects that another watch brings. */
const SETTLED_MS = 5000;

/** What the two operators do, or do not do. */
export function operatorFindings(context: FindingContext): Finding[] {
  return [
    ...requestNotPickedUp(context),
    ...deploymentNotPickedUp(context),
    ...deploymentStalled(context),
    ...deployRefused(context),
    ...waitsForIngress(context),
    ...bentoMissing(context),
    ...bentoGone(context),
    ...imageReused(context)
  ];
}

function requestNotPickedUp({ chain, clock }: FindingContext): Finding[] {
  const { request, job, builderPods } = chain;
  const seen = request?.conditions.length ?? job ?? builderPods.length;
  if (!request || seen || chain.bento || !isOverdue(request, clock)) {
    return [];
  }
  return [
    makeFinding(
      'requestNotPickedUp',
      {
        object: `BentoRequest/${request.metadata.name}`,
        field: 'status.conditions',
        value: 'none'
      },
      { params: params(chain.namespace, clock) }
    )
  ];
}

/**
 * One cause is named only with evidence: an image builder that has built in
 * this namespace shows that the other operator alone is missing, and other
 * deployments with a status show that it is there but busy.
 */
function deploymentNotPickedUp(context: FindingContext): Finding[] {
  const { chain, clock, snapshot } = context;
  const { deployment } = chain;
  if (!deployment || !isOverdue(deployment, clock)) {
    return [];
  }
  if (
    deployment.conditions.length > 0 ||
    deployment.metadata.deletionTimestamp !== undefined
  ) {
    return [];
  }
  const busy = snapshot.bentoDeployments.some(
    other => other.conditions.length > 0
  );
  const built = chain.bento !== undefined && chain.request !== undefined;
  const code = busy
    ? 'operatorBusy'
    : built
      ? 'namespaceNotWatched'
      : 'deploymentNotPickedUp';
  return [
    makeFinding(
      code,
      {
        object: `BentoDeployment/${deployment.metadata.name}`,
        field: 'status.conditions',
        value: 'none'
      },
      {
        params: params(chain.namespace, clock),
        // While the build runs nothing is lost yet.
        ...(chain.bento ? {} : { severity: 'warning' as const })
      }
    )
  ];
}

function deploymentStalled({ chain, clock }: FindingContext): Finding[] {
  const { bento, deployment, components } = chain;
  const idle =
    deployment?.conditions.length &&
    components.every(component => !component.deployment) &&
    !deployRefusal(chain);
  if (
    !bento ||
    !idle ||
    !isOverdue(bento, clock) ||
    !isOverdue(deployment, clock)
  ) {
    return [];
  }
  return [
    makeFinding(
      'deploymentStalled',
      {
        object: `Bento/${bento.metadata.name}`,
        field: 'metadata.creationTimestamp',
        value: bento.metadata.creationTimestamp
      },
      { params: params(chain.namespace, clock) }
    )
  ];
}

function deployRefused({ chain }: FindingContext): Finding[] {
  const refused = deployRefusal(chain);
  if (!refused || !chain.deployment || !chain.bento) {
    return [];
  }
  const text = (refused.message ?? '').replace(
    /^Failed to reconcile BentoDeployment: /,
    ''
  );
  // A text may be a moment old: what runs all the same weighs more.
  const runs = chain.components.every(
    component => componentState(chain, component) === 'settled'
  );
  return [
    makeFinding(
      'deployRefused',
      {
        object: `BentoDeployment/${chain.name}`,
        field: 'status.conditions[Available]',
        value: refused.message ?? ''
      },
      { params: { text }, ...(runs ? { severity: 'warning' as const } : {}) }
    )
  ];
}

function waitsForIngress({ chain, clock }: FindingContext): Finding[] {
  const { deployment, components } = chain;
  const available = condition(deployment?.conditions ?? [], 'Available');
  const runs =
    components.length > 0 &&
    components.every(one => componentState(chain, one) === 'settled');
  if (!available || available.status === 'True' || !runs) {
    return [];
  }
  const message = available.message ?? '';
  const waits =
    available.status === 'Unknown'
      ? isOverdue(components[0]?.deployment, clock)
      : message.includes('get domain suffix');
  return waits
    ? [
        makeFinding('waitsForIngress', {
          object: `BentoDeployment/${chain.name}`,
          field: 'status.conditions[Available]',
          value: `${available.status}: ${message}`
        })
      ]
    : [];
}

/** Never taken from the operator's own word: it calls a missing BentoRequest found. */
function bentoMissing({ chain }: FindingContext): Finding[] {
  if (!chain.deployment || chain.request || chain.bento) {
    return [];
  }
  return [
    makeFinding(
      'bentoMissing',
      {
        object: `BentoDeployment/${chain.name}`,
        field: 'spec.bento',
        value: chain.bentoName
      },
      { params: { bento: chain.bentoName } }
    )
  ];
}

function bentoGone({ chain, clock }: FindingContext): Finding[] {
  const { request, bento } = chain;
  const available = condition(request?.conditions ?? [], 'BentoAvailable');
  const since = Date.parse(available?.lastTransitionTime ?? '');
  if (
    !request ||
    bento ||
    available?.status !== 'True' ||
    !(clock.now - since > SETTLED_MS)
  ) {
    return [];
  }
  return [
    makeFinding(
      'bentoGone',
      {
        object: `BentoRequest/${request.metadata.name}`,
        field: 'status.conditions[BentoAvailable]',
        value: available.message ?? available.status
      },
      { params: { bento: chain.bentoName } }
    )
  ];
}

/** The image builder leaves ImageBuilding unknown when it found the image. */
function imageReused({ chain }: FindingContext): Finding[] {
  const { request, job, builderPods } = chain;
  const exists = condition(request?.conditions ?? [], 'ImageExists');
  const building = condition(request?.conditions ?? [], 'ImageBuilding');
  const built = job !== undefined || builderPods.length > 0;
  if (
    !request ||
    built ||
    exists?.status !== 'True' ||
    building?.status !== 'Unknown'
  ) {
    return [];
  }
  return [
    makeFinding('imageReused', {
      object: `BentoRequest/${request.metadata.name}`,
      field: 'status.conditions[ImageExists]',
      value: exists.message ?? exists.status
    })
  ];
}

function params(
  namespace: string,
  clock: FindingContext['clock']
): Record<string, string | number> {
  return { namespace, seconds: clock.notPickedUpSeconds };
}
