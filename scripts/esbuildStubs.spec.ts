// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(__dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'bundle-'));
const bundle = join(folder, 'kubeconfig.cjs');

afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a program in a Node of its own and parses what it prints. */
function run(script: string): unknown {
  const output = execFileSync(
    process.execPath,
    ['--input-type=module', '-e', script],
    { cwd: root, encoding: 'utf8' }
  );
  return JSON.parse(output) as unknown;
}

/** The files that went into the bundle; the bundle is written beside. */
function build(): string[] {
  return run(`
    import { build } from 'esbuild';
    import { stubGeneratedClient } from './scripts/esbuildStubs.mjs';
    const { metafile } = await build({
      entryPoints: ['src/bridge/cluster/kubeconfig.ts'],
      outfile: ${JSON.stringify(bundle)},
      bundle: true, platform: 'node', target: 'node20', format: 'cjs', keepNames: true, metafile: true,
      plugins: [stubGeneratedClient()]
    });
    console.log(JSON.stringify(Object.keys(metafile.inputs)));
  `) as string[];
}

it('the bundle reads kubeconfigs and runs exec plugins without the generated client', () => {
  const inputs = build();
  expect(inputs).toContain(
    'node_modules/@kubernetes/client-node/dist/config.js'
  );
  expect(
    inputs.filter(file => /client-node\/dist\/gen\/|node-fetch\//.test(file))
  ).toEqual([]);
  const kubeconfig = {
    'current-context': 'x',
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    clusters: [
      {
        name: 'c',
        cluster: { server: 'https://x', 'proxy-url': 'socks5://127.0.0.1:1' }
      }
    ],
    users: [
      {
        name: 'u',
        user: {
          exec: {
            command: process.execPath,
            args: ['-e', `console.log('{"status": {"token": "abc"}}')`]
          }
        }
      }
    ]
  };
  const applied = run(`
    import { createRequire } from 'node:module';
    const { loadKubeconfig } = createRequire(import.meta.url)(${JSON.stringify(bundle)});
    const { headers, agent } = await loadKubeconfig(${JSON.stringify(JSON.stringify(kubeconfig))})();
    console.log(JSON.stringify({ headers, agent: agent.constructor.name }));
  `);
  expect(applied).toEqual({
    headers: { Authorization: 'Bearer abc' },
    agent: 'SocksProxyAgent'
  });
});
