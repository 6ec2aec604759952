// SPDX-License-Identifier: BSD-3-Clause
import { spawn } from 'node:child_process';
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
import { down, up } from '../playground/instance';
import { waitFor } from '../playground/wait';
import {
  asAdmin,
  asProduct,
  createAsProduct,
  kubectl,
  kubectlPath,
  run
} from './kubectl';

// Without controllers: what they do has tests of its own.
const name = 'spec-profile';
// Building the servers comes first on a machine that never did.
const untilBuilt = 25 * 60_000;

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

let instance: Instance;

beforeAll(async () => {
  instance = await up({ name, controllers: false });
}, untilBuilt);

afterAll(async () => {
  await down(name);
});

describe('the profile of a playground', () => {
  test('the product has the rights of a profile, and none beyond', async () => {
    const can = async (...question: string[]): Promise<string> =>
      (await kubectl(instance, 'auth', 'can-i', ...question)).stdout.trim();
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
    const secret = files.map(file => path.join(instance.dataDir, file));
    const read = await Promise.all(
      secret.map(file => run('/bin/cat', [file], asProduct(instance)))
    );
    // An unprivileged user runs both sides itself; the files are still closed to everybody else.
    const expected = instance.user ? [1, 1, 1, 1] : [0, 0, 0, 0];
    expect(read.map(({ code }) => code)).toEqual(expected);
    const modes = secret.map(file => fs.statSync(file).mode & 0o077);
    expect(modes).toEqual([0, 0, 0, 0]);
  });

  test('the quota wants resources declared, and Pod Security refuses privilege', async () => {
    const bare = await createAsProduct(instance, pod('bare', {}));
    expect(bare.stderr).toContain(
      'failed quota: kf-resource-quota: must specify limits.cpu'
    );
    const privileged = { resources, securityContext: { privileged: true } };
    const refused = await createAsProduct(
      instance,
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
    const file = path.join(instance.dataDir, 'request.json');
    fs.writeFileSync(file, JSON.stringify(request), { mode: 0o644 });
    const strict = await kubectl(instance, 'create', '-f', file);
    expect(strict.stderr).toContain('unknown field "spec.downloadURL"');
    await kubectl(instance, 'create', '--validate=ignore', '-f', file);
    const read = await kubectl(
      instance,
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
    const { productEnv, s3 } = instance;
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
    const { bucket: Bucket, prefix } = instance.s3;
    const Key = `${prefix}/hello.txt`;
    await client.send(new PutObjectCommand({ Bucket, Key, Body: 'hello' }));
    const found = await client.send(new GetObjectCommand({ Bucket, Key }));
    expect(await found.Body?.transformToString()).toBe('hello');
  });

  test('lets parts be uploaded, listed and given up', async () => {
    const where = {
      Bucket: instance.s3.bucket,
      Key: `${instance.s3.prefix}/parts.tar`
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
    const { bucket: Bucket } = instance.s3;
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
      instance,
      pod('worker', { resources })
    );
    expect(created.stderr).toBe('');
    const metadata = { name: 'worker', namespace: 'ds' };
    const apiVersion = 'kwok.x-k8s.io/v1alpha1';
    const logsFile = path.join(instance.podLogsDir, 'worker.log');
    fs.writeFileSync(
      logsFile,
      '2026-11-30T22:00:00.000000000Z stdout F first line\n'
    );
    const target = {
      address: '127.0.0.1',
      port: (service.address() as AddressInfo).port
    };
    await asAdmin(instance, ['create', '-f', '-'], {
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
          instance,
          'get',
          'pod',
          'worker',
          '-o',
          'jsonpath={.spec.nodeName}'
        );
        return read.stdout === instance.nodeName ? true : undefined;
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
      instance,
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
    await asAdmin(instance, [
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
      instance,
      'get',
      'pod',
      'worker',
      '-o',
      'jsonpath={.status.phase}'
    );
    expect(after.stdout).toBe('Running');
  });

  test('show a file as their log', async () => {
    const log = await kubectl(instance, 'logs', 'worker');
    expect(log).toEqual({ code: 0, stdout: 'first line\n', stderr: '' });
  });

  test('are reached at a process of this machine through the API server', async () => {
    const config = ['--kubeconfig', instance.productKubeconfig];
    const child = spawn(
      kubectlPath(instance),
      [...config, 'port-forward', 'pod/worker', ':3000', '--address=127.0.0.1'],
      {
        ...asProduct(instance),
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
      instance,
      'delete',
      'pod',
      'worker',
      '--wait=true',
      '--timeout=30s'
    );
    const read = await kubectl(instance, 'get', 'pod', 'worker');
    expect(read.stderr).toContain('NotFound');
  });
});
