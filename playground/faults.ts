// SPDX-License-Identifier: BSD-3-Clause

/**
 * What can be made to go wrong in a playground, with what a person sees then.
 * A fault has its effect in the stand-in operators, which watch the file of active faults.
 */
export const faults = {
  'namespace-not-watched':
    'the operators ignore the namespace: requests and deployments are accepted and never get a status',
  's3-refuses-download':
    'the builder is refused when it downloads the archive: HTTP 403, retried by the Job',
  'build-fails':
    'the image build ends with an error in the builder container: exit code 42, not retried'
} as const;

/** The name of a fault. */
export type Fault = keyof typeof faults;

/** Every fault's name, in the order of the table. */
export const faultNames = Object.keys(faults) as Fault[];

/**
 * Takes a name for the fault it is.
 * @throws Error that lists the known names.
 */
export function parseFault(name: string): Fault {
  const found = faultNames.find(known => known === name);
  if (!found) {
    throw new Error(
      `No fault is named "${name}". Known: ${faultNames.join(', ')}.`
    );
  }
  return found;
}
