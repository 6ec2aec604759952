// SPDX-License-Identifier: BSD-3-Clause
import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import * as os from 'node:os';
import * as path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { ArchiveEntry } from '../store/archiveEntries';
import { ArchiveReader } from './archiveReader';
import { PART_BYTES, PartMemory } from './partMemory';
import { sendParts } from './parts';
import type { S3 } from './s3';
import { tarSize } from './tarSource';

const SIZE = 6 * PART_BYTES;

/** The headers begin a seventh. */
const PARTS = 7;

let folder: string;
let entries: ArchiveEntry[];

beforeAll(async () => {
  folder = await fs.mkdtemp(path.join(os.tmpdir(), 'parts-'));
  const source = path.join(folder, 'model');
  await fs.writeFile(source, '');
  await fs.truncate(source, SIZE);
  entries = [{ path: 'model', type: 'file', source, size: SIZE, mode: 0o644 }];
});

afterAll(() => fs.rm(folder, { recursive: true }));

type SendPart = S3['sendPart'];

async function send(sendPart: SendPart, memory = new PartMemory()) {
  const { signal } = new AbortController();
  const reader = new ArchiveReader(entries, signal);
  return sendParts({
    // The other calls are not made here.
    s3: { sendPart } as unknown as S3,
    upload: { bucket: 'b', key: 'k', uploadId: 'u' },
    reader,
    memory,
    size: tarSize(entries),
    signal,
    onSent: () => undefined
  }).finally(() => reader.close());
}

const answer = (number: number) => ({
  number,
  etag: String(number),
  checksums: {}
});

const inFlight: { number: number; release(): void }[] = [];

beforeEach(() => {
  inFlight.length = 0;
});

it('reads no further than S3 takes', async () => {
  const sent: number[] = [];
  const sending = send(async ({ number }) => {
    await new Promise<void>(release => inFlight.push({ number, release }));
    sent.push(number);
    return answer(number);
  });
  for (let left = PARTS; left > 0; left -= 1) {
    while (inFlight.length < Math.min(3, left)) {
      await setImmediate();
    }
    // Time enough to read another part, were there memory for it.
    await new Promise(resolve => setTimeout(resolve, 20));
    expect(inFlight.length).toBe(Math.min(3, left));
    inFlight.shift()?.release();
  }
  const parts = await sending;
  expect(parts.map(part => part.number)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(sent).toHaveLength(PARTS);
});

it('keeps the bytes of a part untouched while it is sent, and each with its own hash', async () => {
  const lengths: number[] = [];
  const hashes: boolean[] = [];
  await send(async ({ number, payload }) => {
    await new Promise(resolve => setTimeout(resolve, 10));
    const own = createHash('sha256').update(payload.bytes).digest('hex');
    hashes.push(own === payload.sha256);
    lengths[number - 1] = payload.bytes.length;
    return answer(number);
  });
  expect(hashes).not.toContain(false);
  expect(lengths.slice(0, -1).every(length => length === PART_BYTES)).toBe(
    true
  );
  expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(
    tarSize(entries)
  );
});

it('settles only when nothing is on its way any more', async () => {
  let running = 0;
  const memory = new PartMemory();
  const sending = send(async ({ number }, signal) => {
    running += 1;
    await new Promise(resolve => setTimeout(resolve, number * 10));
    running -= 1;
    if (number === 2) {
      throw new Error('refused');
    }
    signal.throwIfAborted();
    return answer(number);
  }, memory);
  await expect(sending).rejects.toThrow('refused');
  expect(running).toBe(0);
  // All memory is back: more than the bound could not be taken otherwise.
  const all = await Promise.all([1, 2, 3].map(() => memory.take(PART_BYTES)));
  expect(all).toHaveLength(3);
});
