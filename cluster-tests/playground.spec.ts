// SPDX-License-Identifier: BSD-3-Clause
import { execFile, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import * as path from 'node:path';
import * as readline from 'node:readline';

import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand
} from '@aws-sdk/client-s3';

import type { Instance } from '../playground/instance';
import {
  down,
  readFaults,
  setFaults,
  status,
  up
} from '../playground/instance';
import { repositoryRoot } from '../playground/paths';
import {
  isAlive,
  readRecords,
  runningProcesses
} from '../playground/processes';
import { waitFor } from '../playground/wait';

// Building the servers comes first on a machine that never did.
const untilBuilt = 25 * 60_000;
jest.setTimeout(120_000);

// Without controllers: what they do has tests of its own.
const names = { byCommand: 'spec-command', byLibrary: 'spec-library' };

interface Result {
  code: number;
  stdout: string;
  stderr: string;
}

function run(
  command: string,
  args: string[],
  options: object = {}
): Promise<Result> {
  return new Promise(resolve => {
    execFile(
      command,
      args,
      { cwd: '/', ...options },
      (error, stdout, stderr) => {
        resolve({
          code: error ? Number(error.code) : 0,
          stdout: String(stdout),
          stderr: String(stderr)
        });
      }
    );
  });
}

const cli = (...args: string[]): Promise<Result> =>
  run(
    process.execPath,
    ['--import', 'tsx', 'playground/main.ts', ...args, '--json'],
    {
      cwd: repositoryRoot
    }
  );

/** How the product's processes are started: as its user, in its environment. */
function asProduct(instance: Instance): {
  uid?: number;
  gid?: number;
  env: NodeJS.ProcessEnv;
} {
  const { user, productEnv, programsDir } = instance;
  const env = { ...productEnv, PATH: `${programsDir}:/usr/bin:/bin` };
  return user ? { uid: user.uid, gid: user.gid, env } : { env };
}

const kubectlPath = (instance: Instance): string =>
  path.join(instance.programsDir, 'kubectl');

const kubectl = (instance: Instance, ...args: string[]): Promise<Result> =>
  run(
    kubectlPath(instance),
    ['--kubeconfig', instance.productKubeconfig, ...args],
    asProduct(instance)
  );

/** Creates or patches as the cluster's administrator. */
async function asAdmin(
  instance: Instance,
  args: string[],
  object?: object
): Promise<string> {
  const child = spawn(
    kubectlPath(instance),
    ['--kubeconfig', instance.adminKubeconfig, ...args],
    {
      stdio: ['pipe', 'pipe', 'pipe']
    }
  );
  let output = '';
  child.stdout.on('data', chunk => (output += String(chunk)));
  child.stderr.on('data', chunk => (output += String(chunk)));
  child.stdin.end(object ? JSON.stringify(object) : undefined);
  const code = await new Promise(resolve => child.once('close', resolve));
  if (code !== 0) {
    throw new Error(output);
  }
  return output;
}

const resources = {
  requests: { cpu: '300m', memory: '500Mi' },
  limits: { cpu: '500m', memory: '1Gi' }
};

function pod(name: string, container: object): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'ds' },
    spec: { containers: [{ name: 'main', image: 'none', ...container }] }
  };
}

async function createAsProduct(
  instance: Instance,
  object: object
): Promise<Result> {
  const file = path.join(instance.dataDir, 'object.json');
  fs.writeFileSync(file, JSON.stringify(object), { mode: 0o644 });
  return kubectl(instance, 'create', '-f', file);
}

let byCommand: Instance;
let byLibrary: Instance;

beforeAll(async () => {
  const [printed, instance] = await Promise.all([
    cli('up', '--name', names.byCommand, '--fault', 'build-fails'),
    up({ name: names.byLibrary, controllers: false })
  ]);
  byLibrary = instance;
  const answer = JSON.parse(printed.stdout) as {
    ok: boolean;
    instance: Instance;
  };
  expect(answer.ok).toBe(true);
  byCommand = answer.instance;
}, untilBuilt);

afterAll(async () => {
  await Promise.all(Object.values(names).map(down));
});

