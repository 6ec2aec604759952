// SPDX-License-Identifier: BSD-3-Clause
import { BentoError } from '../../domain/errors';
import {
  checkDeploymentName,
  checkRunnerNames,
  deploymentName
} from '../../domain/names';
import {
  type ArchiveFacts,
  type BentoFacts,
  buildBento,
  buildBentoDeployment,
  buildBentoRequest,
  type KubeObject,
  legacyRunners
} from '../../domain/objects';
import { formatTag, parseTag } from '../../domain/tags';
import type { Bento, DeploySpec } from '../../protocol';
import type { Context } from '../context';

/** A deploy whose every input has been checked, as far as that needs no cluster. */
export interface DeployPlan {
  /** The spec with tag and names settled, so that it means the same tomorrow. */
  spec: DeploySpec & { namespace: string; name: string };
  namespace: string;
  name: string;
  facts: BentoFacts;
  /** The bento in the store; absent when an image is deployed that the store does not know. */
  bento?: Bento;
  deployment: KubeObject<object>;
  /** The Bento of an existing image. */
  prebuilt?: KubeObject<object>;
  /** The BentoRequest for an archive. */
  request(archive: ArchiveFacts, downloadUrl: string): KubeObject<object>;
  notes: string[];
}

/**
 * Settles a deploy: which bento, which names, which objects.
 * @throws BentoError for everything that is wrong with the input.
 */
export async function planDeploy(
  context: Context,
  given: DeploySpec
): Promise<DeployPlan> {
  const notes: string[] = [];
  const bento = await findBento(context, given, notes);
  const facts = bento ?? imageFacts(given.tag);
  const name = given.name ?? deploymentName(facts.name);
  checkDeploymentName(name);
  checkRunnerNames(facts.tag, legacyRunners(facts));
  const namespace = await context.namespace(given.namespace);
  const spec = { ...given, tag: facts.tag, name, namespace };
  const { provenance, builder, image } = spec;
  return {
    spec,
    namespace,
    name,
    facts,
    bento,
    notes,
    deployment: buildBentoDeployment({
      namespace,
      name,
      bento: facts,
      apiServer: spec.apiServer,
      runners: spec.runners,
      envs: spec.envs,
      provenance
    }),
    prebuilt:
      image === undefined
        ? undefined
        : buildBento({ namespace, bento: facts, image, provenance }),
    request: (archive, downloadUrl) =>
      buildBentoRequest({
        namespace,
        bento: facts,
        downloadUrl,
        archive,
        builder,
        provenance
      })
  };
}

async function findBento(
  context: Context,
  { tag, home, image }: DeploySpec,
  notes: string[]
): Promise<Bento | undefined> {
  try {
    return await context.store(home).get(tag);
  } catch (error) {
    const unknown =
      error instanceof BentoError &&
      (error.code === 'bentoNotFound' || error.code === 'storeMissing');
    if (image === undefined || !unknown) {
      throw error;
    }
    notes.push(
      `${tag} is not in the store: its runners are unknown, so all of it runs in one pod.`
    );
    return undefined;
  }
}

/** All that a tag alone tells of a bento. */
function imageFacts(text: string): BentoFacts {
  const tag = parseTag(text);
  if (tag.version === undefined || tag.version === 'latest') {
    throw new BentoError('invalidTag', {
      params: { tag: text, reason: 'an image needs the version it was made of' }
    });
  }
  return {
    tag: formatTag(tag),
    name: tag.name,
    services: [],
    runners: [],
    models: []
  };
}
