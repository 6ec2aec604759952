// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as path from 'node:path';

import type { Progress } from '../envs';
import type { Instance } from '../instance';
import type { Example } from './examples';
import { examples } from './examples';
import { executeNotebook } from './execute';
import type { SavedOutputs } from './savedNotebook';
import { readOutputs } from './savedNotebook';
import type { WorkEnvs, Workspace } from './workspace';
import { prepareWorkspace } from './workspace';

/** What became of one example. */
export interface ExampleResult extends Partial<SavedOutputs> {
  ok: boolean;
  example: string;
  /** The executed notebook. */
  notebook: string;
  /** Why it is not ok. */
  error?: string;
}

/** What to check, and on which playground. */
export interface Check {
  instance: Instance;
  envs: WorkEnvs;
  onProgress?: Progress;
  signal?: AbortSignal;
}

/** The error of a saved notebook says more than the last lines of what ran it. */
function reasonOf(notebook: string, error: unknown): string {
  try {
    readOutputs(fs.readFileSync(notebook, 'utf8'));
  } catch (saved) {
    if ((saved as NodeJS.ErrnoException).code !== 'ENOENT') {
      return (saved as Error).message;
    }
  }
  return (error as Error).message;
}

async function checkExample(
  check: Check,
  example: Example,
  workspace: Workspace
): Promise<ExampleResult> {
  const { instance, envs, signal } = check;
  const onProgress = check.onProgress ?? (() => undefined);
  const begun = Date.now();
  const notebook = path.join(workspace.notebooksDir, `${example.folder}.ipynb`);
  const result = { example: example.name, notebook };
  fs.rmSync(notebook, { force: true });
  try {
    const { tools } = envs;
    const run = { example, instance, workspace, tools, onProgress, signal };
    await executeNotebook(run);
    const outputs = readOutputs(fs.readFileSync(notebook, 'utf8'));
    const ok = example.isRight(outputs.answer);
    const seconds = String(Math.round((Date.now() - begun) / 1000));
    onProgress(
      `${example.name}: ${ok ? 'the right answer' : 'a wrong answer'} after ${seconds} s`
    );
    return {
      ...outputs,
      ...result,
      ok,
      ...(ok ? {} : { error: 'The answer is not the right one.' })
    };
  } catch (error) {
    signal?.throwIfAborted();
    const reason = reasonOf(notebook, error);
    onProgress(`${example.name} failed: ${reason}`);
    return { ...result, ok: false, error: reason };
  }
}

/**
 * Executes the examples in real kernels as the product's user, and reads the answers and durations
 * from the saved notebooks. A failed example is a result, not an exception.
 * @throws the signal's reason when aborted.
 */
export async function checkExamples(check: Check): Promise<ExampleResult[]> {
  const workspace = prepareWorkspace(check.instance, check.envs);
  return Promise.all(
    examples.map(example => checkExample(check, example, workspace))
  );
}
