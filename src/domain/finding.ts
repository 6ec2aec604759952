// SPDX-License-Identifier: BSD-3-Clause
import type { Finding } from '../protocol';
import { type ErrorParams, fill } from './errors';
import { FINDING_TEXTS, type FindingCode } from './findingTexts';
import type { Snapshot } from './kube';
import type { Chain } from './links';
import type { Clock } from './state';

/** What the rules look at. */
export interface FindingContext {
  chain: Chain;
  snapshot: Snapshot;
  clock: Clock;
}

/** One object and the field of it that shows a finding. */
export interface Evidence {
  /** `Kind/name`. */
  object: string;
  field: string;
  value: string;
}

/** Longest value or text that a finding carries. */
const MAX_TEXT = 600;

/** Makes one finding; `params` fill the gaps of its text. */
export function makeFinding(
  code: FindingCode,
  evidence: Evidence,
  options: { params?: ErrorParams; severity?: Finding['severity'] } = {}
): Finding {
  const text = FINDING_TEXTS[code];
  const params = Object.fromEntries(
    Object.entries(options.params ?? {}).map(([key, value]) => [
      key,
      typeof value === 'string' ? tidy(value) : value
    ])
  );
  return {
    code,
    severity: options.severity ?? text.severity,
    who: text.who,
    message: fill(text.message, params),
    hint: fill(text.hint, params),
    evidence: { ...evidence, value: tidy(evidence.value) }
  };
}

/** One line, without the query of any address (it may be a signature), of bounded length. */
function tidy(text: string): string {
  const plain = text
    .replace(/(\bhttps?:\/\/[^\s?"'<>]+)\?[^\s"'<>]*/gi, '$1?…')
    .replace(/\s+/g, ' ')
    .trim();
  return plain.length > MAX_TEXT ? `${plain.slice(0, MAX_TEXT)}…` : plain;
}