describe('a playground', () => {
  test('runs beside another one, and outlives the command that started it', async () => {
    const both = await Promise.all(Object.values(names).map(status));
    expect(both.map(({ state, reasons }) => ({ state, reasons }))).toEqual([
      { state: 'ready', reasons: [] },
      { state: 'ready', reasons: [] }
    ]);
    const ports = [...byCommand.ports, ...byLibrary.ports];
    expect(new Set(ports).size).toBe(ports.length);
  });

  test('up on a running one changes nothing but the faults it is given', async () => {
    const before = (await status(names.byCommand)).servers.map(
      ({ pid }) => pid
    );
    const again = await up({ name: names.byCommand });
    expect(again).toEqual(byCommand);
    expect(
      (await status(names.byCommand)).servers.map(({ pid }) => pid)
    ).toEqual(before);
    expect(readFaults(again)).toEqual(['build-fails']);
  });

  test('faults are set, listed and cleared', async () => {
    const where = ['--name', names.byCommand];
    const set = await cli('fault', 'set', 's3-refuses-download', ...where);
    expect(JSON.parse(set.stdout)).toMatchObject({
      ok: true,
      active: ['s3-refuses-download']
    });
    expect(readFaults(byCommand)).toEqual(['s3-refuses-download']);
    const unknown = await cli('fault', 'set', 'no-such-fault', ...where);
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain('namespace-not-watched');
    await cli('fault', 'clear', ...where);
    expect(readFaults(byCommand)).toEqual([]);
    setFaults(byCommand, ['build-fails']);
    const listed = await cli('fault', 'list', ...where);
    expect(JSON.parse(listed.stdout)).toMatchObject({
      active: ['build-fails']
    });
  });

  test('the product has the rights of a profile, and none beyond', async () => {
    const can = async (...question: string[]): Promise<string> =>
      (await kubectl(byLibrary, 'auth', 'can-i', ...question)).stdout.trim();
    const allowed = [
      ['create', 'bentorequests.resources.yatai.ai'],
      ['patch', 'bentoes.resources.yatai.ai'],
      ['delete', 'bentodeployments.serving.yatai.ai'],
      ['create', 'pods', '--subresource=portforward'],
      ['get', 'pods', '--subresource=portforward'],
      ['get', 'pods', '--subresource=log'],
      ['list', 'events'],
      ['list', 'resourcequotas'],
      ['create', 'secrets'],
      ['delete', 'jobs.batch']
    ];
    const denied = [
      ['create', 'serviceaccounts', '--subresource=token'],
      ['list', 'endpointslices.discovery.k8s.io'],
      ['list', 'events.events.k8s.io'],
      ['update', 'bentorequests.resources.yatai.ai', '--subresource=status'],
      ['list', 'nodes'],
      ['list', 'customresourcedefinitions.apiextensions.k8s.io'],
      ['create', 'rolebindings.rbac.authorization.k8s.io'],
      ['list', 'pods', '--namespace=kube-system'],
      ['create', 'portforwards.kwok.x-k8s.io']
    ];
    const answers = await Promise.all(
      [...allowed, ...denied].map(question => can(...question))
    );
    expect(answers).toEqual([
      ...allowed.map(() => 'yes'),
      ...denied.map(() => 'no')
    ]);
  });

  test('the product cannot read what is the administrator’s', async () => {
    const files = [
      'admin.kubeconfig',
      'tokens.csv',
      'service-account.key',
      'instance.json'
    ];
    const secret = files.map(file => path.join(byLibrary.dataDir, file));
    const read = await Promise.all(
      secret.map(file => run('/bin/cat', [file], asProduct(byLibrary)))
    );
    // An unprivileged user runs both sides itself; the files are still closed to everybody else.
    const expected = byLibrary.user ? [1, 1, 1, 1] : [0, 0, 0, 0];
    expect(read.map(({ code }) => code)).toEqual(expected);
    const modes = secret.map(file => fs.statSync(file).mode & 0o077);
    expect(modes).toEqual([0, 0, 0, 0]);
  });

  test('the quota wants resources declared, and Pod Security refuses privilege', async () => {
    const bare = await createAsProduct(byLibrary, pod('bare', {}));
    expect(bare.stderr).toContain(
      'failed quota: kf-resource-quota: must specify limits.cpu'
    );
    const privileged = { resources, securityContext: { privileged: true } };
    const refused = await createAsProduct(
      byLibrary,
      pod('privileged', privileged)
    );
    expect(refused.stderr).toContain('violates PodSecurity "baseline');
  });

  test('an unknown key is refused when asked for, and pruned else', async () => {
    const request = {
      apiVersion: 'resources.yatai.ai/v1alpha1',
      kind: 'BentoRequest',
      metadata: { name: 'pruned' },
      spec: { bentoTag: 'a:b', downloadURL: 'http://example.com' }
    };
    const file = path.join(byLibrary.dataDir, 'request.json');
    fs.writeFileSync(file, JSON.stringify(request), { mode: 0o644 });
    const strict = await kubectl(byLibrary, 'create', '-f', file);
    expect(strict.stderr).toContain('unknown field "spec.downloadURL"');
    await kubectl(byLibrary, 'create', '--validate=ignore', '-f', file);
    const read = await kubectl(
      byLibrary,
      'get',
      'bentorequest',
      'pruned',
      '-o',
      'jsonpath={.spec}'
    );
    expect(JSON.parse(read.stdout)).toEqual({ bentoTag: 'a:b' });
  });
});

