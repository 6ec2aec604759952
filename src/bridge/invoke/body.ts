// SPDX-License-Identifier: BSD-3-Clause
import type { Readable } from 'node:stream';
import { decodeText } from '../../domain/answer';
import type { Body } from '../../protocol';
import { peek } from './peek';

/** The largest answer that travels inside a message. */
export const MAX_INLINE_BYTES = 256 * 1024;

/** JSON may take six bytes for one character, and a message has a limit. */
const MAX_INLINE_JSON = 640 * 1024;

/** Stores a stream and hands out its id and its length in bytes. */
export type SaveBlob = (
  source: Readable,
  contentType: string
) => Promise<{ id: string; size: number }>;

/**
 * Reads an answer's body: inline when it is small, as text where it is text and
 * as base64 otherwise; anything bigger is streamed into a blob and never held.
 */
export async function readBody(
  source: Readable,
  contentType: string,
  saveBlob: SaveBlob
): Promise<Body> {
  const { whole, stream } = await peek(source, MAX_INLINE_BYTES);
  return whole
    ? inline(whole, contentType)
    : { kind: 'blob', ...(await saveBlob(stream, contentType)) };
}

function inline(bytes: Buffer, contentType: string): Body {
  const text = decodeText(bytes, contentType);
  if (
    text !== undefined &&
    Buffer.byteLength(JSON.stringify(text)) <= MAX_INLINE_JSON
  ) {
    return { kind: 'inline', encoding: 'utf8', data: text };
  }
  return {
    kind: 'inline',
    encoding: 'base64',
    data: bytes.toString('base64')
  };
}
