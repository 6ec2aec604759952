// SPDX-License-Identifier: BSD-3-Clause
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { toBentoError } from '../domain/errors';
import { Context } from './context';
import { createHandlers } from './handlers';
import { log } from './log';
import { Deleter } from './operations/deleter';
import { Deployer } from './operations/deployer';
import { Deployments, DEPLOYMENTS_TOPIC } from './operations/deployments';
import { Exporter } from './operations/exporter';
import { Journal } from './operations/journal';
import { Operations } from './operations/operations';
import { Reach } from './reach';
import { Blobs } from './rpc/blobs';
import { Hub } from './rpc/hub';
import { serve } from './rpc/server';
import { readSettings } from './settings';

declare const BRIDGE_VERSION: string;

/** How long a stop may take before the process ends all the same. */
const STOP_MS = 5000;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { socket: { type: 'string' } } });
  if (values.socket === undefined) {
    throw new Error('--socket PATH is needed');
  }
  const folder = dirname(values.socket);
  await mkdir(folder, { recursive: true, mode: 0o700 });

  const context = new Context(readSettings(process.env));
  const hub = new Hub();
  const blobs = new Blobs(join(folder, 'blobs'));
  const journal = new Journal(context.settings.journalDir, log);
  const operations = new Operations(hub, journal);
  const deployments = new Deployments(context, hub, operations);
  const exporter = new Exporter(context, operations);
  const deployer = new Deployer({ context, operations, exporter });
  const reach = new Reach({ context, hub, blobs });

  // Before anyone can ask for them.
  await resumeUnfinished(journal, exporter, deployer);
  const stopServing = await serve({
    socketPath: values.socket,
    handlers: createHandlers({
      context,
      blobs,
      operations,
      deployments,
      exporter,
      deployer,
      deleter: new Deleter(context, deployments, operations),
      reach
    }),
    hub,
    blobs,
    version: BRIDGE_VERSION,
    onTopic: topic =>
      topic.startsWith(DEPLOYMENTS_TOPIC)
        ? deployments.acquire(topic.slice(DEPLOYMENTS_TOPIC.length))
        : Promise.resolve(() => undefined),
    log
  });

  stopWith(async () => {
    stopServing();
    reach.close();
    await Promise.all([operations.close(), blobs.close()]);
    journal.close();
    await rm(values.socket ?? '', { force: true });
  });
  process.stdout.write(
    `${JSON.stringify({ ready: true, socket: values.socket, pid: process.pid })}\n`
  );
}

/** Goes on with what a bridge that died had begun. */
async function resumeUnfinished(
  journal: Journal,
  exporter: Exporter,
  deployer: Deployer
): Promise<void> {
  for (const entry of await journal.adopt()) {
    const resumed =
      entry.kind === 'deploy' ? deployer.resume(entry) : exporter.resume(entry);
    await resumed.catch(async (thrown: unknown) => {
      log({ resume: entry.id, error: toBentoError(thrown).message });
      await journal.remove(entry.id);
    });
  }
}

/** Stops on a signal, and when stdin closes: then whoever started the bridge is gone. */
function stopWith(stop: () => Promise<void>): void {
  let stopping = false;
  const end = (reason: string): void => {
    if (stopping) {
      return;
    }
    stopping = true;
    log({ stopping: reason });
    setTimeout(() => process.exit(1), STOP_MS).unref();
    stop().then(
      () => process.exit(0),
      () => process.exit(1)
    );
  };
  process.on('SIGTERM', () => end('SIGTERM'));
  process.on('SIGINT', () => end('SIGINT'));
  process.stdin.on('end', () => end('stdin closed'));
  process.stdin.on('error', () => end('stdin failed'));
  process.stdin.resume();
}

process.on('unhandledRejection', reason => {
  log({ fault: 'unhandledRejection', reason: String(reason) });
});
process.on('uncaughtException', error => {
  // The state is unknown from here: whoever started the bridge starts a new
  // one, and the journal lets it go on.
  log({ fault: 'uncaughtException', reason: error.stack ?? String(error) });
  process.exit(70);
});

main().catch((error: unknown) => {
  log({ fault: 'start', reason: String(error) });
  process.exit(1);
});
