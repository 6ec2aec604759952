// SPDX-License-Identifier: BSD-3-Clause
import type { Metadata } from '../../domain/kube';

/** Anything with kept metadata. */
export interface Kept {
  metadata: Metadata;
}

/** One change of a collection. An object made anew under an old name is a `deleted` and an `added`. */
export interface Change<T> {
  type: 'added' | 'updated' | 'deleted';
  object: T;
}

/** The objects of one namespace and kind by name, and what changes when the server tells something. */
export class Collection<T extends Kept> {
  readonly #items = new Map<string, T>();

  /** The objects by name. */
  get items(): ReadonlyMap<string, T> {
    return this.#items;
  }

  /** Takes an object as it is now; the same version of it changes nothing. */
  put(object: T): Change<T>[] {
    const { name, uid, resourceVersion } = object.metadata;
    const before = this.#items.get(name);
    this.#items.set(name, object);
    if (before === undefined) {
      return [{ type: 'added', object }];
    }
    if (before.metadata.uid !== uid) {
      return [
        { type: 'deleted', object: before },
        { type: 'added', object }
      ];
    }
    return before.metadata.resourceVersion === resourceVersion
      ? []
      : [{ type: 'updated', object }];
  }

  /** Takes an object away; a later one of the same name stays. */
  remove(object: T): Change<T>[] {
    const { name, uid } = object.metadata;
    const before = this.#items.get(name);
    if (before?.metadata.uid !== uid) {
      return [];
    }
    this.#items.delete(name);
    return [{ type: 'deleted', object }];
  }

  /** Takes all objects as they are now: what is not among them has been deleted meanwhile. */
  replace(objects: Iterable<T>): Change<T>[] {
    const fresh = new Map<string, T>();
    for (const object of objects) {
      fresh.set(object.metadata.name, object);
    }
    const gone = [...this.#items.values()].filter(
      object => !fresh.has(object.metadata.name)
    );
    return [
      ...gone.flatMap(object => this.remove(object)),
      ...[...fresh.values()].flatMap(object => this.put(object))
    ];
  }
}

/**
 * Whether a resourceVersion is at or before another one of the same kind.
 * They count up as decimal numbers in every API server since 1.0, and the API
 * has promised it since 1.35; what is no number is never before anything.
 */
export function isAtOrBefore(version: string, other: string): boolean {
  const number = /^[1-9]\d*$/;
  if (!number.test(version) || !number.test(other)) {
    return version === other;
  }
  return version.length === other.length
    ? version <= other
    : version.length < other.length;
}
