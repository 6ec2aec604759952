// SPDX-License-Identifier: BSD-3-Clause
import type { Deployment, Finding } from '../protocol';
import { BentoError } from './errors';
import { FINDING_TEXTS, type FindingCode } from './findingTexts';

/** The container whose log tells more. */
export interface LogTarget {
  pod: string;
  container: string;
  /** Whether the log of the container's life before the current one is meant. */
  previous?: boolean;
}

/** How a wait stands. */
export type Outcome =
  | { kind: 'pending' }
  | { kind: 'ready' }
  | {
      kind: 'failed';
      /** `buildFailed`, `deployFailed`, `notPickedUp` or `deploymentDeleted`. */
      error: BentoError;
      /** The finding that ends the wait. */
      cause?: Finding;
      logTarget?: LogTarget;
    };

/**
 * What one wait has seen: since when each cause has lasted, in milliseconds.
 * Make one per wait and give it to each {@link outcome} of that wait.
 */
export type Patience = Map<string, number>;

const NOT_PICKED_UP: FindingCode[] = [
  'requestNotPickedUp',
  'deploymentNotPickedUp',
  'namespaceNotWatched',
  'operatorBusy'
];

/**
 * Whether a wait for a deployment is over. It ends at the first cause that
 * cannot heal by itself, although the operator goes on trying: a refused
 * download is tried for eleven minutes before the BentoRequest says so. What
 * is often gone with the next try (a name that does not resolve, a pod without
 * a node) keeps the wait, and some causes must last a while first, because the
 * kubelet tries again (an image that cannot be pulled) or because the text may
 * be of a moment ago (the operator's own).
 *
 * @param now - Milliseconds; the same clock through one wait.
 */
export function outcome(
  view: Deployment,
  patience: Patience,
  now: number
): Outcome {
  if (view.state === 'ready') {
    return { kind: 'ready' };
  }
  if (view.state === 'deleting') {
    const params = { name: view.name };
    return {
      kind: 'failed',
      error: new BentoError('deploymentDeleted', { params })
    };
  }
  const causes = view.findings.filter(finding => finding.severity === 'error');
  forget(patience, causes);
  const cause =
    causes.find(finding => isOver(finding, patience, now)) ??
    (view.state === 'buildFailed' ? causes[0] : undefined);
  return cause ? failed(view, cause, now) : { kind: 'pending' };
}

function isOver(finding: Finding, patience: Patience, now: number): boolean {
  const { endsWait } = textOf(finding) ?? {};
  if (endsWait === undefined) {
    return false;
  }
  const since = patience.get(finding.code) ?? now;
  patience.set(finding.code, since);
  return now - since >= endsWait * 1000;
}

/** A cause that went away must last anew. */
function forget(patience: Patience, causes: Finding[]): void {
  const present = new Set(causes.map(finding => finding.code));
  for (const code of [...patience.keys()]) {
    if (!present.has(code)) {
      patience.delete(code);
    }
  }
}

function failed(view: Deployment, cause: Finding, now: number): Outcome {
  const target = logTarget(cause);
  return {
    kind: 'failed',
    error: failure(view, cause, now),
    cause,
    ...(target ? { logTarget: target } : {})
  };
}

function failure(view: Deployment, cause: Finding, now: number): BentoError {
  const { evidence } = cause;
  if ((NOT_PICKED_UP as string[]).includes(cause.code)) {
    const seconds = Math.round((now - Date.parse(view.createdAt)) / 1000);
    return new BentoError('notPickedUp', {
      params: { object: evidence.object, seconds, namespace: view.namespace },
      details: [cause.message, cause.hint]
    });
  }
  const shown = `${evidence.object} ${evidence.field}: ${evidence.value}`;
  const params = { reason: cause.message, action: cause.hint };
  const build = view.stages.find(stage => stage.stage === 'build')?.state;
  return build === 'running' || build === 'failed'
    ? new BentoError('buildFailed', {
        params: { ...params, tag: view.tag ?? view.bento ?? view.name },
        details: [shown]
      })
    : new BentoError('deployFailed', {
        params: { ...params, name: view.name },
        details: [shown]
      });
}

/** A container that has ended has a log; one that never started has none. */
function logTarget({ code, evidence }: Finding): LogTarget | undefined {
  const pod = /^Pod\/(.+)$/.exec(evidence.object)?.[1];
  const [, container, life] =
    /ontainerStatuses\[(.+?)\]\.(state|lastState)\./.exec(evidence.field) ?? [];
  const ended = evidence.field.includes('.terminated') || code === 'crashLoop';
  if (pod === undefined || container === undefined || !ended) {
    return undefined;
  }
  return {
    pod,
    container,
    ...(life === 'lastState' ? { previous: true } : {})
  };
}

function textOf(finding: Finding): { endsWait?: number } | undefined {
  return finding.code in FINDING_TEXTS
    ? FINDING_TEXTS[finding.code as FindingCode]
    : undefined;
}
