// SPDX-License-Identifier: BSD-3-Clause
// What a bridge costs: time from spawning it to an answered handshake, memory
// after a minute of watching a namespace of a real cluster, size of its code.
import * as fs from 'node:fs';
import * as path from 'node:path';
import { connectBridge, startBridge } from '../playground/bridge';
import { down, type Instance, up } from '../playground/instance';
import { repositoryRoot } from '../playground/paths';
import { residentBytes } from '../playground/processes';

const RUNS = 5;
const WATCH_MS = 60_000;
const NAME = 'bench-startup';

function median(values: number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

async function handshake(instance: Instance): Promise<number> {
  const began = performance.now();
  const bridge = await startBridge({
    env: instance.productEnv,
    user: instance.user
  });
  const client = await connectBridge(bridge.socketPath);
  const ms = performance.now() - began;
  client.close();
  await bridge.stop();
  return ms;
}

/** Resident megabytes after a minute in which one client follows the namespace. */
async function idle(instance: Instance): Promise<number> {
  const bridge = await startBridge({
    env: instance.productEnv,
    user: instance.user
  });
  const client = await connectBridge(bridge.socketPath);
  await client.request('subscribe', {
    topics: ['operations', `deployments/${instance.namespace}`]
  });
  await new Promise(resolve => setTimeout(resolve, WATCH_MS));
  const bytes = residentBytes(bridge.process.pid ?? 0) ?? NaN;
  client.close();
  await bridge.stop();
  return bytes / 1024 / 1024;
}

function bundleKb(): number {
  const folder = path.join(repositoryRoot, 'jupyterlab_bento', 'bridge');
  const bytes = fs
    .readdirSync(folder)
    .map(file => fs.statSync(path.join(folder, file)).size)
    .reduce((sum, size) => sum + size, 0);
  return Math.round(bytes / 1024);
}

async function main(): Promise<void> {
  const instance = await up({
    name: NAME,
    onProgress: line => console.error(line)
  });
  try {
    // The first start writes the compile cache, as it does once per installation.
    const coldMs = await handshake(instance);
    const idleRssMb = await idle(instance);
    const times: number[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      times.push(await handshake(instance));
    }
    console.log(
      JSON.stringify({
        handshakeMs: Math.round(median(times)),
        coldHandshakeMs: Math.round(coldMs),
        idleRssMb: Math.round(idleRssMb * 10) / 10,
        bridgeKb: bundleKb(),
        node: process.version,
        runs: RUNS
      })
    );
  } finally {
    await down(NAME);
  }
}

void main();
