// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import * as os from 'node:os';
import * as path from 'node:path';

import type { Fault } from '../../faults';
import type { Instance } from '../../instance';
import type { ControllersContext } from '../context';
import { builderJob } from '../operators/builderJob';
import { imageIsThere, imagePath, registryDir } from '../registryFolder';
import { stored } from '../testing/worlds';
import { CriLog } from './criLog';
import { damageSignature, envForBento, imageKind, launchPlan } from './launch';
import type { ExitInfo } from './process';
import { ContainerProcess } from './process';
import { giveToPods, PodSandbox } from './sandbox';
import type { ContainerSpec, Pod, PodSpec } from './types';

const image = '127.0.0.1:5000/yatai-bentos:yatai.iris.v1';
let root: string;
let server: http.Server;
let address: string;
const faults = new Set<Fault>();

/** A server of archives that refuses what carries a bad signature. */
function serve(files: Record<string, Buffer>): http.Server {
  return http.createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://x');
    const body = files[url.pathname];
    const signature = url.searchParams.get('X-Amz-Signature');
    response.statusCode = signature === 'abc0' ? (body ? 200 : 404) : 403;
    response.end(response.statusCode === 200 ? body : 'no');
  });
}

function archive(files: Record<string, string>): Buffer {
  const folder = fs.mkdtempSync(path.join(root, 'archive-'));
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
  }
  return execFileSync('tar', ['-cf', '-', '-C', folder, '.']);
}

beforeAll(async () => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'builder-pod-'));
  fs.chmodSync(root, 0o755);
  server = serve({
    '/bento.tar': archive({
      'bento.yaml': 'bentoml_version: 1.4.40\n',
      'env/docker/Dockerfile': 'FROM python:3.11\nRUN pip install x\n',
      'env/docker/entrypoint.sh': '#!/bin/sh\n'
    }),
    '/model.tar': archive({ 'model.yaml': 'name: m\n' }),
    '/wrapped.tar': archive({ 'iris/env/docker/Dockerfile': 'FROM x\n' }),
    '/broken.tar': Buffer.from('this is no archive')
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  address = `http://127.0.0.1:${String(port)}`;
});

afterAll(() => {
  server.close();
  fs.rmSync(root, { recursive: true, force: true });
});

beforeEach(() => {
  faults.clear();
  fs.rmSync(path.join(root, 'images'), { recursive: true, force: true });
});

/** Runs the containers of the Job's pod one after another until one fails. */
async function build(
  file: string,
  model?: string
): Promise<{ exits: Record<string, number>; log: string; dir: string }> {
  const signed = (name: string): string =>
    `${address}/${name}?X-Amz-Signature=abc0&x=1`;
  const request = stored({
    apiVersion: 'resources.yatai.ai/v1alpha1',
    kind: 'BentoRequest',
    metadata: { name: 'iris' },
    spec: {
      bentoTag: 'iris:v1',
      downloadUrl: signed(file),
      models: model ? [{ tag: 'm:1', downloadUrl: signed(model) }] : []
    }
  });
  const job = builderJob(request, { suffix: 'x', serviceAccount: 'default' });
  const { spec } = (job.spec as { template: { spec: PodSpec } }).template;
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', uid: 'u' },
    spec
  };
  const instance = {
    dataDir: root,
    podLogsDir: path.join(root, 'logs'),
    options: { speed: 1_000 }
  } as Instance;
  fs.rmSync(instance.podLogsDir, { recursive: true, force: true });
  giveToPods(registryDir(root));
  const context = {
    instance,
    faults: { has: (fault: Fault) => faults.has(fault) }
  } as unknown as ControllersContext;
  const sandbox = new PodSandbox(instance, stored(pod));
  await sandbox.prepare();
  const exits: Record<string, number> = {};
  let log = '';
  for (const container of [
    ...(spec.initContainers ?? []),
    ...spec.containers
  ]) {
    const { exitCode } = await run(context, sandbox, container);
    exits[container.name] = exitCode;
    log += fs.readFileSync(sandbox.logFile(container.name, 0), 'utf8');
    if (exitCode !== 0) {
      break;
    }
  }
  return { exits, log, dir: sandbox.dir };
}

