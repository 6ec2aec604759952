// SPDX-License-Identifier: BSD-3-Clause
// Bundles the bridge into jupyterlab_bento/bridge/. What is needed only at times
// (the AWS SDK, the kubeconfig reader) becomes a file of its own, loaded on first use.
import { build } from 'esbuild';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stubGeneratedClient } from './esbuildStubs.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const outdir = join(root, 'jupyterlab_bento', 'bridge');
const { version } = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8')
);

/** Source of a lazily loaded part → its bundle. */
const lazyParts = {
  './sdk': './storage.cjs',
  './kubeconfig': './kubeconfig.cjs'
};

/** Leaves `import('./sdk')` and the like as a load of the part's own bundle. */
const loadPartsLater = {
  name: 'load-parts-later',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/(sdk|kubeconfig)$/ }, ({ path, kind }) =>
      kind === 'dynamic-import'
        ? { path: lazyParts[path], external: true }
        : undefined
    );
  }
};

const common = {
  absWorkingDir: root,
  outdir,
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  minify: true,
  keepNames: true,
  legalComments: 'none',
  // A dynamic import inside a script from the compile cache needs a callback;
  // as a require it does not.
  supported: { 'dynamic-import': false },
  define: { BRIDGE_VERSION: JSON.stringify(version) },
  logLevel: 'warning'
};

rmSync(outdir, { recursive: true, force: true });
mkdirSync(outdir, { recursive: true });
await build({
  ...common,
  entryPoints: {
    bridge: 'src/bridge/start.ts',
    main: 'src/bridge/main.ts'
  },
  plugins: [loadPartsLater]
});
await build({
  ...common,
  entryPoints: {
    storage: 'src/bridge/storage/sdk.ts',
    kubeconfig: 'src/bridge/cluster/kubeconfig.ts'
  },
  plugins: [stubGeneratedClient()]
});
