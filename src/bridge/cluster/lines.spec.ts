// SPDX-License-Identifier: BSD-3-Clause
import * as fc from 'fast-check';
import { eachLine } from './lines';

async function* inPieces(
  bytes: Buffer,
  cuts: number[]
): AsyncGenerator<Buffer> {
  const places = [...new Set(cuts.map(cut => cut % (bytes.length + 1)))];
  let start = 0;
  for (const end of [...places.sort((a, b) => a - b), bytes.length]) {
    yield Promise.resolve(bytes.subarray(start, end));
    start = end;
  }
}

it('gives the same lines wherever the bytes are cut', async () => {
  const line = fc.oneof(
    fc.string({ unit: 'grapheme' }).map(text => text.replaceAll('\n', ' ')),
    fc.constantFrom('', '{"name":"東京 🍣"}', '\r')
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(line),
      line,
      fc.array(fc.nat()),
      async (lines, rest, cuts) => {
        const got: string[] = [];
        const text = [...lines, rest].join('\n');
        const last = await eachLine(inPieces(Buffer.from(text), cuts), next =>
          got.push(next)
        );
        expect(got).toEqual(lines);
        expect(last).toBe(rest);
      }
    )
  );
});

it('waits for the reader before it takes more', async () => {
  const taken: string[] = [];
  async function* pieces(): AsyncGenerator<Buffer> {
    taken.push('first');
    yield Promise.resolve(Buffer.from('a\nb\n'));
    taken.push('second');
    yield Promise.resolve(Buffer.from('c\n'));
  }
  await eachLine(pieces(), async line => {
    await new Promise(resolve => setImmediate(resolve));
    taken.push(line);
  });
  expect(taken).toEqual(['first', 'a', 'b', 'second', 'c']);
});

it('does not keep a line without an end for ever', async () => {
  async function* endless(): AsyncGenerator<Buffer> {
    for (;;) {
      yield Promise.resolve(Buffer.alloc(1024 * 1024, 'x'));
    }
  }
  await expect(eachLine(endless(), () => undefined)).rejects.toThrow(
    /line of more than/
  );
});
