// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as path from 'node:path';

import type { Progress, PythonEnv } from '../envs';
import { kernelName } from '../envs';
import type { Instance } from '../instance';
import { runLines } from '../runLines';
import type { Example } from './examples';
import { cellsOf } from './savedNotebook';
import type { Workspace } from './workspace';

/** Longer than a build and a rollout may take on a busy machine. */
const cellSeconds = 600;

/** What to execute, where and as whom. */
export interface Execution {
  example: Example;
  instance: Instance;
  workspace: Workspace;
  tools: PythonEnv;
  onProgress: Progress;
  signal?: AbortSignal;
}

/** Says which cell runs, in the cell's own words. */
function narrate(notebook: string, onProgress: Progress): Progress {
  const cells = cellsOf(fs.readFileSync(notebook, 'utf8'));
  return line => {
    const begun = /Executing Cell (\d+)-/.exec(line);
    const number = Number(begun?.[1]);
    const source = cells[number - 1]?.code.split('\n') ?? [];
    const magic = source.find(text => text.includes('%bento'));
    if (begun && magic !== undefined) {
      const shown = magic.length > 70 ? `${magic.slice(0, 69)}…` : magic;
      onProgress(`${path.basename(notebook)}: ${shown}`);
    }
  };
}

/**
 * Executes a notebook in its own kernel as the product's user, and saves it with its outputs,
 * up to the cell that failed when one does.
 * @returns the path of the executed notebook.
 * @throws Error with the end of what was printed when a cell fails.
 */
export async function executeNotebook(execution: Execution): Promise<string> {
  const { example, instance, workspace, tools, onProgress, signal } = execution;
  const folder = path.join(workspace.examplesDir, example.folder);
  const notebook = path.join(folder, `${example.folder}.ipynb`);
  const executed = path.join(workspace.notebooksDir, `${example.folder}.ipynb`);
  await runLines({
    command: path.join(tools.bin, 'papermill'),
    args: [
      notebook,
      executed,
      '--kernel',
      kernelName(example.env),
      '--cwd',
      folder,
      '--no-progress-bar',
      '--log-output',
      '--execution-timeout',
      String(cellSeconds)
    ],
    cwd: folder,
    env: workspace.env,
    user: instance.user,
    onLine: narrate(notebook, onProgress),
    signal
  });
  return executed;
}
