// SPDX-License-Identifier: BSD-3-Clause
import { BentoError } from '../../domain/errors';
import type { BentoObject, BentoRequest } from '../../domain/kube';
import { chainOfRequest } from '../../domain/links';
import { requestName, runnerDeploymentName } from '../../domain/names';
import {
  ANNOTATIONS,
  type BentoDeploymentSpec,
  type BentoFacts,
  type KubeObject,
  legacyRunners,
  MANAGED_LABEL,
  MANAGER
} from '../../domain/objects';
import { deployNeeds, type Quota, quotaProblems } from '../../domain/quota';
import { chainState } from '../../domain/state';
import type { Resources } from '../../protocol';
import type { KubeClient } from './client';
import { crdsInstalled } from './discovery';
import {
  keepBento,
  keepBentoDeployment,
  keepBentoRequest,
  keepJob,
  keepPod
} from './keep';
import { KINDS, type Kind } from './kinds';
import { map, maps, texts } from './raw';
import { checkRights } from './rights';
import { resourcePath } from './target';

/** A deploy that is to be checked. */
export interface PreflightOptions {
  client: KubeClient;
  namespace: string;
  /** Name of the BentoDeployment. */
  name: string;
  bento: BentoFacts;
  /** The BentoDeployment as it would be sent. */
  deployment: KubeObject<object>;
  /** The image, when one is deployed that exists already. */
  image?: string;
  /** Resources of the build. */
  builder?: Resources;
  /**
   * SHA-256 of the archive in hex, or undefined without one. Asked for only
   * when a BentoRequest of this tag exists, since it reads the whole bento.
   */
  digest(): Promise<string | undefined>;
}

/** What the checks allow. */
export interface Preflight {
  /** Remarks for the reader: what may fail, or will be missed. */
  notes: string[];
  /** A BentoRequest of the same content exists and is built or under way: neither export nor request it. */
  reuseRequest: boolean;
  /**
   * A BentoRequest of the same content exists whose build has failed: delete
   * it, then create it anew.
   */
  replaceRequest: boolean;
}

/**
 * Everything that can be known to fail before anything is sent, because the API
 * server accepts much that never runs.
 *
 * @throws BentoError, first of this order: `crdMissing`, `missingRights`,
 *   `notOurs` (a BentoDeployment of that name without our label),
 *   `nameCollision` (a Service or Deployment that the operator would
 *   overwrite), `requestNotOurs`, `sameTagOtherContent`, `bentoExists`,
 *   `quotaExceeded` (only when it can never fit).
 */
export async function runPreflight(
  options: PreflightOptions
): Promise<Preflight> {
  const { client, namespace, image } = options;
  const [missing] = await crdsInstalled(client);
  if (missing) {
    throw new BentoError('crdMissing', { params: { ...missing } });
  }
  const notes = await checkRights(client, namespace, image !== undefined);
  const reader = new Reader(client, namespace, notes);
  const [existing] = await Promise.all([
    checkDeployment(reader, options),
    checkCollisions(reader, options)
  ]);
  const request = await checkRequest(reader, options);
  await checkQuota(reader, options, {
    replaces: existing,
    builds: image === undefined && request !== 'reuse'
  });
  return {
    notes,
    reuseRequest: request === 'reuse',
    replaceRequest: request === 'replace'
  };
}

/** Reads what may be absent, or not for our eyes. */
class Reader {
  constructor(
    readonly client: KubeClient,
    readonly namespace: string,
    readonly notes: string[]
  ) {}

  /** The object, or undefined when there is none or it may not be read; that is noted. */
  async find<T>(
    kind: Kind,
    name: string,
    keep: (raw: unknown) => T
  ): Promise<T | undefined> {
    const { namespace } = this;
    const path = resourcePath({ ...kind, namespace, name });
    try {
      return keep(await this.client.get(path));
    } catch (error) {
      return this.absent(error);
    }
  }

  /** All objects of a kind that a selector names; none when they may not be read. */
  async list<T>(
    kind: Kind,
    keep: (raw: unknown) => T,
    labelSelector?: string
  ): Promise<T[]> {
    const { namespace } = this;
    const path = resourcePath({ ...kind, namespace });
    try {
      const query = { labelSelector };
      return (await this.client.list(path, { keep, query })).items;
    } catch (error) {
      return this.absent(error) ?? [];
    }
  }

  private absent(error: unknown): undefined {
    if (error instanceof BentoError && error.code === 'notFound') {
      return undefined;
    }
    if (error instanceof BentoError && error.code === 'forbidden') {
      const note = `Not checked: ${error.message}`;
      if (!this.notes.includes(note)) {
        this.notes.push(note);
      }
      return undefined;
    }
    throw error;
  }
}

/** Returns whether a BentoDeployment of ours is changed rather than created. */
async function checkDeployment(
  reader: Reader,
  { name, deployment }: PreflightOptions
): Promise<boolean> {
  const existing = await reader.find(
    KINDS.bentoDeployments,
    name,
    keepBentoDeployment
  );
  if (!existing) {
    return false;
  }
  if (existing.metadata.labels[MANAGED_LABEL] !== MANAGER) {
    throw new BentoError('notOurs', {
      params: { object: `The BentoDeployment ${name}` }
    });
  }
  const { bento } = deployment.spec as BentoDeploymentSpec;
  if (existing.spec.bento !== bento) {
    reader.notes.push(
      `${name} serves ${existing.spec.bento} now and will serve ${bento}; it does not answer until the new pods are ready.`
    );
  }
  return true;
}

