// SPDX-License-Identifier: BSD-3-Clause
import type { Finding } from '../protocol';
import { buildFindings } from './buildFindings';
import type { FindingContext } from './finding';
import { operatorFindings } from './operatorFindings';
import { servingFindings } from './servingFindings';

const ORDER = { error: 0, warning: 1, info: 2 };

/**
 * Everything that the snapshot shows to be in the way, worst first. Each rests
 * on one field of one object and goes when that field no longer shows it.
 * Presigned queries never get into a text.
 */
export function findings(context: FindingContext): Finding[] {
  return [
    ...operatorFindings(context),
    ...buildFindings(context),
    ...servingFindings(context)
  ].sort((one, other) => ORDER[one.severity] - ORDER[other.severity]);
}
