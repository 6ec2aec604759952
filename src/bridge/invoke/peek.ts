// SPDX-License-Identifier: BSD-3-Clause
import { Readable } from 'node:stream';

/** The beginning of a stream: all of it, or more than was asked for and the stream anew. */
export type Peeked =
  | { whole: Buffer; stream?: undefined }
  | { whole?: undefined; stream: Readable };

/**
 * Reads a stream up to a limit in bytes. A longer one is handed back as a stream
 * that begins at its first byte; no more than the limit and one chunk is held.
 */
export async function peek(source: Readable, limit: number): Promise<Peeked> {
  const head: Buffer[] = [];
  let size = 0;
  const chunks = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  for (;;) {
    const next = await chunks.next();
    if (next.done === true) {
      return { whole: Buffer.concat(head) };
    }
    head.push(next.value);
    size += next.value.length;
    if (size > limit) {
      return {
        stream: Readable.from(joined(head, chunks), { objectMode: false })
      };
    }
  }
}

async function* joined(
  head: Buffer[],
  rest: AsyncIterator<Buffer>
): AsyncGenerator<Buffer> {
  try {
    yield* head.splice(0);
    for (;;) {
      const next = await rest.next();
      if (next.done === true) {
        return;
      }
      yield next.value;
    }
  } finally {
    // When whoever reads stops early, the connection must not wait for ever.
    await rest.return?.();
  }
}