describe('the S3 server of a playground', () => {
  let client: S3Client;

  beforeAll(() => {
    const { productEnv, s3 } = byLibrary;
    client = new S3Client({
      endpoint: s3.endpoint,
      region: s3.region,
      forcePathStyle: true,
      credentials: {
        accessKeyId: String(productEnv.AWS_ACCESS_KEY_ID),
        secretAccessKey: String(productEnv.AWS_SECRET_ACCESS_KEY)
      }
    });
  });

  afterAll(() => {
    client.destroy();
  });

  test('takes and gives objects below the profile’s prefix', async () => {
    const { bucket: Bucket, prefix } = byLibrary.s3;
    const Key = `${prefix}/hello.txt`;
    await client.send(new PutObjectCommand({ Bucket, Key, Body: 'hello' }));
    const found = await client.send(new GetObjectCommand({ Bucket, Key }));
    expect(await found.Body?.transformToString()).toBe('hello');
  });

  test('lets parts be uploaded, listed and given up', async () => {
    const where = {
      Bucket: byLibrary.s3.bucket,
      Key: `${byLibrary.s3.prefix}/parts.tar`
    };
    const { UploadId } = await client.send(
      new CreateMultipartUploadCommand(where)
    );
    const upload = { ...where, UploadId };
    await client.send(
      new UploadPartCommand({ ...upload, PartNumber: 1, Body: 'part' })
    );
    const { Parts } = await client.send(new ListPartsCommand(upload));
    expect(Parts?.map(({ Size }) => Size)).toEqual([4]);
    await client.send(new AbortMultipartUploadCommand(upload));
    await expect(client.send(new ListPartsCommand(upload))).rejects.toThrow();
  });

  test('refuses other prefixes and the bucket itself', async () => {
    const { bucket: Bucket } = byLibrary.s3;
    const refused = [
      client.send(
        new PutObjectCommand({ Bucket, Key: 'private/other/x', Body: 'x' })
      ),
      client.send(new GetObjectCommand({ Bucket, Key: 'artifacts/x' })),
      client.send(new ListObjectsV2Command({ Bucket }))
    ];
    const why = await Promise.allSettled(refused);
    const errorNames = why.map(found =>
      found.status === 'rejected' ? found.reason.name : 'allowed'
    );
    expect(errorNames).toEqual([
      'AccessDenied',
      'AccessDenied',
      'AccessDenied'
    ]);
  });
});

