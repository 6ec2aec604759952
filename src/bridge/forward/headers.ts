// SPDX-License-Identifier: BSD-3-Clause
import type * as http from 'node:http';

/** Headers that belong to one connection (RFC 9110, section 7.6.1). */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade'
]);

/**
 * Headers by which a gateway or Jupyter tells who somebody is. They must never
 * reach a bento, whose code could act as that person.
 */
const IDENTITY =
  /^(cookie|x-xsrftoken|kubeflow-.*|x-auth-request-.*|x-forwarded-client-cert|x-forwarded-access-token|x-forwarded-user|x-forwarded-email)$/;

/** Whether a header, in lower case, belongs to one connection. */
export function isHopByHop(name: string): boolean {
  return HOP_BY_HOP.has(name);
}

/** Whether a header, in lower case, carries an identity that is not the bento's business. */
export function isIdentity(name: string): boolean {
  return IDENTITY.test(name);
}

/**
 * Raw headers (name, value, name, value...) without those of the connection,
 * those that its `Connection` header names, and those that `drop` picks.
 */
export function passedOn(
  raw: string[],
  drop: (name: string) => boolean
): [string, string][] {
  const pairs: [string, string][] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    pairs.push([raw[index] ?? '', raw[index + 1] ?? '']);
  }
  const named = new Set(
    pairs
      .filter(([name]) => name.toLowerCase() === 'connection')
      .flatMap(([, value]) => value.toLowerCase().split(/\s*,\s*/))
  );
  return pairs.filter(([name]) => {
    const lower = name.toLowerCase();
    return !isHopByHop(lower) && !named.has(lower) && !drop(lower);
  });
}

/** Groups header pairs by name in lower case, as Node wants those of a request. */
export function toHeaders(pairs: [string, string][]): http.OutgoingHttpHeaders {
  // Without a prototype: "__proto__" is a legal name.
  const headers = Object.create(null) as Record<string, string | string[]>;
  for (const [name, value] of pairs) {
    const lower = name.toLowerCase();
    const before = headers[lower];
    headers[lower] = before === undefined ? value : [before, value].flat();
  }
  return headers;
}
