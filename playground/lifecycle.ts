// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as path from 'node:path';

import { mintToken, productEnv, productUser, writeAccount } from './account';
import type { ApiAccess } from './api';
import {
  apiReady,
  createObject,
  createObjects,
  nodeName,
  nodeReady
} from './cluster';
import { profileNamespace, profileReady } from './cluster';
import type { ServerContext, ServerPorts } from './control-plane';
import * as servers from './control-plane';
import type { Fault } from './faults';
import { withLock } from './lock';
import { cacheRoot, instancesDir, repositoryRoot } from './paths';
import { freePorts } from './ports';
import {
  logFile,
  readRecords,
  isAlive,
  startProcess,
  stopProcesses
} from './processes';
import type { Instance } from './registry';
import {
  dataDirOf,
  instanceNames,
  readInstance,
  replaceFile,
  setFaults
} from './registry';
import type { S3Keys } from './s3';
import { prepareS3, s3Bucket, s3Region } from './s3';
import type { Progress, Programs } from './servers';
import { ensureServers } from './servers';
import {
  controllersFile,
  controllersName,
  controllersReady,
  status
} from './status';
import { waitFor } from './wait';

/** How to start a playground. */
export interface UpOptions {
  /** `default` unless said otherwise. */
  name?: string;
  /** Active from the start; on a playground that runs already they replace the active ones. */
  faults?: readonly Fault[];
  /** Divides the stand-in operators' waiting times; 1 keeps the real ones. */
  speed?: number;
  domainSuffixHang?: boolean;
  /** False leaves out the stand-in operators and the runner of pods. */
  controllers?: boolean;
  onProgress?: Progress;
}

function makeFolders(dataDir: string): void {
  fs.rmSync(dataDir, { recursive: true, force: true });
  fs.mkdirSync(path.join(dataDir, 'logs', 'pods'), { recursive: true });
  fs.mkdirSync(path.join(dataDir, 'pids'));
  // The product's user must get through to its own folders, whatever the umask says.
  for (const folder of [cacheRoot(), instancesDir(), dataDir]) {
    fs.chmodSync(folder, 0o755);
  }
}

/** Chooses ports that no other playground was promised; the caller holds the lock on that. */
async function choosePorts(): Promise<ServerPorts> {
  const taken = new Set(
    instanceNames().flatMap(name => readInstance(name)?.ports ?? [])
  );
  const [etcd, etcdPeer, api, kwok, s3] = (await freePorts(5, taken)) as [
    number,
    number,
    number,
    number,
    number
  ];
  return { etcd, etcdPeer, api, kwok, s3 };
}

function describe(
  options: UpOptions,
  dataDir: string,
  context: ServerContext
): Instance {
  const { ports, programs } = context;
  return {
    name: path.basename(dataDir),
    dataDir,
    programsDir: programs.dir,
    apiServer: `https://127.0.0.1:${String(ports.api)}`,
    caFile: servers.caFile(dataDir),
    adminKubeconfig: servers.adminKubeconfig(dataDir),
    productKubeconfig: path.join(dataDir, 'product.kubeconfig'),
    namespace: profileNamespace,
    kwokPort: ports.kwok,
    nodeName,
    user: productUser(dataDir),
    s3: {
      endpoint: `http://127.0.0.1:${String(ports.s3)}`,
      bucket: s3Bucket,
      region: s3Region,
      prefix: `private/${profileNamespace}/bentoml`
    },
    logsDir: path.join(dataDir, 'logs'),
    podLogsDir: path.join(dataDir, 'logs', 'pods'),
    faultsFile: path.join(dataDir, 'faults.json'),
    options: {
      namespaceWatched: !options.faults?.includes('namespace-not-watched'),
      speed: options.speed ?? 1,
      domainSuffixHang: options.domainSuffixHang ?? false,
      controllers: options.controllers ?? fs.existsSync(controllersFile)
    },
    productEnv: {},
    ports: Object.values(ports)
  };
}

function save(instance: Instance): void {
  replaceFile(
    path.join(instance.dataDir, 'instance.json'),
    `${JSON.stringify(instance, null, 2)}\n`
  );
}

/** Fails as soon as a server has ended, with the end of its log, instead of waiting for it in vain. */
async function unlessOneEnds<T>(dataDir: string, work: Promise<T>): Promise<T> {
  let done = false;
  const watch = waitFor(
    () => {
      const ended = readRecords(dataDir).find(record => !isAlive(record));
      return done ? null : ended;
    },
    { what: 'the playground', timeoutMs: 10 * 60_000, everyMs: 200 }
  ).then(ended => {
    if (!ended) {
      return work;
    }
    const log = fs
      .readFileSync(logFile(dataDir, ended.name), 'utf8')
      .trim()
      .split('\n')
      .slice(-8);
    throw new Error(
      `${ended.name} ended while the playground started:\n${log.join('\n')}`
    );
  });
  return Promise.race([
    watch,
    work.finally(() => {
      done = true;
    })
  ]);
}

