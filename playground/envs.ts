// SPDX-License-Identifier: BSD-3-Clause
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';

import { findBasePython, unprivileged } from './basePython';
import { withLock } from './lock';
import { cacheRoot, envsDir, repositoryRoot } from './paths';
import { runLines } from './runLines';

/** The Python environments, with what each is for and the newest Python 3 that all of it runs on. */
const environments = {
  current: {
    what: 'current BentoML, kernels and pods',
    newestMinor: 13,
    kernel: 'Python (BentoML 1.4)'
  },
  fraud: {
    what: 'BentoML 1.1 with runners, kernels and pods',
    newestMinor: 12,
    kernel: 'Python (BentoML 1.1)'
  },
  tools: {
    what: 'runs notebooks and tests, packs the wheel',
    newestMinor: 13,
    kernel: undefined
  }
} as const;

/** The name of a Python environment; its packages are pinned in `envs/<name>.txt`. */
export type EnvName = keyof typeof environments;

/** Every environment's name. */
export const envNames = Object.keys(environments) as EnvName[];

/** A Python environment that is complete and that the product's user can use. */
export interface PythonEnv {
  name: EnvName;
  dir: string;
  /** The interpreter. */
  python: string;
  /** The folder of its programs, fit for PATH. */
  bin: string;
  /** The folder of its kernels, fit for JUPYTER_PATH. */
  jupyterPath: string;
}

/** A line for whoever waits. */
export type Progress = (line: string) => void;

const marker = 'complete.json';

function requirementsFile(name: string): string {
  return path.join(repositoryRoot, 'playground', 'envs', `${name}.txt`);
}

/** One folder for each set of requirements, so that two checkouts can differ. */
function envDir(name: string): string {
  const hash = createHash('sha256')
    .update(fs.readFileSync(requirementsFile(name)))
    .update(JSON.stringify([process.platform, process.arch]))
    .digest('hex');
  return path.join(envsDir(), `${name}-${hash.slice(0, 12)}`);
}

function describe(name: EnvName, dir: string): PythonEnv {
  const bin = path.join(dir, 'bin');
  return {
    name,
    dir,
    bin,
    python: path.join(bin, 'python'),
    jupyterPath: path.join(dir, 'share', 'jupyter')
  };
}

function isComplete(dir: string): boolean {
  return fs.existsSync(path.join(dir, marker));
}

/** The name of the kernel of an environment; none of `tools`. */
export function kernelName(name: EnvName): string {
  return `bento-${name}`;
}

/**
 * Looks an environment up without making it.
 * Undefined when it was never made; `ensureEnv` makes it.
 */
export function findEnv(name: EnvName): PythonEnv | undefined {
  const dir = envDir(name);
  return isComplete(dir) ? describe(name, dir) : undefined;
}

/** Files that everybody may read, whatever the umask of whoever runs this. */
function asPublic(command: string, args: readonly string[]): string[] {
  return ['-c', 'umask 022; exec "$@"', 'sh', command, ...args];
}

/** What the installer needs to know of how this machine reaches its package index. */
function installerEnv(): NodeJS.ProcessEnv {
  const { PIP_INDEX_URL, UV_DEFAULT_INDEX } = process.env;
  const index = UV_DEFAULT_INDEX ?? PIP_INDEX_URL;
  return {
    ...process.env,
    ...(index ? { UV_DEFAULT_INDEX: index } : {}),
    UV_CACHE_DIR: path.join(cacheRoot(), 'uv'),
    UV_NO_CONFIG: '1',
    UV_SYSTEM_CERTS: '1',
    PIP_DISABLE_PIP_VERSION_CHECK: '1',
    PYTHONDONTWRITEBYTECODE: '1',
    VIRTUAL_ENV: undefined
  };
}

async function runPublic(
  command: string,
  args: readonly string[],
  onLine?: Progress
): Promise<void> {
  await runLines({
    command: 'sh',
    args: asPublic(command, args),
    cwd: '/',
    env: installerEnv(),
    onLine
  });
}

/** Writes the marker last and as a whole: an environment without it is made anew. */
function markComplete(dir: string, text: string): void {
  const partial = path.join(dir, `${marker}.partial`);
  fs.writeFileSync(partial, text, { mode: 0o644 });
  fs.renameSync(partial, path.join(dir, marker));
}

async function makeOnce(
  dir: string,
  make: () => Promise<string>,
  onWait: () => void
): Promise<void> {
  if (isComplete(dir)) {
    return;
  }
  await withLock(
    `${dir}.lock`,
    async () => {
      if (isComplete(dir)) {
        return;
      }
      fs.rmSync(dir, { recursive: true, force: true });
      for (const folder of [cacheRoot(), envsDir()]) {
        fs.mkdirSync(folder, { recursive: true });
        fs.chmodSync(folder, 0o755);
      }
      markComplete(dir, await make());
    },
    onWait
  );
}

