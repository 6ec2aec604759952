// SPDX-License-Identifier: BSD-3-Clause
// Checks and tests the Python package as the unprivileged user, from a copy that
// this user can read wherever the clone lies. Argument: path of the JUnit report.
import { type SpawnOptions, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { unprivileged } from '../playground/basePython';
import { ensureEnv } from '../playground/envs';
import { repositoryRoot } from '../playground/paths';

const COPIED = ['jupyterlab_bento', 'docs', 'pyproject.toml', 'README.md'];

function run(
  command: string,
  args: string[],
  options: SpawnOptions
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: 'inherit' });
    child.once('error', reject);
    child.once('exit', code => resolve(code === 0));
  });
}

/** Copies what the tests need and gives it to the user they run as. */
function makeWorkspace(user: { uid: number; gid: number } | undefined): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bento-python-'));
  for (const name of COPIED) {
    const source = path.join(repositoryRoot, name);
    if (fs.existsSync(source)) {
      fs.cpSync(source, path.join(folder, name), {
        recursive: true,
        preserveTimestamps: true
      });
    }
  }
  fs.mkdirSync(path.join(folder, 'home'));
  if (user) {
    for (const entry of fs.readdirSync(folder, {
      recursive: true,
      encoding: 'utf8'
    })) {
      fs.lchownSync(path.join(folder, entry), user.uid, user.gid);
    }
    fs.chownSync(folder, user.uid, user.gid);
  }
  return folder;
}

async function main(): Promise<void> {
  const report = path.resolve(process.argv[2] ?? 'python.xml');
  const { bin } = await ensureEnv('tools', {
    onProgress: line => console.error(line)
  });
  const user = unprivileged();
  const folder = makeWorkspace(user);
  const options: SpawnOptions = {
    cwd: folder,
    env: {
      PATH: `${bin}:${process.env.PATH ?? ''}`,
      HOME: path.join(folder, 'home'),
      LANG: 'C.UTF-8'
    },
    ...(user ?? {})
  };
  const program = (name: string): string => path.join(bin, name);
  const written = path.join(folder, 'report.xml');
  const results = [
    await run(program('ruff'), ['check', '--no-cache', '.'], options),
    await run(
      program('ruff'),
      ['format', '--no-cache', '--check', '.'],
      options
    ),
    await run(program('mypy'), ['--cache-dir=/dev/null'], options),
    await run(
      program('pytest'),
      ['-q', '-p', 'no:cacheprovider', `--junitxml=${written}`],
      options
    )
  ];
  if (fs.existsSync(written)) {
    fs.copyFileSync(written, report);
  }
  fs.rmSync(folder, { recursive: true, force: true });
  process.exitCode = results.every(Boolean) ? 0 : 1;
}

void main();