async function startCluster(
  context: ServerContext,
  admin: ApiAccess,
  controllers: boolean
): Promise<void> {
  const { dataDir, programs } = context;
  await servers.startEtcd(context);
  await servers.startApiServer(context);
  await apiReady(admin);
  await createObjects(dataDir, programs);
  await Promise.all([
    servers.startControllersAndScheduler(context),
    servers.startKwok(context, controllers)
  ]);
}

async function startS3(context: ServerContext): Promise<S3Keys> {
  await servers.startS3(context);
  return prepareS3(context, profileNamespace);
}

/** The Secret in which Kubeflow hands a profile its S3 keys. */
function artifactSecret(keys: S3Keys): object {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: 'mlpipeline-minio-artifact',
      namespace: profileNamespace
    },
    stringData: { accesskey: keys.access, secretkey: keys.secret }
  };
}

async function startControllers(instance: Instance): Promise<void> {
  const { dataDir } = instance;
  await startProcess({
    dataDir,
    name: controllersName,
    command: process.execPath,
    args: [
      '--import',
      'tsx',
      controllersFile,
      '--instance',
      path.join(dataDir, 'instance.json')
    ],
    cwd: repositoryRoot
  });
  await waitFor(() => (controllersReady(dataDir) ? true : undefined), {
    what: `the controllers to be ready; see ${logFile(dataDir, controllersName)}`,
    timeoutMs: 60_000
  });
}

async function startAll(
  instance: Instance,
  context: ServerContext
): Promise<void> {
  const { dataDir, apiServer, caFile, namespace } = instance;
  const admin = { apiServer, caFile, token: context.adminToken };
  const [keys] = await Promise.all([
    startS3(context),
    startCluster(context, admin, instance.options.controllers)
  ]);
  const token = await mintToken(admin, namespace);
  instance.productEnv = productEnv(instance, keys);
  writeAccount(instance, token);
  save(instance);
  await Promise.all([
    createObject(dataDir, context.programs, artifactSecret(keys)),
    profileReady(admin, { apiServer, caFile, token }),
    waitFor(
      async () =>
        (await nodeReady(admin, instance.kwokPort)) ? true : undefined,
      {
        what: `the node ${nodeName} to be ready`,
        timeoutMs: 30_000
      }
    ),
    instance.options.controllers ? startControllers(instance) : undefined
  ]);
}

async function startFresh(
  options: UpOptions,
  dataDir: string,
  programs: Programs
): Promise<Instance> {
  makeFolders(dataDir);
  const { instance, context } = await withLock(
    path.join(instancesDir(), 'ports.lock'),
    async () => {
      const context: ServerContext = {
        dataDir,
        programs,
        ports: await choosePorts(),
        adminToken: servers.newSecret(),
        s3Root: { access: 'root', secret: servers.newSecret() }
      };
      const instance = describe(options, dataDir, context);
      save(instance);
      return { instance, context };
    }
  );
  setFaults(instance, options.faults ?? []);
  servers.prepareControlPlane(context);
  try {
    await unlessOneEnds(dataDir, startAll(instance, context));
  } catch (error) {
    await stop(dataDir);
    throw error;
  }
  return instance;
}

/** The controllers end the processes of pods; the servers' data is thrown away, so they are killed. */
async function stop(dataDir: string): Promise<void> {
  await stopProcesses(dataDir, [controllersName]);
}

/**
 * Starts a playground, building its programs first if need be, and resolves when all of it is
 * ready. One that is ready already is left alone; what a crash left behind is cleaned away.
 * @throws Error with the end of a server's log when it ends early, or naming what was waited for.
 */
export async function up(options: UpOptions = {}): Promise<Instance> {
  const dataDir = dataDirOf(options.name ?? 'default');
  const onProgress = options.onProgress ?? (() => undefined);
  const programs = await ensureServers(onProgress);
  return withLock(
    `${dataDir}.lock`,
    async () => {
      const found = await status(path.basename(dataDir));
      if (found.state === 'ready' && found.instance) {
        onProgress(`playground ${found.name} is running already`);
        if (options.faults) {
          setFaults(found.instance, options.faults);
        }
        return found.instance;
      }
      if (found.state === 'broken') {
        onProgress(
          `clearing away what is left of it: ${found.reasons.join('; ')}`
        );
        await stop(dataDir);
      }
      onProgress(`starting playground ${found.name} in ${dataDir}`);
      return startFresh(options, dataDir, programs);
    },
    () => {
      onProgress('waiting for another command on this playground');
    }
  );
}

/**
 * Ends every process of a playground and removes its data but for the logs. Nothing to do is fine.
 * @throws Error that lists the processes which would not end.
 */
export async function down(name = 'default'): Promise<void> {
  const dataDir = dataDirOf(name);
  await withLock(`${dataDir}.lock`, async () => {
    await stop(dataDir);
    if (fs.existsSync(dataDir)) {
      for (const entry of fs.readdirSync(dataDir)) {
        if (entry !== 'logs') {
          fs.rmSync(path.join(dataDir, entry), {
            recursive: true,
            force: true
          });
        }
      }
    }
  });
}
