// SPDX-License-Identifier: BSD-3-Clause
import { execFile, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';

import type { Instance } from '../playground/instance';

/** How a program ended and what it printed. */
export interface Result {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end, however that is. */
export function run(
  command: string,
  args: string[],
  options: object = {}
): Promise<Result> {
  return new Promise(resolve => {
    execFile(
      command,
      args,
      { cwd: '/', ...options },
      (error, stdout, stderr) => {
        resolve({
          code: error ? Number(error.code) : 0,
          stdout: String(stdout),
          stderr: String(stderr)
        });
      }
    );
  });
}

/** How the product's processes are started: as its user, in its environment. */
export function asProduct(instance: Instance): {
  uid?: number;
  gid?: number;
  env: NodeJS.ProcessEnv;
} {
  const { user, productEnv, programsDir } = instance;
  const env = { ...productEnv, PATH: `${programsDir}:/usr/bin:/bin` };
  return user ? { uid: user.uid, gid: user.gid, env } : { env };
}

/** Where the playground's kubectl is. */
export const kubectlPath = (instance: Instance): string =>
  path.join(instance.programsDir, 'kubectl');

/** kubectl with the product's token, as the product's user. */
export const kubectl = (
  instance: Instance,
  ...args: string[]
): Promise<Result> =>
  run(
    kubectlPath(instance),
    ['--kubeconfig', instance.productKubeconfig, ...args],
    asProduct(instance)
  );

/** Creates or patches as the cluster's administrator. */
export async function asAdmin(
  instance: Instance,
  args: string[],
  object?: object
): Promise<string> {
  const child = spawn(
    kubectlPath(instance),
    ['--kubeconfig', instance.adminKubeconfig, ...args],
    {
      stdio: ['pipe', 'pipe', 'pipe']
    }
  );
  let output = '';
  child.stdout.on('data', chunk => (output += String(chunk)));
  child.stderr.on('data', chunk => (output += String(chunk)));
  child.stdin.end(object ? JSON.stringify(object) : undefined);
  const code = await new Promise(resolve => child.once('close', resolve));
  if (code !== 0) {
    throw new Error(output);
  }
  return output;
}

/** Creates an object with the product's token. */
export async function createAsProduct(
  instance: Instance,
  object: object
): Promise<Result> {
  const file = path.join(instance.dataDir, 'object.json');
  fs.writeFileSync(file, JSON.stringify(object), { mode: 0o644 });
  return kubectl(instance, 'create', '-f', file);
}
