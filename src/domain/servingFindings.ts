// SPDX-License-Identifier: BSD-3-Clause
import type { Finding } from '../protocol';
import { type FindingContext, makeFinding } from './finding';
import type { Pod } from './kube';
import { isCurrentPod, LABELS } from './links';
import { podEventFindings, refusalCode } from './podRefusals';
import { condition, podTroubles } from './pods';
import { isRolloutStuck } from './state';

/** What the workloads of a deployment show. */
export function servingFindings(context: FindingContext): Finding[] {
  const { chain } = context;
  const pods = chain.servingPods.filter(
    pod =>
      pod.metadata.deletionTimestamp === undefined && isCurrentPod(chain, pod)
  );
  return [
    ...pods.flatMap(pod => podFindings(context, pod)),
    ...rolloutFindings(context),
    ...runnerFindings(context),
    ...surplusFindings(context)
  ];
}

function podFindings(context: FindingContext, pod: Pod): Finding[] {
  const troubles = podTroubles(pod, context.clock.now).map(trouble =>
    makeFinding(
      trouble.kind,
      {
        object: `Pod/${pod.metadata.name}`,
        field: trouble.field,
        value: trouble.value
      },
      {
        params: { container: trouble.container ?? '', text: trouble.value },
        // One restart heals more often than not.
        ...(trouble.container !== undefined && !trouble.lasting
          ? { severity: 'warning' as const }
          : {})
      }
    )
  );
  return [...troubles, ...podEventFindings(context, pod)];
}

function rolloutFindings({ chain }: FindingContext): Finding[] {
  return chain.components.flatMap(({ deployment }) => {
    if (!deployment) {
      return [];
    }
    const object = `Deployment/${deployment.metadata.name}`;
    const refused = condition(deployment.conditions, 'ReplicaFailure');
    const stuck = isRolloutStuck(deployment)
      ? condition(deployment.conditions, 'Progressing')
      : undefined;
    const found: Finding[] = [];
    if (refused?.status === 'True') {
      const text = refused.message ?? '';
      found.push(
        makeFinding(
          refusalCode(text),
          { object, field: 'status.conditions[ReplicaFailure]', value: text },
          { params: { text } }
        )
      );
    }
    if (stuck) {
      const text = stuck.message ?? '';
      found.push(
        makeFinding(
          'rolloutStuck',
          { object, field: 'status.conditions[Progressing]', value: text },
          { params: { text } }
        )
      );
    }
    return found;
  });
}

/** The operator matches runners by name and says nothing of those that do not match. */
function runnerFindings({ chain }: FindingContext): Finding[] {
  const { bento, deployment } = chain;
  if (!bento || !deployment) {
    return [];
  }
  const known = bento.spec.runners.map(runner => runner.name);
  const asked = deployment.spec.runners.map(runner => runner.name);
  const ignored = asked
    .filter(name => !known.includes(name))
    .map(name =>
      makeFinding(
        'runnerIgnored',
        {
          object: `BentoDeployment/${chain.name}`,
          field: 'spec.runners[].name',
          value: name
        },
        { params: { runner: name, known: known.join(', ') || 'none' } }
      )
    );
  const unset = known
    .filter(name => !asked.includes(name))
    .map(name =>
      makeFinding(
        'runnerDefaults',
        {
          object: `Bento/${bento.metadata.name}`,
          field: 'spec.runners[].name',
          value: name
        },
        { params: { runner: name } }
      )
    );
  return [...ignored, ...unset];
}

/** What an earlier version with more runners left behind. */
function surplusFindings({ chain }: FindingContext): Finding[] {
  const wanted = chain.components.map(component => component.name);
  return chain.owned
    .filter(({ metadata }) => chain.bento && !wanted.includes(metadata.name))
    .map(({ metadata }) =>
      makeFinding(
        'surplusRunner',
        {
          object: `Deployment/${metadata.name}`,
          field: `metadata.labels[${LABELS.version}]`,
          value: metadata.labels[LABELS.version] ?? ''
        },
        { params: { deployment: metadata.name } }
      )
    );
}