describe('pods of a playground', () => {
  let service: http.Server;

  beforeAll(async () => {
    service = http.createServer((request, response) => {
      response.end(`answer to ${String(request.url)}`);
    });
    await new Promise<void>(resolve => service.listen(0, '127.0.0.1', resolve));
    const created = await createAsProduct(
      byLibrary,
      pod('worker', { resources })
    );
    expect(created.stderr).toBe('');
    const metadata = { name: 'worker', namespace: 'ds' };
    const apiVersion = 'kwok.x-k8s.io/v1alpha1';
    const logsFile = path.join(byLibrary.podLogsDir, 'worker.log');
    fs.writeFileSync(
      logsFile,
      '2026-11-30T22:00:00.000000000Z stdout F first line\n'
    );
    const target = {
      address: '127.0.0.1',
      port: (service.address() as AddressInfo).port
    };
    await asAdmin(byLibrary, ['create', '-f', '-'], {
      apiVersion: 'v1',
      kind: 'List',
      items: [
        {
          apiVersion,
          kind: 'Logs',
          metadata,
          spec: { logs: [{ containers: ['main'], logsFile, follow: false }] }
        },
        {
          apiVersion,
          kind: 'PortForward',
          metadata,
          spec: { forwards: [{ ports: [3000], target }] }
        }
      ]
    });
    await waitFor(
      async () => {
        const read = await kubectl(
          byLibrary,
          'get',
          'pod',
          'worker',
          '-o',
          'jsonpath={.spec.nodeName}'
        );
        return read.stdout === byLibrary.nodeName ? true : undefined;
      },
      { what: 'the pod to be scheduled', timeoutMs: 30_000 }
    );
  });

  afterAll(() => {
    service.closeAllConnections();
    service.close();
  });

  test('stay pending until somebody says what they do', async () => {
    const phase = await kubectl(
      byLibrary,
      'get',
      'pod',
      'worker',
      '-o',
      'jsonpath={.status.phase}'
    );
    expect(phase.stdout).toBe('Pending');
    const running = {
      status: {
        phase: 'Running',
        conditions: [{ type: 'Ready', status: 'True' }]
      }
    };
    await asAdmin(byLibrary, [
      ...[
        'patch',
        'pod',
        'worker',
        '-n',
        'ds',
        '--subresource=status',
        '--type=merge'
      ],
      ...['-p', JSON.stringify(running)]
    ]);
    const after = await kubectl(
      byLibrary,
      'get',
      'pod',
      'worker',
      '-o',
      'jsonpath={.status.phase}'
    );
    expect(after.stdout).toBe('Running');
  });

  test('show a file as their log', async () => {
    const log = await kubectl(byLibrary, 'logs', 'worker');
    expect(log).toEqual({ code: 0, stdout: 'first line\n', stderr: '' });
  });

  test('are reached at a process of this machine through the API server', async () => {
    const config = ['--kubeconfig', byLibrary.productKubeconfig];
    const child = spawn(
      kubectlPath(byLibrary),
      [...config, 'port-forward', 'pod/worker', ':3000', '--address=127.0.0.1'],
      {
        ...asProduct(byLibrary),
        cwd: '/',
        stdio: ['ignore', 'pipe', 'inherit']
      }
    );
    try {
      const lines = readline.createInterface({ input: child.stdout });
      const port = await new Promise<string>((resolve, reject) => {
        child.once('close', () => {
          reject(new Error('kubectl port-forward ended'));
        });
        lines.on('line', line => {
          const found = /^Forwarding from 127\.0\.0\.1:(\d+)/.exec(line)?.[1];
          if (found) {
            resolve(found);
          }
        });
      });
      const answer = await fetch(`http://127.0.0.1:${port}/hello`);
      expect(await answer.text()).toBe('answer to /hello');
    } finally {
      child.kill();
      await new Promise(resolve => child.once('exit', resolve));
    }
  });

  test('are gone once deleted', async () => {
    await kubectl(
      byLibrary,
      'delete',
      'pod',
      'worker',
      '--wait=true',
      '--timeout=30s'
    );
    const read = await kubectl(byLibrary, 'get', 'pod', 'worker');
    expect(read.stderr).toContain('NotFound');
  });
});

describe('a playground of which a server was killed', () => {
  /** Starts it if need be, then kills etcd. */
  async function crash(): Promise<Instance> {
    const instance = await up({ name: names.byLibrary, controllers: false });
    const etcd = readRecords(instance.dataDir).find(
      record => record.name === 'etcd'
    );
    if (!etcd) {
      throw new Error('etcd has no pid file');
    }
    process.kill(etcd.pid, 'SIGKILL');
    await waitFor(() => !isAlive(etcd) || undefined, {
      what: 'etcd to end',
      timeoutMs: 10_000
    });
    return instance;
  }

  test('says which one, starts afresh with up, and leaves nothing with down', async () => {
    const first = await crash();
    const broken = await status(names.byLibrary);
    expect(broken.state).toBe('broken');
    expect(broken.reasons.join('\n')).toContain('etcd does not run');

    const second = await crash();
    expect(second.apiServer).not.toBe(first.apiServer);

    await down(names.byLibrary);
    expect(runningProcesses(second.dataDir)).toEqual([]);
    const listed = await run('/bin/ps', ['-eo', 'args']);
    expect(listed.stdout).not.toContain(second.dataDir);
    expect((await status(names.byLibrary)).state).toBe('absent');
  });
});
