// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as path from 'node:path';

import type { EnvName } from '../../envs';
import { findEnv } from '../../envs';
import type { ControllersContext } from '../context';
import { imageIsThere, imagePath } from '../registryFolder';
import type { LaunchPlan } from './process';
import type { PodSandbox } from './sandbox';
import type { Translation } from './translate';
import { translate } from './translate';
import type { ContainerSpec } from './types';

/** What an image stands for. */
export type ImageKind =
  'downloader' | 'builder' | 'sidecar' | 'bento' | 'absent';

const known: [RegExp, ImageKind][] = [
  [/\/bento-downloader:/, 'downloader'],
  [/\/kaniko:/, 'builder'],
  [/\/yatai-bento-metrics-transformer:/, 'sidecar'],
  [/\/bentoml-proxy:/, 'sidecar']
];

/**
 * What an image stands for: the operators' own by name, sidecars of theirs without a process, bentos
 * by what is in the registry. Nothing else can be pulled.
 */
export function imageKind(dataDir: string, image: string): ImageKind {
  const found = known.find(([pattern]) => pattern.test(image));
  return found?.[1] ?? (imageIsThere(dataDir, image) ? 'bento' : 'absent');
}

/** What is needed to work out how a container starts. */
export interface LaunchOptions {
  context: ControllersContext;
  sandbox: PodSandbox;
  container: ContainerSpec;
  /** The container's variables, with those from Secrets. */
  env: Record<string, string>;
  services: Translation['services'];
}

/** The environment that runs a bento, by the BentoML that built it. */
export function envForBento(bentoYaml: string): EnvName {
  const version = /^bentoml_version:\s*["']?([0-9.]+)/m.exec(bentoYaml)?.[1];
  return version?.startsWith('1.1.') ? 'fraud' : 'current';
}

/**
 * How to start a container as processes of this machine.
 * @throws Error with the line for the container's log when it cannot start.
 */
export function launchPlan(options: LaunchOptions): LaunchPlan {
  const { context, sandbox, container } = options;
  const { dataDir } = context.instance;
  const kind = imageKind(dataDir, container.image);
  const folders = sandbox.folders(container);
  const env = { ...sandbox.baseEnv(), ...options.env };
  let words = [...(container.command ?? []), ...(container.args ?? [])];
  let cwd = sandbox.home;
  if (kind === 'downloader' && context.faults.has('s3-refuses-download')) {
    words = words.map(damageSignature);
  }
  if (kind === 'builder') {
    folders.set('/kaniko/executor', installExecutor(sandbox));
    Object.assign(env, builderEnv(options, words.join(' ')));
  }
  if (kind === 'bento') {
    words = words.map(replaceShell);
    cwd = imagePath(dataDir, container.image);
    Object.assign(env, bentoEnv(options, cwd));
  }
  const translation = {
    folders,
    ports: sandbox.localPorts,
    services: options.services
  };
  const [command = 'false', ...args] = words.map(word =>
    translate(word, translation)
  );
  return { command, args, cwd, env, user: sandbox.user };
}

/** Spoils the signature of a presigned URL, so that the store itself refuses the request. */
export function damageSignature(text: string): string {
  return text.replace(
    /(X-Amz-Signature=)([0-9a-fA-F]+)/g,
    (_all, name: string, signature: string) =>
      name + signature.replace(/./g, digit => (digit === '0' ? '1' : '0'))
  );
}

/**
 * Lets the shell that starts a bento's entrypoint give way to it, so that the server gets the signal
 * to end and answers what it has begun.
 */
function replaceShell(text: string): string {
  return text.startsWith('./env/docker/entrypoint.sh ') ? `exec ${text}` : text;
}

function installExecutor(sandbox: PodSandbox): string {
  const copy = path.join(sandbox.dir, 'executor');
  fs.copyFileSync(path.join(__dirname, 'kaniko.sh'), copy);
  fs.chmodSync(copy, 0o755);
  return copy;
}

/**
 * The Job controller tells what a pod does a second later. A build that is over by then has no
 * updates that say it is running, which no real one is.
 */
const leastBuildSeconds = 1.5;

function builderEnv(
  { context }: LaunchOptions,
  command: string
): Record<string, string> {
  const destination = /--destination=([^'\s]+)/.exec(command)?.[1] ?? '';
  const { dataDir, options } = context.instance;
  return {
    IMAGE_FOLDER: imagePath(dataDir, destination),
    BUILD_SECONDS: String(leastBuildSeconds / options.speed),
    BUILD_FAILS: context.faults.has('build-fails') ? 'yes' : ''
  };
}

function bentoEnv(
  { sandbox, container }: LaunchOptions,
  folder: string
): Record<string, string> {
  const name = envForBento(
    fs.readFileSync(path.join(folder, 'bento.yaml'), 'utf8')
  );
  const python = findEnv(name);
  if (!python) {
    throw new Error(
      `No Python environment "${name}" to run this bento in: make it with npm run playground -- envs`
    );
  }
  const port = container.ports?.[0]?.containerPort ?? 0;
  const local = String(sandbox.localPort(port) ?? 0);
  return {
    PATH: `${python.bin}:${sandbox.baseEnv().PATH ?? ''}`,
    PORT: local,
    BENTOML_PORT: local,
    BENTOML_HOST: '127.0.0.1',
    // One worker, whatever the number of cores: several servers share this machine.
    BENTOML_API_WORKERS: '1'
  };
}
