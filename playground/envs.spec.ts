// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

import { findBasePython } from './basePython';
import { envNames, findEnv, installProduct } from './envs';
import { runLines } from './runLines';

const saved = { ...process.env };
let folder: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bento-envs-'));
  fs.chmodSync(folder, 0o755);
});

afterEach(() => {
  process.env = { ...saved };
  fs.rmSync(folder, { recursive: true, force: true });
});

/** A stand-in for a Python, which answers the probe like this. */
function fakePython(script: string, mode = 0o755): string {
  const file = path.join(folder, 'python3');
  fs.writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode });
  return file;
}

describe('findBasePython', () => {
  it('takes a Python that is old and new enough', () => {
    process.env.BENTO_PYTHON = fakePython('echo 3 11');
    expect(findBasePython(12)).toEqual({
      path: process.env.BENTO_PYTHON,
      minor: 11
    });
  });

  it.each([
    ['too old', 'echo 3 9', 'it is 3.9'],
    ['too new', 'echo 3 13', 'it is 3.13'],
    ['another major version', 'echo 2 7', 'it fails'],
    [
      'without venv',
      'echo "ModuleNotFoundError: No module named \'ensurepip\'" >&2; exit 1',
      "No module named 'ensurepip'"
    ]
  ])('says what is wrong with one that is %s', (_, script, reason) => {
    process.env.BENTO_PYTHON = fakePython(script);
    expect(() => findBasePython(12)).toThrow(reason);
    expect(() => findBasePython(12)).toThrow(/apt-get install python3/);
    expect(() => findBasePython(12)).toThrow(/3\.10 to 3\.12/);
  });

  it('passes over one that the product may not run', () => {
    process.env.BENTO_PYTHON = fakePython('echo 3 11', 0o600);
    expect(() => findBasePython(12)).toThrow(/may not run it/);
  });

  it('looks on PATH', () => {
    fakePython('echo 3 12');
    process.env.PATH = `${folder}:${saved.PATH ?? ''}`;
    delete process.env.BENTO_PYTHON;
    expect(findBasePython(12).path).toBe(path.join(folder, 'python3'));
  });
});

describe('the requirement files', () => {
  it.each([...envNames, 'installer'])('pin every package: %s', name => {
    const file = path.join(__dirname, 'envs', `${name}.txt`);
    const lines = fs.readFileSync(file, 'utf8').trim().split('\n');
    const unpinned = lines.filter(
      line => !/^[\w.-]+==[\w.]+( ;.*)?$/.test(line)
    );
    expect(unpinned).toEqual([]);
  });

  it.each([
    ['current', 'iris'],
    ['fraud', 'fraud_detection']
  ])('of %s hold what the example %s asks for', (env, example) => {
    const read = (file: string): string[] =>
      fs.readFileSync(path.join(__dirname, file), 'utf8').split('\n');
    const asked = read(`../examples/${example}/requirements.txt`).filter(line =>
      line.includes('==')
    );
    const installed = read(`envs/${env}.txt`);
    expect(asked.filter(line => !installed.includes(line))).toEqual([]);
    expect(asked.length).toBeGreaterThan(0);
  });
});

describe('findEnv', () => {
  it('finds nothing in an empty cache', () => {
    process.env.BENTO_CACHE_DIR = folder;
    expect(findEnv('current')).toBeUndefined();
  });

  it('does not take an environment whose installation was interrupted', () => {
    process.env.BENTO_CACHE_DIR = folder;
    const partial = path.join(folder, 'envs', 'current-0123456789ab', 'bin');
    fs.mkdirSync(partial, { recursive: true });
    expect(findEnv('current')).toBeUndefined();
  });
});

describe('installProduct', () => {
  it('names a wheel that is not there', async () => {
    const env = {
      name: 'current',
      dir: folder,
      python: 'python',
      bin: folder,
      jupyterPath: folder
    } as const;
    const wheel = path.join(folder, 'missing.whl');
    await expect(installProduct(env, wheel)).rejects.toThrow(/missing\.whl/);
  });
});

describe('runLines', () => {
  const env = { PATH: saved.PATH };

  it('passes lines on and shows the last ones when the program fails', async () => {
    const lines: string[] = [];
    const run = runLines({
      command: 'sh',
      args: ['-c', 'echo one; echo two >&2; exit 3'],
      env,
      onLine: line => lines.push(line)
    });
    await expect(run).rejects.toThrow(/sh failed with 3:\n(one\ntwo|two\none)/);
    expect(lines.sort()).toEqual(['one', 'two']);
  });

  it('ends the program and its children when aborted', async () => {
    const stop = new AbortController();
    const run = runLines({
      command: 'sh',
      args: ['-c', 'echo begun; sleep 600 & wait'],
      env,
      signal: stop.signal,
      onLine: () => {
        stop.abort();
      }
    });
    await expect(run).rejects.toThrow(/SIGTERM/);
  });

  it('says which program is missing', async () => {
    const command = path.join(folder, 'nothing');
    const run = runLines({ command, args: [], env });
    await expect(run).rejects.toThrow(`${command} cannot be run.`);
  });
});