/** The installer, in an environment of its own: it takes a seventh of pip's time. */
async function ensureInstaller(onProgress: Progress): Promise<string> {
  const dir = envDir('installer');
  const make = async (): Promise<string> => {
    onProgress('getting the installer of Python packages');
    const base = findBasePython(environments.tools.newestMinor);
    await runPublic(base.path, ['-m', 'venv', dir]);
    const pip = ['-m', 'pip', 'install', '--quiet', '--retries', '10'];
    await runPublic(path.join(dir, 'bin', 'python'), [
      ...pip,
      '-r',
      requirementsFile('installer')
    ]);
    return JSON.stringify({ base });
  };
  await makeOnce(dir, make, () => {
    onProgress('waiting for another command that gets the installer');
  });
  return path.join(dir, 'bin', 'uv');
}

/** Replaces ipykernel's own kernel by one that has a name of ours and the environment's programs. */
function writeKernel(env: PythonEnv): void {
  const { kernel } = environments[env.name];
  const kernels = path.join(env.jupyterPath, 'kernels');
  fs.rmSync(path.join(kernels, 'python3'), { recursive: true, force: true });
  if (kernel === undefined) {
    return;
  }
  const dir = path.join(kernels, kernelName(env.name));
  fs.mkdirSync(dir, { recursive: true });
  const spec = {
    argv: [env.python, '-m', 'ipykernel_launcher', '-f', '{connection_file}'],
    display_name: kernel,
    language: 'python',
    metadata: { debugger: true },
    // For `!bentoml`, and for BentoML's build, which looks for uv.
    env: { PATH: `${env.bin}:\${PATH}` }
  };
  fs.writeFileSync(
    path.join(dir, 'kernel.json'),
    `${JSON.stringify(spec, null, 2)}\n`
  );
  for (const readable of [kernels, dir, path.join(dir, 'kernel.json')]) {
    fs.chmodSync(readable, 0o755);
  }
}

async function makeEnv(env: PythonEnv, onProgress: Progress): Promise<string> {
  const { name, dir, python } = env;
  const { what, newestMinor } = environments[name];
  const uv = await ensureInstaller(onProgress);
  const base = findBasePython(newestMinor);
  onProgress(`making Python environment ${name} (${what}) with ${base.path}`);
  await runPublic(base.path, ['-m', 'venv', '--without-pip', dir]);
  const begun = Date.now();
  // Compiled now: the product's user cannot write there, and would compile at each start.
  const args = ['pip', 'install', '--compile-bytecode', '--no-progress'];
  await runPublic(
    uv,
    [...args, '--python', python, '-r', requirementsFile(name)],
    line => {
      // The list of what was installed is the requirements file.
      if (!/^\s*[+~-] /.test(line)) {
        onProgress(`${name}: ${line.trim()}`);
      }
    }
  );
  writeKernel(env);
  const seconds = String(Math.round((Date.now() - begun) / 1000));
  onProgress(`Python environment ${name} is ready after ${seconds} s`);
  return JSON.stringify({ base });
}

/** An environment whose Python was removed or replaced since does not start any more. */
async function works(env: PythonEnv): Promise<boolean> {
  try {
    await runLines({
      command: env.python,
      args: ['-c', 'import encodings'],
      cwd: '/',
      env: {},
      user: unprivileged()
    });
    return true;
  } catch {
    return false;
  }
}

/**
 * Gives an environment, making it first when these requirements were never installed.
 * @throws Error when no fit Python is there (says what to install), or with the end of what the
 * installer printed.
 */
export async function ensureEnv(
  name: EnvName,
  options: { onProgress?: Progress } = {}
): Promise<PythonEnv> {
  const onProgress = options.onProgress ?? (() => undefined);
  const env = describe(name, envDir(name));
  if (isComplete(env.dir) && !(await works(env))) {
    onProgress(`Python environment ${name} does not start any more`);
    fs.rmSync(path.join(env.dir, marker), { force: true });
  }
  await makeOnce(
    env.dir,
    () => makeEnv(env, onProgress),
    () => {
      onProgress(`waiting for another command that makes environment ${name}`);
    }
  );
  return env;
}

/**
 * Installs the product's wheel into an environment, without its dependencies, which the
 * requirements hold already. Does nothing when that very wheel is there.
 * @throws Error with the end of what the installer printed.
 */
export async function installProduct(
  env: PythonEnv,
  wheel: string
): Promise<void> {
  const hash = createHash('sha256')
    .update(fs.readFileSync(wheel))
    .digest('hex');
  const record = path.join(env.dir, 'product.sha256');
  const isThere = (): boolean =>
    fs.existsSync(record) && fs.readFileSync(record, 'utf8') === hash;
  await withLock(`${env.dir}.lock`, async () => {
    if (isThere()) {
      return;
    }
    fs.rmSync(record, { force: true });
    const uv = await ensureInstaller(() => undefined);
    const args = ['pip', 'install', '--compile-bytecode', '--no-progress'];
    const only = ['--no-deps', '--no-index', '--offline', '--reinstall'];
    await runPublic(uv, [...args, ...only, '--python', env.python, wheel]);
    fs.writeFileSync(record, hash);
  });
}
