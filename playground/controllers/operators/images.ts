// SPDX-License-Identifier: BSD-3-Clause
import { createHash } from 'node:crypto';

/** What a tag is made of; without a colon there is no version. */
export interface BentoTag {
  repository: string;
  version: string;
}

/** Splits `repository:version` at the first colon. */
export function parseTag(tag: string): BentoTag {
  const colon = tag.indexOf(':');
  return colon < 0
    ? { repository: tag, version: '' }
    : { repository: tag.slice(0, colon), version: tag.slice(colon + 1) };
}

/** The two names of one image: what the builder pushes to, and what nodes pull from. */
export interface ImageNames {
  push: string;
  pull: string;
}

const pushServer = 'docker-registry.kubeflow.svc.cluster.local:5000';
const pullServer = '127.0.0.1:5000';
const repository = 'yatai-bentos';

/**
 * How Kubeflow's installation names the image of a bento: one repository for all, the bento's
 * repository and version in the image's tag, hashed when that would be longer than 128 characters.
 * An image that the request names is taken as it is.
 */
export function imageNames(bentoTag: string, image?: string): ImageNames {
  if (image) {
    return { push: image, pull: image };
  }
  const { repository: name, version } = parseTag(bentoTag);
  const plain = `yatai.${name}.${version}`;
  const tag =
    plain.length > 128
      ? `yatai.${createHash('md5').update(plain).digest('hex')}`
      : plain;
  return {
    push: `${pushServer}/${repository}:${tag}`,
    pull: `${pullServer}/${repository}:${tag}`
  };
}

/**
 * The folder name under which the registry of a playground keeps an image. The registry's own
 * name is left out, since it is pushed to under one and pulled from under another.
 */
export function imageFolder(reference: string): string {
  const name = reference.slice(reference.indexOf('/') + 1);
  // No percent signs: BentoML 1.1 takes the folder for a URL and decodes it.
  return name.replaceAll('/', '+').replaceAll(':', '=');
}
