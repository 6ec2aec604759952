// SPDX-License-Identifier: BSD-3-Clause

const TEXT_TYPE =
  /^(text\/.*|.*\+(json|xml|yaml)|application\/(json|x-?ndjson|jsonlines|xml|yaml|x-yaml|javascript|ecmascript|graphql|x-www-form-urlencoded))$/;

/** Media type in lower case without its parameters. */
export function mediaType(contentType: string): string {
  return (contentType.split(';')[0] ?? '').trim().toLowerCase();
}

/**
 * The text of a body, or undefined when its type is not one of text or its bytes
 * are not of its charset (BentoML declares raw bytes as `text/plain`). Without a
 * charset it is UTF-8; a byte order mark is left out.
 */
export function decodeText(
  bytes: Uint8Array,
  contentType: string
): string | undefined {
  if (!TEXT_TYPE.test(mediaType(contentType))) {
    return undefined;
  }
  const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(contentType)?.[1];
  try {
    return new TextDecoder(charset ?? 'utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Content type for a text that comes without one: JSON when it is JSON. */
export function guessContentType(text: string): string {
  try {
    JSON.parse(text);
    return 'application/json';
  } catch {
    return 'text/plain; charset=utf-8';
  }
}
