// SPDX-License-Identifier: BSD-3-Clause
import type { Finding } from '../protocol';
import { type FindingContext, makeFinding } from './finding';
import type { FindingCode } from './findingTexts';
import type { ContainerStatus, Pod } from './kube';

/** What a text is about with which the API server refuses a pod. */
export function refusalCode(
  text: string
): Extract<FindingCode, 'podQuota' | 'podSecurity' | 'podRejected'> {
  if (/violates PodSecurity/i.test(text)) {
    return 'podSecurity';
  }
  return /(exceeded|failed) quota|must specify/i.test(text)
    ? 'podQuota'
    : 'podRejected';
}

/** What only the events of a pod tell. They outlive what they speak of, so the pod must still bear them out. */
export function podEventFindings(
  { snapshot }: FindingContext,
  pod: Pod
): Finding[] {
  const statuses = [...pod.initStatuses, ...pod.statuses];
  const newest = (reason: string, text: RegExp) =>
    snapshot.events
      .filter(
        event =>
          event.involved.uid === pod.metadata.uid &&
          event.reason === reason &&
          text.test(event.message)
      )
      .sort((one, other) => one.lastSeen.localeCompare(other.lastSeen))
      .at(-1);
  const found: Finding[] = [];
  const add = (code: FindingCode, reason: string, text: RegExp) => {
    const event = newest(reason, text);
    if (event) {
      found.push(
        makeFinding(
          code,
          {
            object: `Pod/${pod.metadata.name}`,
            field: `event ${reason}`,
            value: event.message
          },
          { params: { text: event.message } }
        )
      );
    }
  };
  if (statuses.every(hasNotStarted)) {
    add('volumeFailed', 'FailedMount', /./);
  }
  if (statuses.some(status => status.running && !status.ready)) {
    add('unhealthy', 'Unhealthy', /^Liveness/);
  }
  return found;
}

function hasNotStarted(status: ContainerStatus): boolean {
  return status.waiting !== undefined && status.restartCount === 0;
}
