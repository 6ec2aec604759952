// SPDX-License-Identifier: BSD-3-Clause
import type { Deployment, Finding, Operation, Stage } from '../protocol';
import { findings } from './findings';
import type { BentoRequest, Snapshot } from './kube';
import {
  type Chain,
  chainOfDeployment,
  chainOfRequest,
  chainTag,
  isCurrentPod,
  LABELS
} from './links';
import { requestName } from './names';
import { MANAGED_LABEL, MANAGER } from './objects';
import { condition, isReady, podView } from './pods';
import { chainStages, operationStages, stateSince } from './stages';
import {
  chainState,
  type Clock,
  componentState,
  wantedReplicas
} from './state';

/** What the views depend on besides the snapshot. */
export interface ViewOptions extends Clock {
  /** Long work of the bridge; it tells of what has left no trace in the cluster yet. */
  operations?: readonly Operation[];
  /** The views computed before: they keep `since`, and an error text through a flicker. */
  previous?: readonly Deployment[];
}

/** The image builder's longest pause between two tries, and a little more. */
const LONGEST_PAUSE_MS = 1_200_000;

/**
 * Every BentoDeployment of a namespace as one row, sorted by name.
 *
 * There is a row as well for each BentoRequest that was made here (or that an
 * operation is about) and that no BentoDeployment uses: its state is that of
 * the build, its name that of the running operation's deployment or its own.
 * An operation that has created nothing yet is a row in state `exporting`.
 */
export function deploymentViews(
  snapshot: Snapshot,
  options: ViewOptions
): Deployment[] {
  const running = (options.operations ?? []).filter(
    operation =>
      operation.kind === 'deploy' &&
      operation.state === 'running' &&
      operation.namespace === snapshot.namespace &&
      operation.name !== undefined
  );
  const rows = new Map<string, Deployment>();
  const add = (chain: Chain) => {
    if (!rows.has(chain.name)) {
      rows.set(chain.name, chainView(chain, snapshot, options));
    }
  };
  snapshot.bentoDeployments.forEach(deployment =>
    add(chainOfDeployment(snapshot, deployment))
  );
  unusedRequests(snapshot).forEach(request => {
    const operation = running.find(one => isAbout(one, request));
    if (operation ?? isManaged(request)) {
      add(chainOfRequest(snapshot, request, operation?.name));
    }
  });
  running.forEach(operation => {
    const name = operation.name ?? '';
    if (!rows.has(name)) {
      rows.set(name, operationView(operation, name, snapshot.namespace));
    }
  });
  return [...rows.values()].sort((one, other) =>
    one.name.localeCompare(other.name)
  );
}

function chainView(
  chain: Chain,
  snapshot: Snapshot,
  options: ViewOptions
): Deployment {
  const state = chainState(chain, options);
  const before = options.previous?.find(view => view.name === chain.name);
  const main = chain.deployment ?? chain.request;
  const tag = chainTag(chain);
  const operation = options.operations
    ?.filter(
      one =>
        one.kind === 'deploy' &&
        one.namespace === chain.namespace &&
        one.name === chain.name &&
        (tag === undefined || one.tag === tag)
    )
    .sort((one, other) => one.startedAt.localeCompare(other.startedAt))
    .at(-1);
  const found = findings({ chain, snapshot, clock: options });
  return {
    namespace: chain.namespace,
    name: chain.name,
    state,
    since: since(before, state, () => stateSince(chain, state), options.now),
    ...(tag === undefined ? {} : { tag }),
    bento: chain.bentoName,
    ...(chain.bento ? { image: chain.bento.spec.image } : {}),
    managed: main !== undefined && isManaged(main),
    createdAt: main?.metadata.creationTimestamp ?? '',
    replicas: replicas(chain),
    stages: chainStages(chain, state, operation),
    pods: [...(chain.bento ? [] : chain.builderPods), ...chain.servingPods].map(
      podView
    ),
    findings: [...held(chain, found, before, options.now), ...found]
  };
}

function operationView(
  operation: Operation,
  name: string,
  namespace: string
): Deployment {
  const since = operation.stages.find(
    (stage: Stage) => stage.startedAt !== undefined
  )?.startedAt;
  return {
    namespace,
    name,
    state: 'exporting',
    since: since ?? operation.startedAt,
    tag: operation.tag,
    managed: true,
    createdAt: operation.startedAt,
    replicas: { ready: 0, wanted: 0 },
    stages: operationStages(operation),
    pods: [],
    findings: []
  };
}

/**
 * When the state began: as it was before, else now if it was seen to change,
 * else what the objects tell, so that a reload shows the same.
 */
function since(
  before: Deployment | undefined,
  state: Deployment['state'],
  fromObjects: () => string,
  now: number
): string {
  if (!before) {
    return fromObjects();
  }
  return before.state === state ? before.since : new Date(now).toISOString();
}

/** Ready and wanted pods over all components, of the version that is asked for if that is known. */
function replicas(chain: Chain): Deployment['replicas'] {
  if (!chain.bento) {
    return {
      ready: sum(chain.owned.map(one => one.availableReplicas)),
      wanted: sum(chain.owned.map(one => one.replicas))
    };
  }
  const counts = chain.components.map(component => {
    const wanted = wantedReplicas(component);
    const settled = componentState(chain, component) === 'settled';
    const pods = chain.servingPods.filter(
      pod =>
        pod.metadata.labels[LABELS.selector] === component.name &&
        isCurrentPod(chain, pod) &&
        isReady(pod)
    );
    return { ready: settled ? wanted : Math.min(pods.length, wanted), wanted };
  });
  return {
    ready: sum(counts.map(count => count.ready)),
    wanted: sum(counts.map(count => count.wanted))
  };
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/**
 * The error that the image builder reported last. It sets its condition to
 * Unknown for each try, and stays silent like that for as long as it paused
 * before; that nothing has come of the try is no sign that the error is gone.
 */
function held(
  chain: Chain,
  found: Finding[],
  before: Deployment | undefined,
  now: number
): Finding[] {
  const field = 'status.conditions[BentoAvailable]';
  const said = condition(chain.request?.conditions ?? [], 'BentoAvailable');
  const age = now - Date.parse(said?.lastTransitionTime ?? '');
  const trying =
    said?.status === 'Unknown' &&
    age < LONGEST_PAUSE_MS &&
    !chain.bento &&
    !chain.job &&
    chain.builderPods.length === 0;
  if (!trying || found.some(finding => finding.evidence.field === field)) {
    return [];
  }
  return (before?.findings ?? []).filter(
    finding => finding.evidence.field === field && finding.code !== 'bentoGone'
  );
}

function unusedRequests(snapshot: Snapshot): BentoRequest[] {
  const used = new Set(
    snapshot.bentoDeployments.map(deployment => deployment.spec.bento)
  );
  return snapshot.bentoRequests.filter(
    request => !used.has(request.metadata.name)
  );
}

function isAbout(operation: Operation, request: BentoRequest): boolean {
  try {
    return requestName(operation.tag) === request.metadata.name;
  } catch {
    return false;
  }
}

/** Whether an object carries our label. */
export function isManaged(object: {
  metadata: { labels: Record<string, string> };
}): boolean {
  return object.metadata.labels[MANAGED_LABEL] === MANAGER;
}
