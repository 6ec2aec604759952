// SPDX-License-Identifier: BSD-3-Clause
// How long it takes to see a store of 1,000 different bentos: first rows and all
// rows from a new bridge without an index and with one, beside `bentoml list`.
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { connectBridge, startBridge } from '../playground/bridge';
import { ensureEnv } from '../playground/envs';
import { repositoryRoot } from '../playground/paths';
import type { StoreRows } from '../src/protocol';
import { writeStore } from './storeFixture';

const BENTOS = 1000;
const RUNS = 5;

/** `bentoml list` parses every byte in Python and takes a minute: fewer runs, medians all the same. */
const BENTOML_RUNS = 3;
const DROP_CACHES = '/proc/sys/vm/drop_caches';

interface Listing {
  firstMs: number;
  allMs: number;
}

function median(values: number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  return Math.round(sorted[Math.floor(sorted.length / 2)] ?? NaN);
}

/** Empties the page cache where the system lets us; false elsewhere. */
function dropPageCache(): boolean {
  try {
    spawnSync('sync');
    fs.writeFileSync(DROP_CACHES, '3');
    return true;
  } catch {
    return false;
  }
}

/**
 * Starts a bridge, lists once and ends it. The clock runs from the request to
 * the rows: the bridge's own start is another benchmark.
 */
async function listOnce(folder: string): Promise<Listing> {
  const bridge = await startBridge({
    env: {
      HOME: folder,
      BENTOML_HOME: path.join(folder, 'store'),
      XDG_CACHE_HOME: path.join(folder, 'cache')
    }
  });
  // A request to a dead bridge would wait for ever.
  const died = new Promise<never>((_resolve, reject) =>
    bridge.process.once('exit', () => {
      reject(new Error(`The bridge ended:\n${bridge.log()}`));
    })
  );
  const client = await Promise.race([connectBridge(bridge.socketPath), died]);
  const listing = await Promise.race([timeList(client), died]);
  died.catch(() => undefined);
  client.close();
  await bridge.stop();
  return listing;
}

async function timeList(
  client: Awaited<ReturnType<typeof connectBridge>>
): Promise<Listing> {
  // After the handshake, so that what it has read from the disk does not count.
  dropPageCache();
  const began = performance.now();
  let firstMs = NaN;
  let allMs = NaN;
  let rows = 0;
  const { count, bad } = await client.request(
    'store.list',
    {},
    {
      onProgress: value => {
        allMs = performance.now() - began;
        firstMs = rows === 0 ? allMs : firstMs;
        rows += (value as StoreRows).bentos.length;
      }
    }
  );
  if (count !== BENTOS || rows !== BENTOS || bad > 0) {
    throw new Error(`${rows} rows of ${count} bentos came, ${bad} bad ones.`);
  }
  return { firstMs, allMs };
}

function bentomlList(bin: string, folder: string): number {
  dropPageCache();
  const began = performance.now();
  const { status, stdout, stderr } = spawnSync(
    path.join(bin, 'bentoml'),
    ['list', '-o', 'json'],
    {
      env: {
        PATH: process.env.PATH,
        HOME: folder,
        BENTOML_HOME: path.join(folder, 'store'),
        BENTOML_DO_NOT_TRACK: 'True',
        LANG: 'C.UTF-8'
      },
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024
    }
  );
  const ms = performance.now() - began;
  const listed = status === 0 ? (JSON.parse(stdout) as unknown[]).length : 0;
  if (listed !== BENTOS) {
    throw new Error(`bentoml list gave ${String(listed)} bentos: ${stderr}`);
  }
  return ms;
}

async function measure(folder: string, bin: string): Promise<object> {
  const cold: Listing[] = [];
  const warm: Listing[] = [];
  const bentoml: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    console.error(`Run ${String(run + 1)} of ${String(RUNS)}…`);
    fs.rmSync(path.join(folder, 'cache'), { recursive: true, force: true });
    cold.push(await listOnce(folder));
    warm.push(await listOnce(folder));
    if (run < BENTOML_RUNS) {
      bentoml.push(bentomlList(bin, folder));
    }
  }
  return {
    firstMs: median(cold.map(({ firstMs }) => firstMs)),
    coldMs: median(cold.map(({ allMs }) => allMs)),
    warmFirstMs: median(warm.map(({ firstMs }) => firstMs)),
    warmMs: median(warm.map(({ allMs }) => allMs)),
    bentomlListMs: median(bentoml)
  };
}

async function main(): Promise<void> {
  const built = spawnSync(
    process.execPath,
    [path.join(repositoryRoot, 'scripts', 'build.mjs')],
    { stdio: ['ignore', process.stderr, process.stderr] }
  );
  if (built.status !== 0) {
    throw new Error('The bridge could not be built.');
  }
  const { bin } = await ensureEnv('current', {
    onProgress: line => {
      console.error(line);
    }
  });
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bench-list-'));
  try {
    console.error(`Writing ${String(BENTOS)} bentos…`);
    await writeStore(path.join(folder, 'store'), BENTOS);
    const result = await measure(folder, bin);
    console.log(
      JSON.stringify({
        ...result,
        bentos: BENTOS,
        pageCacheDropped: dropPageCache(),
        runs: RUNS,
        bentomlRuns: BENTOML_RUNS,
        cores: os.availableParallelism(),
        node: process.version
      })
    );
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
