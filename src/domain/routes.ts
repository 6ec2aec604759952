// SPDX-License-Identifier: BSD-3-Clause
import type { Route } from '../protocol';

/** Tag of what a service offers; health checks, metrics and mounted apps carry others or none. */
const API_TAG = 'Service APIs';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;
const MAX_SUMMARY = 200;

type Unknown = Record<string, unknown>;

/** What a service's own description lists. */
export interface ServiceRoutes {
  title: string;
  routes: Route[];
}

/**
 * Reads the routes out of an OpenAPI 3 document as BentoML 1.0 to 1.4 serves it
 * at `/docs.json`. Whatever has another form than expected is left out; no
 * document makes it fail.
 */
export function parseRoutes(document: unknown): ServiceRoutes {
  const { info, paths } = object(document);
  const routes = Object.entries(object(paths)).flatMap(([path, item]) =>
    METHODS.flatMap(method => {
      const operation = object(item)[method];
      return path.startsWith('/') && isApi(operation)
        ? [toRoute(document, path, method, object(operation))]
        : [];
    })
  );
  return { title: text(object(info).title), routes };
}

/** The route that a request for a path (with or without query) means, if it is plain which. */
export function findRoute(routes: Route[], path: string): Route | undefined {
  const [plain] = path.split('?');
  const found = routes.filter(route => route.path === plain);
  return found.length === 1 ? found[0] : undefined;
}

function isApi(operation: unknown): boolean {
  const { tags } = object(operation);
  return Array.isArray(tags) && tags.includes(API_TAG);
}

function toRoute(
  document: unknown,
  path: string,
  method: string,
  operation: Unknown
): Route {
  const [firstLine = ''] = (
    text(operation.summary) || text(operation.description).trim()
  ).split('\n');
  const type = contentType(document, operation.requestBody);
  return {
    path,
    method: method.toUpperCase(),
    summary: firstLine.trim().slice(0, MAX_SUMMARY),
    ...(type === undefined ? {} : { contentType: type })
  };
}

/** The type to send: JSON where it is taken, else the first that is not a pattern. */
function contentType(document: unknown, body: unknown): string | undefined {
  const { content } = object(resolve(document, body));
  const types = Object.keys(object(content)).filter(
    type => type.includes('/') && !type.includes('*')
  );
  return types.find(type => type === 'application/json') ?? types[0];
}

/** Follows one local reference; BentoML writes no chains, and a cycle must not matter. */
function resolve(document: unknown, value: unknown): unknown {
  const reference = object(value).$ref;
  if (typeof reference !== 'string' || !reference.startsWith('#/')) {
    return value;
  }
  return reference
    .slice(2)
    .split('/')
    .map(part => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<unknown>((found, part) => object(found)[part], document);
}

function object(value: unknown): Unknown {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Unknown)
    : {};
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
