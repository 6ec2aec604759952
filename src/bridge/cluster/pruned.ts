// SPDX-License-Identifier: BSD-3-Clause

/**
 * Paths of what was sent and is not in what the API server made of it:
 * fields that the schema does not know and that it dropped without a word, as
 * Kubernetes up to 1.24 does whatever `fieldValidation` says. Empty values
 * are not missed, since the server may leave them out.
 */
export function prunedFields(
  sent: unknown,
  stored: unknown,
  path = ''
): string[] {
  if (isEmpty(sent)) {
    return [];
  }
  if (stored === undefined || stored === null) {
    return [path];
  }
  if (Array.isArray(sent)) {
    // A list that was merged with another one says nothing.
    return Array.isArray(stored) && stored.length === sent.length
      ? sent.flatMap((item, index) =>
          prunedFields(item, stored[index], `${path}[${index}]`)
        )
      : [];
  }
  if (typeof sent === 'object' && typeof stored === 'object') {
    return Object.entries(sent as Record<string, unknown>).flatMap(
      ([key, value]) =>
        prunedFields(
          value,
          (stored as Record<string, unknown>)[key],
          path === '' ? key : `${path}.${key}`
        )
    );
  }
  return [];
}

function isEmpty(value: unknown): boolean {
  return (
    value === undefined ||
    value === null ||
    value === '' ||
    value === 0 ||
    value === false ||
    (typeof value === 'object' && Object.keys(value).length === 0)
  );
}
