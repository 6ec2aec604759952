// SPDX-License-Identifier: BSD-3-Clause

const LINE_END = 10;
/** More than any object that etcd takes; a longer line is no watch event and no log. */
const LONGEST_LINE = 16 * 1024 * 1024;

/**
 * Cuts a stream of bytes into lines, wherever its pieces were cut. A line is
 * handed over only when it is complete; when `onLine` returns a promise, the
 * stream waits for it.
 *
 * @returns what came after the last line end.
 */
export async function eachLine(
  pieces: AsyncIterable<Buffer>,
  onLine: (line: string) => unknown
): Promise<string> {
  let rest: Buffer[] = [];
  let length = 0;
  const take = (last: Buffer): string => {
    const line = rest.length === 0 ? last : Buffer.concat([...rest, last]);
    rest = [];
    length = 0;
    return line.toString('utf8');
  };
  for await (const piece of pieces) {
    let start = 0;
    for (
      let end = piece.indexOf(LINE_END);
      end >= 0;
      end = piece.indexOf(LINE_END, start)
    ) {
      const line = take(piece.subarray(start, end));
      start = end + 1;
      const pending = onLine(line);
      if (pending instanceof Promise) {
        await pending;
      }
    }
    if (start < piece.length) {
      rest.push(piece.subarray(start));
      length += piece.length - start;
    }
    if (length > LONGEST_LINE) {
      throw new Error(`a line of more than ${LONGEST_LINE} bytes`);
    }
  }
  return take(Buffer.alloc(0));
}
