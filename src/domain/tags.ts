// SPDX-License-Identifier: BSD-3-Clause
import { BentoError } from './errors';

/** A tag in its two parts; `version` is absent when only a name was given, and may be `latest`. */
export interface Tag {
  name: string;
  version?: string;
}

/** What BentoML accepts as a name or a version, once lower-cased. */
const PART = /^[a-z0-9](?:[-._a-z0-9]*[a-z0-9])?$/;
const MAX_PART = 63;

/**
 * Reads `name`, `name:version` or `name:latest`. Upper case is lower-cased, as
 * BentoML does at build.
 * @throws BentoError `invalidTag`, naming the part that is wrong.
 */
export function parseTag(text: string): Tag {
  const tag = text.trim().toLowerCase();
  const [name = '', version, ...more] = tag.split(':');
  if (more.length > 0) {
    throw invalid(text, 'it holds more than one ":"');
  }
  if (version === '' && name !== '') {
    throw invalid(
      text,
      `nothing follows the ":"; did you mean "${name}:latest"?`
    );
  }
  const reason =
    partProblem('name', name) ??
    (version === undefined ? undefined : partProblem('version', version));
  if (reason !== undefined) {
    throw invalid(text, reason);
  }
  return version === undefined ? { name } : { name, version };
}

/** Writes a tag as `name:version`, or as the name alone. */
export function formatTag(tag: Tag): string {
  return tag.version === undefined ? tag.name : `${tag.name}:${tag.version}`;
}

/** Whether the text can be a name or a version as it stands, upper case excluded. */
export function isTagPart(text: string): boolean {
  return partProblem('part', text) === undefined;
}

function partProblem(part: string, text: string): string | undefined {
  if (text === '') {
    return `the ${part} is empty`;
  }
  if (text.length > MAX_PART) {
    return `the ${part} has ${String(text.length)} characters, at most ${String(MAX_PART)} are possible`;
  }
  if (!PART.test(text)) {
    return `the ${part} "${text}" must be letters, digits, ".", "_" and "-", with a letter or digit at both ends`;
  }
  return undefined;
}

function invalid(tag: string, reason: string): BentoError {
  return new BentoError('invalidTag', { params: { tag, reason } });
}
