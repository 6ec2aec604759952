// SPDX-License-Identifier: BSD-3-Clause

/** A JSON object from the API server of which nothing is taken for granted. */
export type Raw = Record<string, unknown>;

/** The object itself, or an empty one in place of anything else. */
export function map(value: unknown): Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Raw)
    : {};
}

/** The objects of a list; none of anything else. */
export function maps(value: unknown): Raw[] {
  return Array.isArray(value) ? value.map(map) : [];
}

/** The text; undefined of anything else, and of an empty one. */
export function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The number; 0 in place of anything else, as Kubernetes leaves zeros out. */
export function count(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

/** The texts of a map, such as labels; values that are none are left out. */
export function texts(value: unknown): Record<string, string> {
  return Object.fromEntries(
    Object.entries(map(value)).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string'
    )
  );
}
