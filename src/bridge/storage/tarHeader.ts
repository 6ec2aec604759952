// SPDX-License-Identifier: BSD-3-Clause

/** What one entry's header says; times and owners are the same for all. */
export interface TarHeader {
  /** Path without a slash at its ends. */
  path: string;
  type: 'file' | 'directory' | 'symlink';
  size: number;
  mode: number;
  linkTarget?: string;
}

/** Unit of the format. */
export const TAR_BLOCK = 512;

/** Two empty blocks end an archive. */
export const TAR_END = Buffer.alloc(2 * TAR_BLOCK);

/**
 * Every entry carries this time, 2 January 1980 in seconds: zip, which Python
 * wheels are, has no earlier one in any time zone, and GNU tar remarks on 0.
 */
const MODIFIED = Date.UTC(1980, 0, 2) / 1000;

const TYPE_FLAG = { file: '0', symlink: '2', directory: '5' };
const NAME_BYTES = 100;

/** Eleven octal digits; what is longer goes into a pax record. */
const LARGEST_SIZE = 0o77777777777;

/** Bytes that follow the content of that length up to a whole block. */
export function tarPadding(size: number): number {
  return (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;
}

/**
 * The header blocks of an entry: POSIX ustar, with pax records before it for
 * what does not fit (names past 100 bytes or outside ASCII, sizes from 8 GiB).
 * The same entry always gives the same bytes: digests of archives made earlier
 * are compared with new ones, so any change here makes every bento look changed.
 */
export function tarHeader(header: TarHeader): Buffer {
  const name = header.path + (header.type === 'directory' ? '/' : '');
  const records = Buffer.concat([
    ...(fits(name) ? [] : [paxRecord('path', name)]),
    ...(fits(header.linkTarget ?? '')
      ? []
      : [paxRecord('linkpath', header.linkTarget ?? '')]),
    ...(header.size > LARGEST_SIZE
      ? [paxRecord('size', String(header.size))]
      : [])
  ]);
  const own = block({
    name,
    mode: header.mode,
    size: header.size,
    flag: TYPE_FLAG[header.type],
    link: header.linkTarget ?? ''
  });
  if (records.length === 0) {
    return own;
  }
  const pax = block({
    name: 'pax-header',
    mode: 0o644,
    size: records.length,
    flag: 'x',
    link: ''
  });
  const padding = Buffer.alloc(tarPadding(records.length));
  return Buffer.concat([pax, records, padding, own]);
}

function fits(text: string): boolean {
  return Buffer.byteLength(text) <= NAME_BYTES && /^[ -~]*$/.test(text);
}

/** `<length> <key>=<value>\n`, where the length counts its own digits. */
function paxRecord(key: string, value: string): Buffer {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  const digits = String(bytes + String(bytes).length).length;
  return Buffer.from(String(bytes + digits) + rest);
}

interface Fields {
  name: string;
  mode: number;
  size: number;
  flag: string;
  link: string;
}

function block(fields: Fields): Buffer {
  const { name, mode, size, flag, link } = fields;
  const bytes = Buffer.alloc(TAR_BLOCK);
  // Cut names are read by no one: the pax record before them wins.
  bytes.write(name, 0, NAME_BYTES);
  bytes.write(octal(mode, 7), 100);
  bytes.write(octal(0, 7), 108);
  bytes.write(octal(0, 7), 116);
  bytes.write(octal(size > LARGEST_SIZE ? 0 : size, 11), 124);
  bytes.write(octal(MODIFIED, 11), 136);
  bytes.fill(' ', 148, 156);
  bytes.write(flag, 156);
  bytes.write(link, 157, NAME_BYTES);
  bytes.write('ustar\0' + '00', 257, 'latin1');
  bytes.write(octal(0, 7), 329);
  bytes.write(octal(0, 7), 337);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${octal(sum, 6)}\0 `, 148, 'latin1');
  return bytes;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}
