// SPDX-License-Identifier: BSD-3-Clause
import { isDeepStrictEqual } from 'node:util';

import type { EnvName } from '../envs';

/** A notebook of `examples/` that is executed from training to the deleted deployment. */
export interface Example {
  name: string;
  /** Below `examples/`; the notebook is `<folder>/<folder>.ipynb`. */
  folder: string;
  /** Whose kernel runs it. */
  env: EnvName;
  /** The name that the notebook gives to its deployment. */
  deployment: string;
  /** Whether the service's answer, which the notebook printed, is the right one. */
  isRight: (answer: unknown) => boolean;
}

/** Takes a field out of each item of a list; undefined for anything that is no such list. */
function pluck(answer: unknown, field: string): unknown[] | undefined {
  return Array.isArray(answer)
    ? answer.map((item: unknown) =>
        typeof item === 'object' && item !== null
          ? (item as Record<string, unknown>)[field]
          : undefined
      )
    : undefined;
}

/** Every example. What is right does not come from the models, but from what was asked. */
export const examples: readonly Example[] = [
  {
    name: 'iris',
    folder: 'iris',
    env: 'current',
    deployment: 'iris',
    isRight: answer =>
      isDeepStrictEqual(pluck(answer, 'species'), [
        'setosa',
        'versicolor',
        'virginica'
      ])
  },
  {
    name: 'fraud',
    folder: 'fraud_detection',
    env: 'fraud',
    deployment: 'fraud',
    isRight: answer => isDeepStrictEqual(answer, [true, false])
  }
];
