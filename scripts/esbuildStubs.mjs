// SPDX-License-Identifier: BSD-3-Clause

/**
 * What `dist/config.js` of @kubernetes/client-node imports for methods that
 * nobody calls here: the generated API code (some thousand files) to make API
 * clients, and node-fetch (with tables of all Unicode domain names) to prepare
 * fetch options. Whoever calls one of them gets an error.
 */
const STUBS = {
  './gen/index.js': ['createConfiguration', 'ServerConfiguration'],
  'node-fetch': ['Headers']
};

/** esbuild plugin: leaves those out of a bundle that only reads kubeconfigs. */
export function stubGeneratedClient() {
  return {
    name: 'stub-generated-client',
    setup({ onResolve, onLoad }) {
      onResolve(
        { filter: /^(\.\/gen\/index\.js|node-fetch)$/ },
        ({ path, importer }) =>
          /@kubernetes[\\/]client-node[\\/]dist[\\/]config\.js$/.test(importer)
            ? { path, namespace: 'stubbed' }
            : undefined
      );
      onLoad({ filter: /.*/, namespace: 'stubbed' }, ({ path }) => ({
        contents: STUBS[path]
          .map(
            name =>
              `export function ${name}() { throw new Error('${name} is not part of this bundle.'); }`
          )
          .join('\n')
      }));
    }
  };
}
