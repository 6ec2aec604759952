// SPDX-License-Identifier: BSD-3-Clause
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import * as readline from 'node:readline';

import { withLock } from './lock';
import { binDir, repositoryRoot } from './paths';

const moduleDir = path.join(repositoryRoot, 'playground', 'servers');

/** The programs of a playground, with the Go packages they are built from. */
const packages = {
  etcd: 'go.etcd.io/etcd/server/v3',
  'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
  'kube-controller-manager': 'k8s.io/kubernetes/cmd/kube-controller-manager',
  'kube-scheduler': 'k8s.io/kubernetes/cmd/kube-scheduler',
  kubectl: 'k8s.io/kubernetes/cmd/kubectl',
  kwok: 'sigs.k8s.io/kwok/cmd/kwok',
  versitygw: 'github.com/versity/versitygw/cmd/versitygw'
} as const;

/** KWOK's own files that a playground uses, below `kustomize/` of its module. */
const kwokFiles = [
  'crd/bases/kwok.x-k8s.io_logs.yaml',
  'crd/bases/kwok.x-k8s.io_portforwards.yaml',
  'stage/node/fast/node-initialize.yaml',
  'stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml',
  'stage/pod/fast/pod-delete.yaml'
];

/** The name of one of the programs. */
export type Program = keyof typeof packages;

/** Where the built programs are. */
export interface Programs {
  /** The folder that holds them, fit for PATH. */
  dir: string;
  path: (program: Program) => string;
  /** Files taken from KWOK's module, by their base name. */
  kwokFile: (name: string) => string;
}

/** A line for whoever waits. */
export type Progress = (line: string) => void;

function programs(dir: string): Programs {
  return {
    dir,
    path: program => path.join(dir, program),
    kwokFile: name => path.join(dir, 'kwok-files', name)
  };
}

/** Without these the server calls itself v0.0.0-master, which version checks choke on. */
function linkerFlags(): string {
  const goMod = fs.readFileSync(path.join(moduleDir, 'go.mod'), 'utf8');
  const version = /^\s*k8s\.io\/kubernetes v(\d+)\.(\d+)\.(\d+)$/m.exec(goMod);
  if (!version) {
    throw new Error(
      'playground/servers/go.mod does not require k8s.io/kubernetes.'
    );
  }
  const [, major, minor, patch] = version.map(String);
  const variable = 'k8s.io/component-base/version.git';
  return [
    '-s -w',
    `-X ${variable}Version=v${String(major)}.${String(minor)}.${String(patch)}`,
    `-X ${variable}Major=${String(major)} -X ${variable}Minor=${String(minor)}`
  ].join(' ');
}

/** One folder for each set of inputs, so that another checkout never finds the wrong programs. */
function versionKey(): string {
  const hash = createHash('sha256');
  for (const file of ['go.mod', 'go.sum']) {
    hash.update(fs.readFileSync(path.join(moduleDir, file)));
  }
  hash.update(
    JSON.stringify([
      packages,
      kwokFiles,
      linkerFlags(),
      process.platform,
      process.arch
    ])
  );
  return hash.digest('hex').slice(0, 16);
}

interface GoRun {
  args: readonly string[];
  cwd: string;
  onLine?: Progress;
}

/**
 * Runs the go command and returns what it printed; `onLine` gets its standard error.
 * @throws Error that tells how to get Go when it is missing, or shows the last lines when it failed.
 */
export async function runGo(options: GoRun): Promise<string> {
  const child = spawn('go', options.args, {
    cwd: options.cwd,
    env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' },
    stdio: ['ignore', 'pipe', 'pipe']
  });
  const last: string[] = [];
  readline.createInterface({ input: child.stderr }).on('line', line => {
    last.push(line);
    last.splice(0, last.length - 20);
    options.onLine?.(line);
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', cause => {
      const hint =
        'The playground builds its servers with Go 1.26 or newer. Install it (https://go.dev/doc/install, ' +
        'or the package golang of your system when new enough) and see that "go version" works.';
      reject(new Error(`The command go cannot be run. ${hint}`, { cause }));
    });
    child.once('close', code => {
      if (code === 0) {
        resolve(output);
      } else {
        const command = `go ${options.args.slice(0, 2).join(' ')}`;
        reject(
          new Error(
            `${command} failed with ${String(code)}:\n${last.join('\n')}`
          )
        );
      }
    });
  });
}

/** Turns the thousands of lines of a build into one every ten seconds. */
function summarize(onProgress: Progress, total: number): Progress {
  const begun = Date.now();
  let reported = begun;
  let compiled = 0;
  let downloaded = 0;
  return line => {
    if (line.startsWith('go: downloading')) {
      downloaded++;
    } else {
      compiled++;
    }
    if (Date.now() - reported >= 10_000) {
      reported = Date.now();
      const elapsed = `${String(Math.round((reported - begun) / 1000))} s`;
      onProgress(
        compiled === 0
          ? `downloading Go modules: ${String(downloaded)} so far, ${elapsed}`
          : `compiling the servers: ${String(compiled)} of at most ${String(total)} packages, ${elapsed}`
      );
    }
  };
}

async function build(dir: string, onProgress: Progress): Promise<void> {
  const wanted = Object.values(packages);
  onProgress(
    'building the playground servers with Go; about 12 minutes on two cores, once'
  );
  const listed = await runGo({
    args: ['list', '-deps', '-f', '{{.ImportPath}}', ...wanted],
    cwd: moduleDir,
    onLine: summarize(onProgress, 0)
  });
  const flags = ['-mod=readonly', '-v', '-ldflags', linkerFlags()];
  await runGo({
    args: ['build', ...flags, '-o', `${dir}${path.sep}`, ...wanted],
    cwd: moduleDir,
    onLine: summarize(onProgress, listed.trim().split('\n').length)
  });
  // Go names it after the last part of the package's path that is not a version.
  fs.renameSync(path.join(dir, 'server'), path.join(dir, 'etcd'));
  const kwok = await runGo({
    args: ['list', '-m', '-f', '{{.Dir}}', 'sigs.k8s.io/kwok'],
    cwd: moduleDir
  });
  const copies = path.join(dir, 'kwok-files');
  fs.mkdirSync(copies);
  for (const file of kwokFiles) {
    const copy = path.join(copies, path.basename(file));
    fs.copyFileSync(path.join(kwok.trim(), 'kustomize', file), copy);
    fs.chmodSync(copy, 0o644);
  }
}

/**
 * Gives the programs of a playground, building them first when these versions never were.
 * @throws Error when Go is missing or the build fails.
 */
export async function ensureServers(
  onProgress: Progress = () => undefined
): Promise<Programs> {
  const dir = path.join(binDir(), versionKey());
  if (fs.existsSync(dir)) {
    return programs(dir);
  }
  return withLock(
    `${dir}.lock`,
    async () => {
      if (fs.existsSync(dir)) {
        return programs(dir);
      }
      const partial = `${dir}.partial`;
      fs.rmSync(partial, { recursive: true, force: true });
      fs.mkdirSync(partial, { recursive: true });
      await build(partial, onProgress);
      fs.chmodSync(partial, 0o755);
      fs.renameSync(partial, dir);
      onProgress('the playground servers are built');
      return programs(dir);
    },
    () => {
      onProgress('waiting for another build of the playground servers');
    }
  );
}
