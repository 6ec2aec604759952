// SPDX-License-Identifier: BSD-3-Clause
import type { Finding } from '../protocol';
import { type FindingContext, makeFinding } from './finding';
import type { FindingCode } from './findingTexts';
import type { Pod } from './kube';
import type { Chain } from './links';
import {
  BUILDER,
  condition,
  failedContainer,
  podTroubles,
  type Trouble
} from './pods';
import { buildHasFailed, failure, isRetrying } from './state';
import { podEventFindings, refusalCode } from './podRefusals';

/** Texts of BentoAvailable while no Job exists, first match wins. */
const BUILDER_ERRORS: [RegExp, FindingCode][] = [
  [/can't get yatai client/, 'downloadUrlMissing'],
  [/DOCKER_REGISTRY_SERVER is not set/, 'registryUnset'],
  [
    /docker config json secret|dockerconfigjson|no auth in|decode auth/i,
    'pullSecretInvalid'
  ],
  [/create image builder job|Job\.batch /, 'jobRejected'],
  [/status=40[13]|unauthorized|denied/i, 'registryDenied'],
  [
    /no such host|connection refused|timeout|deadline exceeded|dial tcp|get tags for/i,
    'registryUnreachable'
  ]
];

/** Exit codes of curl that another try can mend: name, connection, time. */
const UNREACHABLE: Record<number, string> = {
  6: 'the host name is not known there',
  7: 'nothing listens at that address',
  18: 'the connection broke',
  28: 'it took too long',
  52: 'the answer was empty',
  56: 'the connection broke'
};

/** What the image build shows, until the Bento exists. */
export function buildFindings(context: FindingContext): Finding[] {
  const { chain } = context;
  if (chain.bento || !chain.request) {
    return [];
  }
  const failed = buildHasFailed(chain);
  const attempt =
    failed || isRetrying(chain) ? attemptFindings(chain, failed) : [];
  return [
    ...attempt,
    ...(attempt.length === 0 && failed ? jobFailed(chain) : []),
    ...(failed ? [] : builderErrors(chain)),
    ...jobRefusals(context),
    ...(failed ? [] : builderTroubles(context))
  ];
}

/** How the last failed attempt ended. */
function attemptFindings(chain: Chain, final: boolean): Finding[] {
  const pod = chain.builderPods.filter(one => one.phase === 'Failed').at(-1);
  const failed = pod && failedContainer(pod);
  const exitCode = failed?.status.terminated?.exitCode;
  if (!failed || exitCode === undefined) {
    return [];
  }
  const { name, terminated } = failed.status;
  const list = failed.init ? 'initContainerStatuses' : 'containerStatuses';
  const evidence = {
    object: `Pod/${pod.metadata.name}`,
    field: `status.${list}[${name}].state.terminated.exitCode`,
    value: String(exitCode)
  };
  const code =
    terminated?.reason === 'OOMKilled'
      ? 'builderOom'
      : name === BUILDER
        ? 'imageBuildFailed'
        : downloadCode(exitCode);
  return [
    makeFinding(code, evidence, {
      params: {
        exitCode,
        container: name,
        text: UNREACHABLE[exitCode] ?? ''
      },
      ...(final ? { severity: 'error' as const } : {})
    })
  ];
}

/** The download is curl or `aws s3 cp`, then tar, in one script; the exit code tells them apart. */
function downloadCode(exitCode: number): FindingCode {
  if (exitCode in UNREACHABLE) {
    return 'downloadUnreachable';
  }
  const known: Record<number, FindingCode> = {
    2: 'archiveInvalid',
    22: 'downloadRefused',
    35: 'downloadTls',
    60: 'downloadTls',
    77: 'downloadTls'
  };
  return known[exitCode] ?? 'downloadFailed';
}

/** A failed build whose pods are gone: the Job, or the condition, is all that is left. */
function jobFailed(chain: Chain): Finding[] {
  const said = chain.job && failure(chain.job.conditions);
  if (chain.job && said) {
    const text = [said.reason, said.message].filter(Boolean).join(': ');
    return [
      makeFinding(
        'jobFailed',
        {
          object: `Job/${chain.job.metadata.name}`,
          field: `status.conditions[${said.type}]`,
          value: text
        },
        { params: { text } }
      )
    ];
  }
  const building = condition(chain.request?.conditions ?? [], 'ImageBuilding');
  const text = building?.message ?? building?.reason ?? '';
  return [
    makeFinding(
      'jobFailed',
      {
        object: `BentoRequest/${chain.bentoName}`,
        field: 'status.conditions[ImageBuilding]',
        value: text
      },
      { params: { text } }
    )
  ];
}

/** What the image builder says before there is a Job; it tries again with growing pauses. */
function builderErrors(chain: Chain): Finding[] {
  const said = condition(chain.request?.conditions ?? [], 'BentoAvailable');
  if (chain.job || said?.status !== 'False') {
    return [];
  }
  const text = said.message ?? '';
  if (/ is failed|builder pod .* status is/.test(text)) {
    return [];
  }
  const code =
    BUILDER_ERRORS.find(([pattern]) => pattern.test(text))?.[1] ??
    'builderError';
  return [
    makeFinding(
      code,
      {
        object: `BentoRequest/${chain.bentoName}`,
        field: 'status.conditions[BentoAvailable]',
        value: text
      },
      { params: { text } }
    )
  ];
}

/** The Job cannot create its pod; only its events say so. */
function jobRefusals({ chain, snapshot }: FindingContext): Finding[] {
  const { job } = chain;
  const alive = chain.builderPods.some(pod => pod.phase !== 'Failed');
  if (!job || alive) {
    return [];
  }
  const event = snapshot.events
    .filter(
      ({ involved, reason }) =>
        reason === 'FailedCreate' &&
        involved.kind === 'Job' &&
        involved.uid === job.metadata.uid
    )
    .sort((one, other) => one.lastSeen.localeCompare(other.lastSeen))
    .at(-1);
  if (!event) {
    return [];
  }
  return [
    makeFinding(
      refusalCode(event.message),
      {
        object: `Job/${job.metadata.name}`,
        field: 'event FailedCreate',
        value: event.message
      },
      { params: { text: event.message } }
    )
  ];
}

function builderTroubles(context: FindingContext): Finding[] {
  const pod = context.chain.builderPods.at(-1);
  if (!pod || pod.phase === 'Succeeded') {
    return [];
  }
  const exited = pod.phase === 'Failed';
  return [
    ...podTroubles(pod, context.clock.now)
      .filter(trouble => !exited || trouble.kind === 'evicted')
      .map(trouble => troubleFinding(pod, trouble)),
    ...(exited ? [] : podEventFindings(context, pod))
  ];
}

function troubleFinding(pod: Pod, trouble: Trouble): Finding {
  const codes: Partial<Record<Trouble['kind'], FindingCode>> = {
    imagePull: 'builderImagePull',
    oomKilled: 'builderOom'
  };
  return makeFinding(
    codes[trouble.kind] ?? trouble.kind,
    {
      object: `Pod/${pod.metadata.name}`,
      field: trouble.field,
      value: trouble.value
    },
    { params: { container: trouble.container ?? '', text: trouble.value } }
  );
}
