// SPDX-License-Identifier: BSD-3-Clause
import type * as http from 'node:http';
import type { Readable } from 'node:stream';
import { guessContentType } from '../../domain/answer';
import { BentoError } from '../../domain/errors';
import { findRoute } from '../../domain/routes';
import type { Route, ServiceRequest } from '../../protocol';
import { isHopByHop, isIdentity } from '../forward/headers';
import type { Outgoing } from '../forward/send';

/** Opens the bytes of a blob; may be called again when a request is sent again. */
export type ReadBlob = (
  id: string
) => Promise<{ size: number; stream: Readable }>;

/** A request that is ready to be sent but for its signal and its `Host`. */
export type Prepared = Pick<Outgoing, 'method' | 'path' | 'headers' | 'body'>;

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
// Anything else would end the header or is not sent by Node.
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/**
 * Turns a request of the protocol into one of HTTP. The method is the given one,
 * else the route's own, else POST with a body and GET without; the content type
 * is the given one, else the route's, else JSON for what is JSON.
 *
 * @throws BentoError `invalidParams` for a path, method or header that cannot be
 *   sent, and for headers that must not reach a service.
 */
export async function prepare(
  request: ServiceRequest,
  routes: Route[],
  readBlob: ReadBlob
): Promise<Prepared> {
  const path = checkPath(request.path);
  const route = findRoute(routes, path);
  const method = checkMethod(
    request.method ?? route?.method ?? (request.body ? 'POST' : 'GET')
  );
  const headers = checkHeaders(request.headers ?? {});
  headers['accept-encoding'] ??= 'identity';
  const body = await readyBody(request, route, method, readBlob);
  if (body) {
    const type = request.contentType ?? headers['content-type'];
    headers['content-type'] = type ?? route?.contentType ?? body.contentType;
    headers['content-length'] = String(body.size);
  }
  return { method, path, headers, body: body?.source };
}

interface ReadyBody {
  size: number;
  source: Buffer | (() => Promise<Readable>);
  /** What it is when nobody says so. */
  contentType: string;
}

async function readyBody(
  request: ServiceRequest,
  route: Route | undefined,
  method: string,
  readBlob: ReadBlob
): Promise<ReadyBody | undefined> {
  const { body } = request;
  if (!body) {
    // A typed service without arguments wants an empty object all the same.
    return method === 'POST' && route?.contentType === 'application/json'
      ? { size: 2, source: Buffer.from('{}'), contentType: 'application/json' }
      : undefined;
  }
  if (body.kind === 'blob') {
    const { size, stream } = await readBlob(body.id);
    let first: Readable | undefined = stream;
    const source = async () => {
      const opened = first ?? (await readBlob(body.id)).stream;
      first = undefined;
      return opened;
    };
    return { size, source, contentType: 'application/octet-stream' };
  }
  const source = Buffer.from(body.data, body.encoding);
  const contentType =
    body.encoding === 'utf8'
      ? guessContentType(body.data)
      : 'application/octet-stream';
  return { size: source.length, source, contentType };
}

function checkPath(path: string): string {
  if (!path.startsWith('/')) {
    throw invalid('path', `"${path}" must start with "/".`);
  }
  const [withoutFragment = ''] = path.split('#');
  try {
    return withoutFragment.replace(/[^\x21-\x7e]+/g, encodeURIComponent);
  } catch {
    throw invalid('path', 'it holds half of a character.');
  }
}

function checkMethod(method: string): string {
  if (!TOKEN.test(method) || method.toUpperCase() === 'CONNECT') {
    throw invalid('method', `"${method}" is not a method for a service.`);
  }
  return method.toUpperCase();
}

/** Headers with names in lower case; those that are not the caller's to set are refused. */
function checkHeaders(given: Record<string, string>): Record<string, string> {
  const headers = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(given)) {
    const lower = name.toLowerCase();
    const field = `headers.${name}`;
    if (isIdentity(lower)) {
      throw invalid(field, 'cookies and identities are not sent to a service.');
    }
    if (isHopByHop(lower) || FRAMING.has(lower)) {
      throw invalid(field, 'this header is set by the connection itself.');
    }
    if (!TOKEN.test(name) || !HEADER_VALUE.test(value)) {
      throw invalid(field, 'it holds a character that no header may hold.');
    }
    headers[lower] = value;
  }
  return headers;
}

const FRAMING = new Set(['host', 'content-length', 'expect']);

/** Text of the headers of an answer; repeated ones are joined as HTTP allows. */
export function answerHeaders(
  answer: http.IncomingMessage
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(answer.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : (value ?? '')
    ])
  );
}

function invalid(field: string, reason: string): BentoError {
  return new BentoError('invalidParams', { params: { field, reason } });
}
