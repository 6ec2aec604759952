// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import { parseArgs } from 'node:util';

import type { Instance } from '../instance';
import { adminClient } from './adminClient';
import type { ControllersContext } from './context';
import { FaultSwitch } from './faultSwitch';
import { DeploymentOperator } from './operators/deploymentOperator';
import { ImageBuilder } from './operators/imageBuilder';
import { PodRunner } from './runner/podRunner';

/** A part of the controllers that can be waited for and stopped. */
interface Part {
  ready(): Promise<void>;
  stop(): Promise<void>;
}

function log(line: string): void {
  // Presigned addresses are as good as keys while they last.
  const safe = line.replace(/(X-Amz-[A-Za-z-]+=)[^&\s"']+/g, '$1…');
  console.log(`${new Date().toISOString()} ${safe}`);
}

function readInstanceFile(): Instance {
  const { values } = parseArgs({ options: { instance: { type: 'string' } } });
  if (!values.instance) {
    throw new Error('--instance FILE says which playground to serve.');
  }
  return JSON.parse(fs.readFileSync(values.instance, 'utf8')) as Instance;
}

async function main(): Promise<void> {
  const instance = readInstanceFile();
  const client = adminClient(instance);
  const operators: (Part & { resync(): void })[] = [];
  const faults = new FaultSwitch(instance.faultsFile, () => {
    operators.forEach(operator => {
      operator.resync();
    });
  });
  const context: ControllersContext = { instance, client, faults, log };
  const runner = new PodRunner(context);
  operators.push(new ImageBuilder(context), new DeploymentOperator(context));
  const parts: Part[] = [...operators, runner];
  let stopping = false;
  const stop = async (): Promise<void> => {
    if (!stopping) {
      stopping = true;
      faults.stop();
      await Promise.all(parts.map(part => part.stop()));
      client.close();
    }
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      void stop().then(() => process.exit(0));
    });
  }
  await Promise.all(parts.map(part => part.ready()));
  console.log('controllers ready');
}

void main();
