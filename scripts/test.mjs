// SPDX-License-Identifier: BSD-3-Clause
// Runs the suites (all, or those named) one after the other, and ends with one
// line `N passed, N failed` over all of them.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const reports = mkdtempSync(join(tmpdir(), 'bento-tests-'));
const total = { passed: 0, failed: 0, skipped: 0 };

/** Runs a command with its output shown; returns whether it succeeded. */
function run(command, args, env = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env }
  });
  return result.status === 0;
}

/** Counts a check that is no suite of its own: lint, types, build. */
function check(name, command, args) {
  process.stdout.write(`\n— ${name}\n`);
  total[run(command, args) ? 'passed' : 'failed'] += 1;
}

/** Adds a suite's own counts; a suite that dies without a report counts as one failure. */
function addCounts(ok, read) {
  try {
    const counts = read();
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
    if (!ok && counts.failed === 0) {
      total.failed += 1;
    }
  } catch {
    total.failed += 1;
  }
}

function jest(project, extra = []) {
  process.stdout.write(`\n— ${project} tests\n`);
  const file = join(reports, `${project}.json`);
  const ok = run(process.execPath, [
    'node_modules/jest/bin/jest.js',
    '--selectProjects',
    project,
    '--json',
    `--outputFile=${file}`,
    ...extra
  ]);
  addCounts(ok, () => {
    const report = JSON.parse(readFileSync(file, 'utf8'));
    return {
      passed: report.numPassedTests,
      failed: report.numFailedTests + report.numRuntimeErrorTestSuites,
      skipped: report.numPendingTests
    };
  });
}

function python() {
  process.stdout.write('\n— python tests\n');
  const file = join(reports, 'python.xml');
  const ok = run(process.execPath, [
    '--import',
    'tsx',
    'scripts/pythonTests.ts',
    file
  ]);
  addCounts(ok, () => {
    const suite = /<testsuite [^>]*>/.exec(readFileSync(file, 'utf8'))?.[0];
    const number = name =>
      Number(new RegExp(` ${name}="(\\d+)"`).exec(suite)?.[1] ?? NaN);
    const failed = number('failures') + number('errors');
    const skipped = number('skipped');
    return { passed: number('tests') - failed - skipped, failed, skipped };
  });
}

const suites = {
  unit: () => {
    check('types', 'npx', ['tsc', '--noEmit']);
    check('lint', 'npx', ['eslint', '.', '--max-warnings', '0']);
    check('format', 'npx', ['prettier', '--check', '--log-level=warn', '.']);
    check('protocol description', process.execPath, [
      '--import',
      'tsx',
      'scripts/protocol.ts',
      '--check'
    ]);
    jest('unit');
  },
  python,
  cluster: () => jest('cluster', ['--runInBand'])
};

const named = process.argv.slice(2).filter(name => name in suites);
check('build', process.execPath, ['scripts/build.mjs']);
for (const name of named.length > 0 ? named : Object.keys(suites)) {
  const began = Date.now();
  suites[name]();
  const seconds = Math.round((Date.now() - began) / 1000);
  process.stdout.write(`\n— ${name}: ${seconds} s\n`);
}
rmSync(reports, { recursive: true, force: true });
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
process.stdout.write(
  `\n${total.passed} passed, ${total.failed} failed${skipped}\n`
);
process.exitCode = total.failed > 0 ? 1 : 0;
