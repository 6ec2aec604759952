// SPDX-License-Identifier: BSD-3-Clause
import { Collection, isAtOrBefore, type Change, type Kept } from './collection';

/** The server does not send initial events, or not their end. */
export class NoInitialEvents extends Error {}

/** The position to go on from is of no use any more: everything has to be read again. */
export class Gone extends Error {}

/** The server ended a watch with a Status object. */
export class StreamStatus extends Error {
  constructor(
    readonly status: number,
    /** The Status object as JSON. */
    readonly body: string
  ) {
    super(`status ${status}`);
  }
}

/** One line of a watch, as far as it is looked at. */
interface WatchEvent {
  type: string;
  object: {
    metadata?: {
      resourceVersion?: string;
      annotations?: Record<string, string>;
    };
    /** Of the Status object in an ERROR. */
    code?: number;
    message?: string;
  };
}

/** What a state needs from its watch. */
export interface WatchStateOptions<T> {
  /** Makes the object that is kept; undefined leaves it out. */
  keep(raw: unknown): T | undefined;
  onChange(change: Change<T>): void;
}

/**
 * What a watch knows: the objects, and the version to go on from. Fed with the
 * lines of one stream after the other, it tells each change once, whatever is
 * sent twice, late, or only half.
 */
export class WatchState<T extends Kept> {
  readonly #options: WatchStateOptions<T>;
  readonly #collection = new Collection<T>();
  #version?: string;
  /** Initial events so far, while they are not complete. */
  #initial?: Map<string, T>;

  constructor(options: WatchStateOptions<T>) {
    this.#options = options;
  }

  /** The objects by name. */
  get items(): ReadonlyMap<string, T> {
    return this.#collection.items;
  }

  /** Where to go on; undefined when everything has to be read. */
  get version(): string | undefined {
    return this.#version;
  }

  /** Whether the initial events are not complete yet. */
  get reading(): boolean {
    return this.#initial !== undefined;
  }

  /** A new stream begins; without a version it sends everything first. */
  begin(): void {
    this.#initial = this.#version === undefined ? new Map() : undefined;
  }

  /** Forgets the position; the objects stay until everything was read again. */
  forget(): void {
    this.#version = undefined;
    this.#initial = undefined;
  }

  /** Everything is known as of that version; what is not among it has been deleted. */
  commit(objects: Iterable<T>, version: string): void {
    this.#version = version;
    this.#initial = undefined;
    this.#emit(this.#collection.replace(objects));
  }

  /**
   * Takes one complete line.
   * @throws Gone when the position is too old or the line is no event,
   *   NoInitialEvents when a bookmark comes before the end of the initial
   *   events, StreamStatus when the server ends the stream for another reason.
   */
  take(line: string): void {
    const event = parse(line);
    const { metadata, code = 500, message = '' } = event.object;
    const version = metadata?.resourceVersion ?? '';
    switch (event.type) {
      case 'ERROR':
        throw isGone(code, message)
          ? new Gone()
          : new StreamStatus(code, JSON.stringify(event.object));
      case 'BOOKMARK':
        this.#takeBookmark(version, endsInitialEvents(event));
        return;
      default:
        this.#takeObject(event, version);
    }
  }

  #takeBookmark(version: string, endsInitial: boolean): void {
    if (this.#initial === undefined) {
      this.#version = version || this.#version;
    } else if (endsInitial) {
      this.commit(this.#initial.values(), version);
    } else {
      throw new NoInitialEvents();
    }
  }

  #takeObject({ type, object: raw }: WatchEvent, version: string): void {
    const object = this.#options.keep(raw);
    const deleted = type === 'DELETED';
    if (this.#initial !== undefined) {
      if (object && deleted) {
        this.#initial.delete(object.metadata.name);
      } else if (object) {
        this.#initial.set(object.metadata.name, object);
      }
      return;
    }
    // Versions only grow within a watch: this one has been seen.
    if (isAtOrBefore(version, this.#version ?? '')) {
      return;
    }
    this.#version = version || this.#version;
    if (object) {
      this.#emit(
        deleted ? this.#collection.remove(object) : this.#collection.put(object)
      );
    }
  }

  #emit(changes: Change<T>[]): void {
    changes.forEach(change => this.#options.onChange(change));
  }
}

/**
 * Whether a position is of no use any more: too old (410), or newer than
 * anything a restored server knows ("ResourceVersionTooLarge").
 */
export function isGone(status: number, message: string): boolean {
  return status === 410 || /too large resource version/i.test(message);
}

function parse(line: string): WatchEvent {
  try {
    const event = JSON.parse(line) as Partial<WatchEvent> | null;
    if (typeof event?.type === 'string' && event.object) {
      return event as WatchEvent;
    }
  } catch {
    // Falls through: a line that is no event.
  }
  throw new Gone();
}

/** Whether a bookmark says that all initial events have been sent (KEP-3157, "watch list"). */
function endsInitialEvents({ object }: WatchEvent): boolean {
  return object.metadata?.annotations?.['k8s.io/initial-events-end'] === 'true';
}
