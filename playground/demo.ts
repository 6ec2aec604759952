// SPDX-License-Identifier: BSD-3-Clause
import * as path from 'node:path';
import { parseArgs } from 'node:util';

import type { ExampleResult } from './demo/check';
import { checkExamples } from './demo/check';
import type { WorkEnvs } from './demo/workspace';
import { prepareWorkspace, suggestions, writeShell } from './demo/workspace';
import { down, up } from './instance';
import { withLock } from './lock';
import { instancesDir } from './paths';
import { ensureProduct } from './product';
import { ensureServers } from './servers';

const usage = `From a notebook cell to an answered request, on a playground of its own.

  npm run demo                       starts a playground with the examples, and tells how to use it
  npm run demo -- --check [--json]   executes the examples' notebooks and checks what they answer

--json prints one object to standard output: {ok, bentos: [{tag, stages, answer}]}, durations in
milliseconds. Progress goes to standard error.`;

/** Ended from outside; the exit code is the one that shells give to Ctrl-C. */
class Interruption extends Error {}

const interrupted = 130;

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/**
 * Aborts on Ctrl-C and the like, and when the command that started this one is gone. Before there
 * is a playground, nothing needs time to end.
 */
function watchForEnd(): {
  signal: AbortSignal;
  clean: (needed: boolean) => void;
} {
  const stop = new AbortController();
  let needed = false;
  const end = (): void => {
    if (!needed) {
      process.exit(interrupted);
    }
    if (!stop.signal.aborted) {
      say('stopping the playground');
      stop.abort(new Interruption('Interrupted.'));
    }
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, end);
  }
  // Whoever read the output may be gone first; that must not keep the playground from stopping.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', () => undefined);
  }
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) {
      end();
    }
  }, 500).unref();
  return {
    signal: stop.signal,
    clean: value => {
      needed = value;
    }
  };
}

async function setUp(): Promise<WorkEnvs> {
  const [envs] = await Promise.all([
    ensureProduct(['tools', 'current', 'fraud'], say),
    ensureServers(say)
  ]);
  return envs;
}

/** Runs `work` on a new playground, which is stopped afterwards whatever happens. */
async function onPlayground<T>(
  name: string,
  work: (context: {
    instance: Awaited<ReturnType<typeof up>>;
    envs: WorkEnvs;
    signal: AbortSignal;
  }) => Promise<T>
): Promise<T> {
  const { signal, clean } = watchForEnd();
  const envs = await setUp();
  return withLock(
    path.join(instancesDir(), `${name}.demo.lock`),
    async () => {
      clean(true);
      try {
        await down(name);
        const instance = await up({ name, onProgress: say });
        signal.throwIfAborted();
        return await work({ instance, envs, signal });
      } finally {
        await down(name);
        clean(false);
      }
    },
    () => {
      say('waiting for another demo');
    }
  );
}

/** What `--json` promises of an example, with the reason and the notebook when it failed. */
function publicResult(result: ExampleResult): object {
  const { tag, stages, answer, error, notebook } = result;
  return {
    tag: tag ?? null,
    stages: stages ?? {},
    answer: answer ?? null,
    ...(error === undefined ? {} : { error, notebook })
  };
}

function describeResult(result: ExampleResult): string {
  const { example, tag, stages, answer, error, notebook } = result;
  const times = Object.entries(stages ?? {}).map(
    ([stage, ms]) => `${stage} ${(ms / 1000).toFixed(2)} s`
  );
  return [
    `${result.ok ? '✓' : '✗'} ${example} ${tag ?? ''}`,
    ...(times.length > 0 ? [`  ${times.join(', ')}`] : []),
    ...(answer === undefined ? [] : [`  answer: ${JSON.stringify(answer)}`]),
    ...(error === undefined ? [] : [`  ${error}`]),
    `  ${notebook}`
  ].join('\n');
}

async function runCheck(json: boolean): Promise<boolean> {
  const begun = Date.now();
  const results = await onPlayground('demo-check', context =>
    checkExamples({ ...context, onProgress: say })
  );
  const ok = results.every(result => result.ok);
  const seconds = String(Math.round((Date.now() - begun) / 1000));
  say(
    `${ok ? 'all answers are right' : 'not all answers are right'}; ${seconds} s in all`
  );
  const text = json
    ? JSON.stringify({ ok, bentos: results.map(publicResult) })
    : results.map(describeResult).join('\n');
  process.stdout.write(`${text}\n`);
  return ok;
}

async function runInteractively(): Promise<void> {
  await onPlayground('demo', async ({ instance, envs, signal }) => {
    const workspace = prepareWorkspace(instance, envs);
    const shell = writeShell(instance, workspace);
    const kubectl = path.join(instance.programsDir, 'kubectl');
    say(
      [
        '',
        'The playground runs. A shell as the notebook would have it, in its folder of examples:',
        '',
        `  sh ${shell}`,
        '',
        'and there, for instance:',
        '',
        ...suggestions().map(line => `  ${line}`),
        '',
        'The cluster, as the notebook may see it:',
        '',
        `  ${kubectl} --kubeconfig ${instance.productKubeconfig} get pods --watch`,
        '',
        'Ctrl-C stops it all.'
      ].join('\n')
    );
    await new Promise<void>(resolve => {
      signal.addEventListener('abort', () => {
        resolve();
      });
      // Nothing else keeps this process running.
      const alive = setInterval(() => undefined, 60_000);
      signal.addEventListener('abort', () => {
        clearInterval(alive);
      });
    });
  });
}

async function main(args: string[]): Promise<number> {
  let options: { check: boolean; json: boolean; help: boolean };
  try {
    options = parseArgs({
      args,
      options: {
        check: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false, short: 'h' }
      }
    }).values;
  } catch (error) {
    say(`${(error as Error).message}\n\n${usage}`);
    return 2;
  }
  if (options.help) {
    say(usage);
    return 0;
  }
  try {
    if (options.check) {
      return (await runCheck(options.json)) ? 0 : 1;
    }
    await runInteractively();
    return 0;
  } catch (error) {
    const { message } = error as Error;
    say(message);
    if (options.json) {
      const failed = { ok: false, bentos: [], error: message };
      process.stdout.write(`${JSON.stringify(failed)}\n`);
    }
    return error instanceof Interruption ? interrupted : 1;
  }
}

void main(process.argv.slice(2)).then(code => {
  process.stdout.write('', () => process.exit(code));
});
