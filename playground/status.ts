// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as path from 'node:path';

import type { ApiAccess } from './api';
import { nodeReady } from './cluster';
import { adminKubeconfig } from './control-plane';
import type { Fault } from './faults';
import type { Instance } from './registry';
import { dataDirOf, readFaults, readInstance } from './registry';
import { repositoryRoot } from './paths';
import {
  isAlive,
  logFile,
  readRecords,
  residentBytes,
  runningProcesses
} from './processes';
import { s3Answers } from './s3';

/** One server of a playground. */
export interface ServerStatus {
  name: string;
  pid: number;
  running: boolean;
  /** Resident memory in bytes, where the system tells. */
  residentBytes?: number;
}

/** How a playground does. */
export interface InstanceStatus {
  name: string;
  /** `absent`: nothing runs. `broken`: something runs, `reasons` tell what is missing. */
  state: 'absent' | 'broken' | 'ready';
  /** Empty when ready; one line for each thing that is not as it should be. */
  reasons: string[];
  servers: ServerStatus[];
  /** Processes beside the servers: what the controllers started for pods. */
  otherPids: number[];
  faults: Fault[];
  instance?: Instance;
}

/** The servers of every playground, in the order of their start. */
export const serverNames = [
  'etcd',
  'kube-apiserver',
  'versitygw',
  'kube-controller-manager',
  'kube-scheduler',
  'kwok'
] as const;

/** The stand-in operators and the runner of pods. */
export const controllersName = 'controllers';
/** Their program. */
export const controllersFile = path.join(
  repositoryRoot,
  'playground',
  'controllers',
  'main.ts'
);

/** Whether the controllers said that they are ready. */
export function controllersReady(dataDir: string): boolean {
  const log = logFile(dataDir, controllersName);
  return (
    fs.existsSync(log) &&
    /^controllers ready$/m.test(fs.readFileSync(log, 'utf8'))
  );
}

/**
 * The way to the API server with every right.
 * @throws Error when the playground's admin kubeconfig cannot be read.
 */
export function adminAccess(
  instance: Pick<Instance, 'apiServer' | 'caFile' | 'dataDir'>
): ApiAccess {
  const config = JSON.parse(
    fs.readFileSync(adminKubeconfig(instance.dataDir), 'utf8')
  ) as {
    users: [{ user: { token: string } }];
  };
  const { apiServer, caFile } = instance;
  return { apiServer, caFile, token: config.users[0].user.token };
}

async function missing(
  instance: Instance,
  servers: readonly ServerStatus[]
): Promise<string[]> {
  const { controllers } = instance.options;
  const reasons = [...serverNames, ...(controllers ? [controllersName] : [])]
    .filter(
      name => !servers.some(server => server.name === name && server.running)
    )
    .map(
      name => `${name} does not run; see ${logFile(instance.dataDir, name)}`
    );
  if (controllers && !controllersReady(instance.dataDir)) {
    reasons.push('the controllers are not ready yet');
  }
  const node = await nodeReady(adminAccess(instance), instance.kwokPort).catch(
    () => undefined
  );
  if (!node) {
    reasons.push(
      node === undefined
        ? 'the API server does not answer'
        : 'the node is not ready'
    );
  }
  if (!(await s3Answers(instance.s3.endpoint))) {
    reasons.push('the S3 server does not answer');
  }
  return reasons;
}

/** Looks at a playground's processes and asks its servers. */
export async function status(name: string): Promise<InstanceStatus> {
  const dataDir = dataDirOf(name);
  const order: readonly string[] = [...serverNames, controllersName];
  const records = readRecords(dataDir).sort(
    (one, other) => order.indexOf(one.name) - order.indexOf(other.name)
  );
  const servers = records.map(record => ({
    name: record.name,
    pid: record.pid,
    running: isAlive(record),
    residentBytes: isAlive(record) ? residentBytes(record.pid) : undefined
  }));
  const known = new Set(servers.map(server => server.pid));
  const otherPids = runningProcesses(dataDir)
    .map(record => record.pid)
    .filter(pid => !known.has(pid));
  const instance = readInstance(name);
  const found = { name, servers, otherPids };
  if (servers.every(server => !server.running) && otherPids.length === 0) {
    const reasons =
      servers.length === 0 ? [] : ['its servers were ended from outside'];
    return { ...found, state: 'absent', reasons, faults: [] };
  }
  if (!instance) {
    return {
      ...found,
      state: 'broken',
      reasons: ['it was never fully started'],
      faults: []
    };
  }
  const reasons = await missing(instance, servers);
  const state = reasons.length === 0 ? 'ready' : 'broken';
  return { ...found, state, reasons, faults: readFaults(instance), instance };
}
