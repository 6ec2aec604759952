// SPDX-License-Identifier: BSD-3-Clause
import { sha256 } from '@noble/hashes/sha2.js';
import { BentoError } from './errors';
import { parseTag } from './tags';

/** Longest value of a Kubernetes label, and longest name of a Service. */
const LABEL_LIMIT = 63;

/**
 * Longest name of a BentoDeployment. The operator derives object names from it,
 * the longest being `<name>-envoy-config`, and uses some of them as label
 * values; the API server accepts longer names all the same and pods never run.
 */
export const DEPLOYMENT_NAME_LIMIT = 50;

const HASH_LENGTH = 8;
const DNS_LABEL = /^[a-z](?:[-a-z0-9]*[a-z0-9])?$/;
const LABEL_VALUE = /^[A-Za-z0-9](?:[-_.A-Za-z0-9]*[A-Za-z0-9])?$/;

/**
 * Name of the BentoRequest, and so of the Bento, of one tag: `<name>--<version>`.
 * It begins with a letter, is a DNS label and at most 63 characters long, since
 * the image builder uses it as a label value.
 *
 * Where that needed a change, or a part holds `--` itself, the first eight hex
 * digits of the tag's SHA-256 are added, so that two tags do not meet.
 *
 * @throws BentoError `invalidTag` when the tag has no version or is none.
 */
export function requestName(tag: string): string {
  const { name, version } = parseTag(tag);
  if (version === undefined) {
    throw new BentoError('invalidTag', {
      params: { tag, reason: 'it has no version' }
    });
  }
  const plain = `${name}--${version}`;
  const safe = dnsLabel(plain);
  const clear = !name.includes('--') && !version.includes('--');
  if (safe === plain && clear && plain.length <= LABEL_LIMIT) {
    return plain;
  }
  return hashed(safe, `${name}:${version}`, LABEL_LIMIT);
}

/** The name that a BentoDeployment gets when none is asked for: the bento's own, made fit. */
export function deploymentName(bentoName: string): string {
  const safe = dnsLabel(bentoName.toLowerCase());
  return safe.length <= DEPLOYMENT_NAME_LIMIT
    ? safe
    : hashed(safe, bentoName, DEPLOYMENT_NAME_LIMIT);
}

/**
 * Checks a name for a BentoDeployment: Services are named like it, so it must
 * be a DNS-1035 label, and {@link DEPLOYMENT_NAME_LIMIT} holds.
 * @throws BentoError `nameInvalid`.
 */
export function checkDeploymentName(name: string): void {
  const reason = nameProblem(name);
  if (reason !== undefined) {
    throw new BentoError('nameInvalid', {
      params: { name, reason, limit: DEPLOYMENT_NAME_LIMIT }
    });
  }
}

/**
 * Checks the names of a bento's runners: the operator writes them into labels
 * and fails at the first that does not fit, after others have been created.
 * @throws BentoError `runnerNameInvalid`.
 */
export function checkRunnerNames(
  tag: string,
  runners: readonly { name: string }[]
): void {
  for (const { name } of runners) {
    if (name.length > LABEL_LIMIT || !LABEL_VALUE.test(name)) {
      throw new BentoError('runnerNameInvalid', {
        params: { tag, runner: name, limit: LABEL_LIMIT }
      });
    }
  }
}

/** Name of the Deployment of a runner, by its index in the Bento. */
export function runnerDeploymentName(
  deployment: string,
  index: number
): string {
  return `${deployment}-runner-${String(index)}`;
}

function nameProblem(name: string): string | undefined {
  if (name === '') {
    return 'it is empty';
  }
  if (name.length > DEPLOYMENT_NAME_LIMIT) {
    return `it has ${String(name.length)} characters, ${String(DEPLOYMENT_NAME_LIMIT)} are possible since the operator adds to it`;
  }
  if (!/^[a-z]/.test(name)) {
    return 'it does not begin with a lower-case letter';
  }
  const odd = /[^-a-z0-9]/.exec(name)?.[0];
  if (odd !== undefined) {
    return `it holds "${odd}"`;
  }
  return DNS_LABEL.test(name) ? undefined : 'it ends with "-"';
}

/** Replaces what a DNS label may not hold and puts a letter first; the length is left alone. */
function dnsLabel(text: string): string {
  const replaced = text.replace(/[^-a-z0-9]/g, '-').replace(/^-+|-+$/g, '');
  return /^[a-z]/.test(replaced) ? replaced : `b-${replaced}`;
}

/** Cuts a DNS label so that a hash of `source` fits behind it within `limit`. */
function hashed(label: string, source: string, limit: number): string {
  const cut = label.slice(0, limit - HASH_LENGTH - 1).replace(/-+$/, '');
  return `${cut}-${shortHash(source)}`;
}

function shortHash(text: string): string {
  return Array.from(sha256(new TextEncoder().encode(text)).slice(0, 4))
    .map(byte => byte.toString(16).padStart(2, '0'))
    .join('');
}
