// SPDX-License-Identifier: BSD-3-Clause
import type {
  Event,
  Json,
  Params,
  Result,
  SnapshotChunk
} from '../../protocol';
import type { Hub } from './hub';
import type { RequestContext } from './session';

/** Characters of JSON in one chunk of a snapshot, far below the message limit. */
const CHUNK_LENGTH = 256 * 1024;

/** What the subscriptions of one client need. */
export interface SubscriptionsOptions {
  hub: Hub;
  /** Starts whatever fills the topic and waits until it is filled; returns how to let go. */
  onTopic(topic: string): Promise<() => void>;
  send(event: Event): void;
}

/** Which topics one client follows. */
export class Subscriptions {
  private readonly topics = new Map<string, () => void>();
  private readonly stopListening: () => void;
  private closed = false;

  constructor(private readonly options: SubscriptionsOptions) {
    this.stopListening = options.hub.listen(event => {
      if (this.topics.has(event.topic)) {
        options.send(event);
      }
    });
  }

  /**
   * Adds topics. The client gets the events after `since` when they are all
   * still there, else a snapshot as progress; either way, what follows the
   * answer continues it without a gap.
   */
  async subscribe(
    params: Params<'subscribe'>,
    context: RequestContext
  ): Promise<Result<'subscribe'>> {
    const { hub } = this.options;
    const added = params.topics.filter(topic => !this.topics.has(topic));
    const releases = await Promise.all(
      added.map(topic => this.options.onTopic(topic))
    );
    if (this.closed || context.signal.aborted) {
      releases.forEach(release => release());
      return { mode: 'resync', epoch: hub.epoch, seq: hub.seq };
    }
    added.forEach((topic, index) => {
      this.topics.set(topic, releases[index] ?? (() => undefined));
    });
    // From here to the answer nothing waits, so no event can come between.
    const missed = params.since && hub.replay(params.since);
    if (missed) {
      missed
        .filter(event => params.topics.includes(event.topic))
        .forEach(event => this.options.send(event));
    } else {
      params.topics
        .flatMap(topic => chunks(topic, hub.snapshot(topic)))
        .forEach(chunk => context.progress(chunk as unknown as Json));
    }
    return {
      mode: missed ? 'replay' : 'resync',
      epoch: hub.epoch,
      seq: hub.seq
    };
  }

  /** Drops topics; what fills them may stop. */
  unsubscribe(params: Params<'unsubscribe'>): void {
    for (const topic of params.topics) {
      this.topics.get(topic)?.();
      this.topics.delete(topic);
    }
  }

  /** Drops everything. */
  close(): void {
    this.closed = true;
    this.stopListening();
    this.unsubscribe({ topics: [...this.topics.keys()] });
  }
}

/** Splits a snapshot; an empty topic still makes one chunk, which empties the client's copy. */
function chunks(topic: string, entries: Record<string, Json>): SnapshotChunk[] {
  const result: SnapshotChunk[] = [{ topic, entries: {} }];
  let length = 0;
  for (const [key, value] of Object.entries(entries)) {
    const size = JSON.stringify(value).length;
    if (length > 0 && length + size > CHUNK_LENGTH) {
      result.push({ topic, entries: {} });
      length = 0;
    }
    const chunk = result[result.length - 1];
    if (chunk) {
      chunk.entries[key] = value;
    }
    length += size;
  }
  return result;
}
