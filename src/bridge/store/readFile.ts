// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import { promisify } from 'node:util';

const open = promisify(fs.open);
const read = promisify(fs.read);

/** Buffers to read into, kept because a new one for each file is much of the work. */
const BUFFER_BYTES = 32 * 1024;
const MOST_BUFFERS = 16;
const spare: Buffer[] = [];

/** What was read, and of which file. */
export interface SmallFile {
  stat: fs.Stats;
  /** Absent when the file is longer than allowed, or no file at all. */
  text?: string;
}

/**
 * Reads a short text file with as few trips to the thread pool as possible:
 * over a thousand files they cost more than the reading.
 *
 * @param limit - Longest file in bytes that is read.
 * @throws What `node:fs` throws.
 */
export async function readSmallFile(
  file: string,
  limit: number
): Promise<SmallFile> {
  // Without O_NONBLOCK a pipe put in its place would hold a thread for ever.
  const { O_RDONLY, O_NONBLOCK } = fs.constants;
  const fd = await open(file, O_RDONLY | O_NONBLOCK);
  try {
    // The open has fetched what these two need, so neither waits for the disk.
    const stat = fs.fstatSync(fd);
    if (!stat.isFile() || stat.size > limit) {
      return { stat };
    }
    return { stat, text: await readText(fd, stat.size) };
  } finally {
    fs.closeSync(fd);
  }
}

async function readText(fd: number, size: number): Promise<string> {
  const buffer =
    (size <= BUFFER_BYTES ? spare.pop() : undefined) ??
    Buffer.allocUnsafeSlow(Math.max(size, BUFFER_BYTES));
  let length = 0;
  while (length < size) {
    const room = size - length;
    const { bytesRead } = await read(fd, buffer, length, room, length);
    if (bytesRead === 0) {
      break;
    }
    length += bytesRead;
  }
  const text = buffer.toString('utf8', 0, length);
  if (buffer.length === BUFFER_BYTES && spare.length < MOST_BUFFERS) {
    spare.push(buffer);
  }
  return text;
}
