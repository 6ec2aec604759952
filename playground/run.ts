// SPDX-License-Identifier: BSD-3-Clause
import { execFile } from 'node:child_process';
import * as path from 'node:path';

/**
 * Runs a program to its end and returns what it printed.
 * @throws Error with the last of what it printed to standard error when it fails; its arguments,
 * which may hold secrets, are not shown.
 */
export function run(
  command: string,
  args: readonly string[],
  options: { env?: Record<string, string>; input?: string; cwd?: string } = {}
): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, ...options.env };
    const settings = {
      env,
      cwd: options.cwd,
      timeout: 120_000,
      maxBuffer: 16 * 1024 * 1024
    };
    const child = execFile(command, args, settings, (error, stdout, stderr) => {
      if (error) {
        const why =
          stderr.trim().split('\n').slice(-5).join('\n') || stdout.trim();
        reject(
          new Error(
            `${path.basename(command)} failed with ${String(error.code)}: ${why}`
          )
        );
      } else {
        resolve(stdout);
      }
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input);
  });
}