async function run(
  context: ControllersContext,
  sandbox: PodSandbox,
  container: ContainerSpec
): Promise<ExitInfo> {
  const plan = launchPlan({
    context,
    sandbox,
    container,
    env: {},
    services: new Map()
  });
  const file = sandbox.logFile(container.name, 0);
  const log = new CriLog(file, container.tty ?? false);
  const exit = await new ContainerProcess(plan, log, `u/${container.name}`)
    .exited;
  log.close();
  return exit;
}

describe('the pod that builds an image', () => {
  it('unpacks archive and model and pushes them as an image', async () => {
    const { exits, log } = await build('bento.tar', 'model.tar');
    expect(exits).toEqual({
      'bento-downloader': 0,
      'model-downloader-0': 0,
      builder: 0
    });
    const folder = imagePath(root, image);
    expect(
      fs.readFileSync(path.join(folder, 'models/m/1/model.yaml'), 'utf8')
    ).toBe('name: m\n');
    expect(fs.readFileSync(path.join(folder, 'models/m/latest'), 'utf8')).toBe(
      '1'
    );
    const entrypoint = fs.statSync(
      path.join(folder, 'env/docker/entrypoint.sh')
    );
    expect(entrypoint.mode & 0o111).not.toBe(0);
    expect(log).toContain(
      'Pushed docker-registry.kubeflow.svc.cluster.local:5000'
    );
  });

  it.each([
    ['is not there', 'absent.tar', { 'bento-downloader': 22 }],
    ['is no archive', 'broken.tar', { 'bento-downloader': 2 }],
    [
      'is wrapped in a folder',
      'wrapped.tar',
      { 'bento-downloader': 0, builder: 42 }
    ]
  ])('fails when what it downloads %s', async (_what, file, expected) => {
    const { exits } = await build(file);
    expect(exits).toEqual(expected);
    expect(imageIsThere(root, image)).toBe(false);
  });

  it('fails as in a cluster when S3 refuses', async () => {
    faults.add('s3-refuses-download');
    const { exits, log } = await build('bento.tar');
    expect(exits).toEqual({ 'bento-downloader': 22 });
    expect(log).toContain('403');
  });

  it('fails as in a cluster when the build does', async () => {
    faults.add('build-fails');
    const { exits, log } = await build('bento.tar');
    expect(exits).toEqual({ 'bento-downloader': 0, builder: 42 });
    expect(log).toContain('error building image');
    expect(imageIsThere(root, image)).toBe(false);
  });

  it('overwrites an image of the same name', async () => {
    await build('bento.tar', 'model.tar');
    await build('bento.tar');
    expect(fs.existsSync(path.join(imagePath(root, image), 'models'))).toBe(
      false
    );
    expect(imageIsThere(root, image)).toBe(true);
  });
});

describe('launching', () => {
  it('spoils every digit of a signature and nothing else', () => {
    const url = 'http://x/a?X-Amz-Signature=ab01&X-Amz-Date=2026';
    expect(damageSignature(url)).toBe(
      'http://x/a?X-Amz-Signature=0010&X-Amz-Date=2026'
    );
  });

  it.each([
    ['bentoml_version: 1.1.11\n', 'fraud'],
    ["name: x\nbentoml_version: '1.1.0'\n", 'fraud'],
    ['bentoml_version: 1.4.40\n', 'current'],
    ['bentoml_version: 1.10.0\n', 'current'],
    ['', 'current']
  ])('chooses the environment for %j', (yaml, env) => {
    expect(envForBento(yaml)).toBe(env);
  });

  it.each([
    ['quay.io/bentoml/bento-downloader:0.0.1', 'downloader'],
    ['quay.io/bentoml/kaniko:debug', 'builder'],
    ['quay.io/bentoml/bentoml-proxy:0.0.1', 'sidecar'],
    ['docker.io/library/busybox:1', 'absent']
  ])('takes %s for a %s', (name, kind) => {
    expect(imageKind(root, name)).toBe(kind);
  });
});
