// SPDX-License-Identifier: BSD-3-Clause
import type { KubeClient, WatchLine } from './client';
import type { KubeObject, Stored } from './objects';
import { Reflector } from './reflector';

function thing(name: string, version: number, uid = name): Stored<KubeObject> {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'ds', uid, resourceVersion: String(version) }
  };
}

/** A server whose lists and streams are written down beforehand; streams end when they are through. */
class Script {
  lists: Stored<KubeObject>[][] = [];
  streams: (WatchLine[] | Error)[] = [];
  readonly watchedFrom: string[] = [];
  private through: () => void = () => undefined;
  /** Resolves when the last stream has been read and nothing more will come. */
  readonly end = new Promise<void>(resolve => {
    this.through = resolve;
  });

  list = (): Promise<{
    items: Stored<KubeObject>[];
    resourceVersion: string;
  }> =>
    Promise.resolve({ items: this.lists.shift() ?? [], resourceVersion: '1' });

  watch = async (
    _kind: string,
    selection: { resourceVersion: string },
    options: { signal: AbortSignal; onLine: (line: WatchLine) => void }
  ): Promise<void> => {
    this.watchedFrom.push(selection.resourceVersion);
    const stream = this.streams.shift();
    if (!stream) {
      this.through();
      await new Promise(resolve => {
        options.signal.addEventListener('abort', resolve);
      });
      return;
    }
    if (stream instanceof Error) {
      throw stream;
    }
    stream.forEach(options.onLine);
  };
}

async function play(script: Script): Promise<string[]> {
  const seen: string[] = [];
  const reflector = new Reflector<KubeObject>({
    client: script as unknown as KubeClient,
    kind: 'Service',
    onChange: ({ type, object, previous }) => {
      const before = previous?.metadata.resourceVersion ?? '-';
      seen.push(
        `${type} ${object.metadata.name} ${before}>${object.metadata.resourceVersion ?? ''}`
      );
    }
  });
  await reflector.ready();
  await script.end;
  await reflector.stop();
  return seen;
}

describe('a reflector', () => {
  it('tells the first list and each change once', async () => {
    const script = new Script();
    script.lists = [[thing('a', 1)]];
    script.streams = [
      [
        { type: 'ADDED', object: thing('a', 1) },
        { type: 'ADDED', object: thing('b', 2) },
        { type: 'MODIFIED', object: thing('a', 3) },
        { type: 'BOOKMARK', object: thing('', 4) },
        { type: 'DELETED', object: thing('b', 5) }
      ]
    ];
    expect(await play(script)).toEqual([
      'added a ->1',
      'added b ->2',
      'modified a 1>3',
      'deleted b 2>5'
    ]);
  });

  it('goes on where the stream ended', async () => {
    const script = new Script();
    script.streams = [[{ type: 'BOOKMARK', object: thing('', 9) }]];
    await play(script);
    expect(script.watchedFrom).toEqual(['1', '9']);
  });

  it('lists anew after an error and tells what went meanwhile', async () => {
    const script = new Script();
    script.lists = [
      [thing('a', 1), thing('b', 1)],
      [thing('b', 1, 'another'), thing('c', 4)]
    ];
    script.streams = [
      [{ type: 'ERROR', object: { ...thing('', 0), message: 'too old' } }]
    ];
    expect(await play(script)).toEqual([
      'added a ->1',
      'added b ->1',
      'deleted a 1>1',
      'deleted b 1>1',
      'added b ->1',
      'added c ->4'
    ]);
    expect(script.watchedFrom).toEqual(['1', '1']);
  });
});
