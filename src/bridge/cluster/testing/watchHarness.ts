// SPDX-License-Identifier: BSD-3-Clause
import type { Change } from '../collection';
import { KubeClient } from '../client';
import { ResourceWatch, type WatchStatus } from '../watch';
import { FakeCollection, type FakeObject } from './fakeCollection';
import { ManualClock } from './manualClock';
import { StubServer, type StubHandler } from './stubServer';
import { until } from './until';

/** What a watch keeps of a fake object. */
export interface KeptObject {
  metadata: FakeObject['metadata'] & {
    creationTimestamp: string;
    labels: Record<string, string>;
    annotations: Record<string, string>;
    ownerReferences: [];
  };
  value: string;
}

/** Path of the fake collection. */
export const FAKE_PATH = '/apis/example.org/v1/namespaces/ns/things';

/** A watch on a fake collection behind a real server, with a clock that does not wait. */
export interface Harness {
  clock: ManualClock;
  collection: FakeCollection;
  server: StubServer;
  client: KubeClient;
  watch: ResourceWatch<KeptObject>;
  changes: Change<KeptObject>[];
  statuses: WatchStatus[];
  /** Times of the requests by the clock, whether they were answered or not. */
  attempts: number[];
  /** Whether the watch holds exactly what the server holds. */
  inStep(): boolean;
  close(): Promise<void>;
}

/** Makes all of it; the watch is not started. */
export async function makeHarness(
  options: {
    handler?: (collection: FakeCollection) => StubHandler;
    onChange?: (change: Change<KeptObject>) => void;
    random?: () => number;
  } = {}
): Promise<Harness> {
  const clock = new ManualClock(options.random);
  const collection = new FakeCollection();
  const server = await StubServer.start(
    options.handler?.(collection) ??
      ((request, response) => collection.serve(request, response))
  );
  const attempts: number[] = [];
  const client = new KubeClient(
    {
      ...server.connection(),
      headers: () => {
        attempts.push(clock.now());
        return Promise.resolve({ authorization: 'Bearer secret-token' });
      }
    },
    { clock }
  );
  const changes: Change<KeptObject>[] = [];
  const statuses: WatchStatus[] = [];
  const watch = new ResourceWatch<KeptObject>({
    client,
    path: FAKE_PATH,
    keep: raw => raw as KeptObject,
    onChange: change => {
      changes.push(change);
      options.onChange?.(change);
    },
    onStatus: status => statuses.push(status)
  });
  return {
    clock,
    collection,
    server,
    client,
    watch,
    changes,
    statuses,
    attempts,
    inStep: () =>
      JSON.stringify(sorted(watch.items)) ===
      JSON.stringify(sorted(collection.objects)),
    close: async () => {
      await watch.stop();
      client.close();
      await server.close().catch(() => undefined);
    }
  };
}

/** Resolves when the watch is live and holds what the server holds. */
export async function untilInStep(harness: Harness): Promise<void> {
  await until(() => harness.watch.status.state === 'live' && harness.inStep());
}

/** Changes in short: `added a=1`. */
export function inShort(changes: Change<KeptObject>[]): string[] {
  return changes.map(
    ({ type, object }) => `${type} ${object.metadata.name}=${object.value}`
  );
}

function sorted(
  objects: ReadonlyMap<string, { metadata: unknown; value: string }>
): unknown {
  return [...objects.values()]
    .map(({ metadata, value }) => ({ metadata, value }))
    .sort((one, other) =>
      JSON.stringify(one).localeCompare(JSON.stringify(other))
    );
}