/** The operator overwrites what has the name of one of its objects, such as the Service of a notebook. */
async function checkCollisions(
  reader: Reader,
  { name, bento }: PreflightOptions
): Promise<void> {
  const names = [
    name,
    ...legacyRunners(bento).map((_, index) => runnerDeploymentName(name, index))
  ];
  const wanted: [string, Kind, string][] = [
    ['Service', KINDS.services, name],
    ...names.map((one): [string, Kind, string] => [
      'Deployment',
      KINDS.deployments,
      one
    ])
  ];
  await Promise.all(
    wanted.map(async ([word, kind, one]) => {
      const owners = await reader.find(kind, one, ownersOf);
      if (owners && !owners.includes(`BentoDeployment/${name}`)) {
        throw new BentoError('nameCollision', {
          params: { object: `The ${word} ${one}` }
        });
      }
    })
  );
}

/** What is to be done about the BentoRequest of the tag. */
async function checkRequest(
  reader: Reader,
  options: PreflightOptions
): Promise<'create' | 'reuse' | 'replace'> {
  const { bento: facts, image } = options;
  const name = requestName(facts.tag);
  const [request, bento] = await Promise.all([
    reader.find(KINDS.bentoRequests, name, keepBentoRequest),
    reader.find(KINDS.bentoes, name, keepBento)
  ]);
  if (image !== undefined) {
    if (bento && (bento.spec.image !== image || bento.spec.tag !== facts.tag)) {
      throw bentoExists(bento);
    }
    if (request && !bento) {
      // Its build would replace our Bento by one with another image.
      throw new BentoError('sameTagOtherContent', {
        params: { tag: facts.tag }
      });
    }
    return 'create';
  }
  if (!request) {
    if (bento) {
      throw bentoExists(bento);
    }
    return 'create';
  }
  const known = request.metadata.annotations[ANNOTATIONS.digest];
  if (known === undefined || request.spec.bentoTag !== facts.tag) {
    throw new BentoError('requestNotOurs', {
      params: { name, tag: facts.tag }
    });
  }
  if (known !== (await options.digest())) {
    throw new BentoError('sameTagOtherContent', { params: { tag: facts.tag } });
  }
  return (await hasFailed(reader, request, bento)) ? 'replace' : 'reuse';
}

/** Whether the build of a BentoRequest has failed or is failing, by the one table of states. */
async function hasFailed(
  reader: Reader,
  request: BentoRequest,
  bento: BentoObject | undefined
): Promise<boolean> {
  const builder = 'yatai.ai/is-bento-image-builder=true';
  const [jobs, pods] = await Promise.all([
    reader.list(KINDS.jobs, keepJob, builder),
    reader.list(KINDS.pods, keepPod, builder)
  ]);
  const chain = chainOfRequest(
    {
      namespace: reader.namespace,
      bentoRequests: [request],
      bentoes: bento ? [bento] : [],
      bentoDeployments: [],
      jobs,
      pods,
      deployments: [],
      events: []
    },
    request
  );
  const clock = { now: Date.now(), notPickedUpSeconds: Infinity };
  return ['buildFailed', 'attemptFailed'].includes(chainState(chain, clock));
}

/** Throws only for what can never fit; what is short just now is a remark. */
async function checkQuota(
  reader: Reader,
  options: PreflightOptions,
  { replaces, builds }: { replaces: boolean; builds: boolean }
): Promise<void> {
  const kind: Kind = { version: 'v1', resource: 'resourcequotas' };
  const quotas = await reader.list(kind, keepQuota);
  const needs = deployNeeds(
    options.deployment.spec as BentoDeploymentSpec,
    builds ? options.builder : 'none'
  );
  const problems = quotaProblems(
    quotas.filter(quota => quota !== undefined),
    needs
  );
  const hopeless = problems.find(problem => problem.certain);
  if (hopeless) {
    throw new BentoError('quotaExceeded', {
      params: { quota: hopeless.quota, reason: hopeless.text }
    });
  }
  // What a deployment uses itself is freed while it is replaced.
  if (!replaces) {
    problems.forEach(({ quota, text }) =>
      reader.notes.push(`The quota ${quota} may be too small: ${text}`)
    );
  }
}

/** A quota for all pods; one that is scoped may not be about ours. */
function keepQuota(raw: unknown): Quota | undefined {
  const { metadata, spec, status } = map(raw);
  const { scopes, scopeSelector } = map(spec);
  const scoped =
    (Array.isArray(scopes) && scopes.length > 0) || scopeSelector !== undefined;
  return scoped
    ? undefined
    : {
        name: String(map(metadata).name),
        hard: texts(map(status).hard ?? map(spec).hard),
        used: texts(map(status).used)
      };
}

/** The owners of an object as `Kind/name`. */
function ownersOf(raw: unknown): string[] {
  return maps(map(map(raw).metadata).ownerReferences).map(
    ({ kind, name }) => `${String(kind)}/${String(name)}`
  );
}

function bentoExists({ metadata, spec }: BentoObject): BentoError {
  return new BentoError('bentoExists', {
    params: { name: metadata.name, tag: spec.tag, image: spec.image }
  });
}
