// SPDX-License-Identifier: BSD-3-Clause
import fc from 'fast-check';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { findRoute, parseRoutes } from './routes';

const api = ['Service APIs'];
const title = 'Demo';

function documentOf(paths: unknown, more: object = {}): unknown {
  return { openapi: '3.0.2', info: { title }, paths, ...more };
}

it('lists what carries the tag of the service and nothing else', () => {
  const found = parseRoutes(
    documentOf({
      '/healthz': { get: { tags: ['Infrastructure'], responses: {} } },
      '/mounted': { get: { summary: 'of another app' } },
      '/classify': {
        post: {
          tags: api,
          summary: 'Classifies flowers.',
          requestBody: { content: { 'application/json': { schema: {} } } }
        }
      },
      '/long/cancel': { put: { tags: api, operationId: 'long_retry' } },
      '/long/retry': { post: { tags: api, operationId: 'long_retry' } }
    })
  );
  expect(found).toEqual({
    title,
    routes: [
      {
        path: '/classify',
        method: 'POST',
        summary: 'Classifies flowers.',
        contentType: 'application/json'
      },
      { path: '/long/cancel', method: 'PUT', summary: '' },
      { path: '/long/retry', method: 'POST', summary: '' }
    ]
  });
});

it('takes the first line of a description for a summary', () => {
  const post = { tags: api, description: '\n  First line.\n\nMore.' };
  const [route] = parseRoutes(documentOf({ '/a': { post } })).routes;
  expect(route?.summary).toBe('First line.');
});

it.each([
  [['application/json', 'text/csv'], 'application/json'],
  [['text/csv', 'application/json'], 'application/json'],
  [['image/png', 'image/jpeg'], 'image/png'],
  [['*/*'], undefined],
  [['image/*', 'image/png'], 'image/png'],
  [['null'], undefined],
  [[], undefined]
])('of %j it sends %s', (types, expected) => {
  const content = Object.fromEntries(types.map(type => [type, {}]));
  const post = { tags: api, requestBody: { content } };
  const [route] = parseRoutes(documentOf({ '/a': { post } })).routes;
  expect(route?.contentType).toBe(expected);
});

it('follows a reference to a body and stops at one that leads nowhere', () => {
  const components = {
    requestBodies: {
      'a/b': { content: { 'text/plain': {} } },
      loop: { $ref: '#/components/requestBodies/loop' }
    }
  };
  const routes = parseRoutes(
    documentOf(
      {
        '/a': {
          post: {
            tags: api,
            requestBody: { $ref: '#/components/requestBodies/a~1b' }
          }
        },
        '/b': {
          post: {
            tags: api,
            requestBody: { $ref: '#/components/requestBodies/loop' }
          }
        },
        '/c': { post: { tags: api, requestBody: { $ref: '#/none/at/all' } } }
      },
      { components }
    )
  ).routes;
  expect(routes.map(({ contentType }) => contentType)).toEqual([
    'text/plain',
    undefined,
    undefined
  ]);
});

it.each([
  ['nothing', undefined],
  ['null', null],
  ['a text', 'openapi'],
  ['a list', [1, 2]],
  ['paths that are a list', documentOf([{ get: { tags: api } }])],
  ['paths that are null', documentOf(null)],
  ['a path without an object', documentOf({ '/a': null, '/b': 'x', '/c': 7 })],
  [
    'tags that are no list',
    documentOf({ '/a': { get: { tags: 'Service APIs' } } })
  ],
  [
    'a name that is no path',
    documentOf({ 'x-webhooks': { get: { tags: api } } })
  ]
])('makes nothing of %s', (_what, document) => {
  expect(parseRoutes(document).routes).toEqual([]);
});

it('never fails, whatever the document', () => {
  const operation = fc.record({
    tags: fc.oneof(fc.constant(api), fc.jsonValue()),
    summary: fc.jsonValue(),
    requestBody: fc.oneof(
      fc.jsonValue(),
      fc.record({ $ref: fc.string() }),
      fc.record({ content: fc.jsonValue() })
    )
  });
  const paths = fc.dictionary(
    fc.string().map(text => `/${text}`),
    fc.dictionary(
      fc.constantFrom('get', 'post', '$ref', 'parameters'),
      operation
    )
  );
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), paths), value => {
      for (const document of [value, documentOf(value)]) {
        for (const route of parseRoutes(document).routes) {
          expect(route.path.startsWith('/')).toBe(true);
          expect(route.method).toMatch(/^(GET|POST|PUT|PATCH|DELETE)$/);
          expect(typeof route.summary).toBe('string');
        }
      }
    })
  );
});

it('finds the route of a path, unless there are several', () => {
  const routes = parseRoutes(
    documentOf({
      '/one': { post: { tags: api } },
      '/two': { post: { tags: api }, get: { tags: api } }
    })
  ).routes;
  expect(findRoute(routes, '/one?x=1')?.method).toBe('POST');
  expect(findRoute(routes, '/two')).toBeUndefined();
  expect(findRoute(routes, '/three')).toBeUndefined();
});

describe('documents of real services', () => {
  const reference =
    process.env.BENTO_REFERENCE_DIR ?? join(__dirname, '../../../shared');
  const folder = join(reference, 'samples');
  const missing = !existsSync(folder);
  // These documents are not part of the repository.
  const check = missing ? it.skip : it;

  check('of every version list their routes', () => {
    const counts = readdirSync(folder).flatMap(version =>
      readdirSync(join(folder, version))
        .filter(file => file.startsWith('openapi'))
        .map(file => {
          const text = readFileSync(join(folder, version, file), 'utf8');
          const { title, routes } = parseRoutes(load(text));
          expect(title).not.toBe('');
          expect(routes.map(({ path }) => path)).not.toContain('/healthz');
          return routes.length;
        })
    );
    expect(counts.length).toBeGreaterThan(3);
    expect(Math.min(...counts)).toBeGreaterThan(0);
  });
});
