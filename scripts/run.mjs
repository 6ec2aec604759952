// SPDX-License-Identifier: BSD-3-Clause
// Entry of every npm script: sets up what a fresh clone lacks, then runs the task.
// Uses nothing but Node itself, since it runs before `npm ci`.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

const tsx = file => ['--import', 'tsx', file];
const tasks = {
  build: () => ['scripts/build.mjs'],
  demo: () => tsx('playground/demo.ts'),
  playground: () => tsx('playground/main.ts'),
  protocol: () => tsx('scripts/protocol.ts'),
  bench: ([name]) => tsx(`bench/${name}.ts`),
  test: () => ['scripts/test.mjs']
};

/** Ends with a message that says what is missing and how to get it. */
function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

function checkNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 20) {
    fail(
      `Node ${process.versions.node} is too old: install Node 20 or newer (https://nodejs.org, or "conda install nodejs").`
    );
  }
}

/** Whether node_modules holds what the lock file asks for (optional packages of other machines aside). */
function packagesAreCurrent() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) {
    return false;
  }
  const packages = file => JSON.parse(readFileSync(file, 'utf8')).packages;
  const present = packages(installed);
  return Object.entries(packages(join(root, 'package-lock.json'))).every(
    ([path, { version, optional }]) =>
      path === '' || optional || present[path]?.version === version
  );
}

function installPackages() {
  if (packagesAreCurrent()) {
    return;
  }
  process.stderr.write('Installing npm packages…\n');
  const result = spawnSync('npm', ['ci'], {
    cwd: root,
    stdio: ['ignore', process.stderr, process.stderr]
  });
  if (result.status !== 0) {
    fail('"npm ci" failed; its output is above.');
  }
}

function main() {
  const [task, ...given] = process.argv.slice(2);
  const args = given.filter(argument => argument !== '--');
  if (!(task in tasks)) {
    fail(`Unknown task "${task}". Tasks: ${Object.keys(tasks).join(', ')}`);
  }
  if (task === 'bench' && !existsSync(join(root, 'bench', `${args[0]}.ts`))) {
    fail('Name a benchmark: npm run bench -- NAME --json (see bench/).');
  }
  checkNode();
  installPackages();
  const result = spawnSync(process.execPath, [...tasks[task](args), ...args], {
    cwd: root,
    stdio: 'inherit'
  });
  process.exit(result.status ?? 1);
}

main();
