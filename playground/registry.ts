// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as path from 'node:path';

import type { Fault } from './faults';
import { faultNames } from './faults';
import { instancesDir } from './paths';

/** A playground: where its parts are and how to reach them. Written to `instance.json`. */
export interface Instance {
  /** Several run side by side under different names. */
  name: string;
  /** Everything of this playground is in this folder. */
  dataDir: string;
  /** Where its programs are (`kubectl` among them), fit for PATH. */
  programsDir: string;
  /** `https://127.0.0.1:PORT` */
  apiServer: string;
  /** PEM file that verifies the API server. */
  caFile: string;
  /** For the playground and for tests, never for the product. */
  adminKubeconfig: string;
  /** `default-editor`'s, readable by the product's user. */
  productKubeconfig: string;
  /** The profile's namespace. */
  namespace: string;
  kwokPort: number;
  nodeName: string;
  /** Who the product runs as; null when the invoking user is unprivileged and runs it itself. */
  user: ProductUser | null;
  s3: S3Location;
  /** One log for each server. */
  logsDir: string;
  /** Logs of pods in the format that kubelets write, as KWOK's Logs objects name them. */
  podLogsDir: string;
  /** A JSON array of the active faults, replaced as a whole when they change. */
  faultsFile: string;
  options: InstanceOptions;
  /** The complete environment of the product except PATH and what selects a Python. */
  productEnv: Record<string, string>;
  /** Every port that this playground listens on. */
  ports: number[];
}

/** The unprivileged user that the product runs as; it need not have a name. */
export interface ProductUser {
  uid: number;
  gid: number;
  home: string;
}

/** Where bentos go; the product may write below `prefix` only. */
export interface S3Location {
  endpoint: string;
  bucket: string;
  region: string;
  prefix: string;
}

/** What a playground was started with. */
export interface InstanceOptions {
  /** Whether the operators watch the profile's namespace at the start. */
  namespaceWatched: boolean;
  /** Divides the stand-in operators' waiting times: 1 keeps the real ones. */
  speed: number;
  /** Whether deployments wait for a domain suffix, as they do where none is configured. */
  domainSuffixHang: boolean;
  /** Whether the stand-in operators and the runner of pods belong to it. */
  controllers: boolean;
}

/**
 * The folder of a playground.
 * @throws Error when the name would not make a folder of its own.
 */
export function dataDirOf(name: string): string {
  if (!/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/.test(name)) {
    throw new Error(
      `"${name}" cannot name a playground: use up to 40 lower-case letters, digits and dashes.`
    );
  }
  return path.join(instancesDir(), name);
}

/** What `up` wrote about a playground; undefined when there is none of that name. */
export function readInstance(name: string): Instance | undefined {
  try {
    const text = fs.readFileSync(
      path.join(dataDirOf(name), 'instance.json'),
      'utf8'
    );
    return JSON.parse(text) as Instance;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
}

/** The names of all playgrounds that have a folder, running or not. */
export function instanceNames(): string[] {
  const folder = instancesDir();
  if (!fs.existsSync(folder)) {
    return [];
  }
  return fs
    .readdirSync(folder, { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .map(entry => entry.name);
}

/** Replaces a file as a whole, so that nobody who watches it reads half of it. */
export function replaceFile(file: string, text: string, mode = 0o600): void {
  const fresh = `${file}.${String(process.pid)}`;
  fs.writeFileSync(fresh, text, { mode });
  fs.renameSync(fresh, file);
}

/** The faults that are active in a playground. */
export function readFaults(instance: Pick<Instance, 'faultsFile'>): Fault[] {
  const active = JSON.parse(
    fs.readFileSync(instance.faultsFile, 'utf8')
  ) as string[];
  return faultNames.filter(name => active.includes(name));
}

/** Makes exactly these faults active; the operators take notice at once. */
export function setFaults(
  instance: Pick<Instance, 'faultsFile'>,
  active: readonly Fault[]
): void {
  replaceFile(instance.faultsFile, `${JSON.stringify(active)}\n`, 0o644);
}
