// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import {
  DeleteObjectCommand,
  ListPartsCommand,
  S3Client
} from '@aws-sdk/client-s3';
import { ensureEnv } from '../playground/envs';
import type { Instance } from '../playground/instance';
import { residentBytes } from '../playground/processes';
import { readSettings } from '../src/bridge/settings';
import { parseDestination } from '../src/bridge/storage/destination';
import type { UploadName } from '../src/bridge/storage/s3';
import { Storage, type UploadOptions } from '../src/bridge/storage/storage';
import { Store } from '../src/bridge/store/store';
import { StoreTree } from '../src/bridge/store/testing/storeTree';
import { BENTO_YAMLS } from '../src/domain/testing/bentoYamls';
import type { Operation } from '../src/protocol';
import { type Product, sharedPlayground, startProduct } from './product';

const MIB = 1024 * 1024;

/** What the bridge may take while it exports, whatever the size. */
const MOST_RSS = 160 * MIB;

let instance: Instance;
let tree: StoreTree;

beforeAll(async () => {
  instance = await sharedPlayground();
  tree = await StoreTree.make();
  await tree.write('bentos/churn/3/bento.yaml', BENTO_YAMLS.v11);
  await tree.write('bentos/churn/5/bento.yaml', BENTO_YAMLS.v14);
  for (const version of ['3', '5']) {
    const dockerfile = `bentos/churn/${version}/env/docker/Dockerfile`;
    await tree.write(dockerfile, 'FROM python:3.11-slim\n');
  }
  await writeModel('churn_tree', 'aa13', 'small');
  await writeModel('churn_scale', 'bb23', 'small');
  await writeModel('churn_tree', 'aa15', randomBytes(20 * MIB));
});

afterAll(() => tree.remove());

/** A model as BentoML itself would accept it. */
async function writeModel(
  name: string,
  version: string,
  weights: string | Buffer
): Promise<void> {
  await tree.model(`${name}:${version}`, weights);
  await tree.write(
    `models/${name}/${version}/model.yaml`,
    `name: ${name}
version: ${version}
module: ''
labels: {}
options: {}
metadata: {}
context:
  framework_name: ''
  framework_versions: {}
  bentoml_version: 1.1.11
  python_version: 3.11.2
signatures: {}
api_version: v1
creation_time: '2026-01-01T00:00:00.000000+00:00'
`
  );
}

function storage(change: Record<string, string> = {}): Storage {
  return new Storage(readSettings({ ...instance.productEnv, ...change }));
}

async function send(
  tag: string,
  options: Partial<UploadOptions> & { target?: Storage; to?: string } = {}
) {
  const target = options.target ?? storage();
  const store = new Store({ home: tree.home, cacheDir: tree.at('cache') });
  const { signal = new AbortController().signal } = options;
  const common = { bento: await store.get(tag), home: tree.home, signal };
  const url = options.to ?? instance.productEnv.JUPYTERLAB_BENTO_S3_URL ?? '';
  return target.upload({
    ...common,
    ...(await target.digest(common)),
    destination: parseDestination(url),
    onProgress: options.onProgress ?? (() => undefined),
    onUpload: options.onUpload
  });
}

/** What a pod without credentials gets from the presigned address, as a file. */
async function download(object: {
  bucket: string;
  key: string;
}): Promise<string> {
  const { url } = await storage().presign(object);
  const file = tree.at('downloaded.tar');
  execFileSync('curl', ['--fail', '--silent', '-L', '-o', file, url]);
  return file;
}

/** An S3 client with the product's own keys. */
function client(): S3Client {
  const { productEnv } = instance;
  return new S3Client({
    endpoint: instance.s3.endpoint,
    region: instance.s3.region,
    forcePathStyle: true,
    credentials: {
      accessKeyId: productEnv.AWS_ACCESS_KEY_ID ?? '',
      secretAccessKey: productEnv.AWS_SECRET_ACCESS_KEY ?? ''
    }
  });
}

async function statusOfParts(upload: UploadName): Promise<string> {
  const listing = client().send(
    new ListPartsCommand({
      Bucket: upload.bucket,
      Key: upload.key,
      UploadId: upload.uploadId
    })
  );
  return listing.then(
    () => 'there',
    (error: unknown) => (error as Error).name
  );
}

describe('an archive on a real S3, with the rights of a profile', () => {
  it('is downloaded without credentials and unpacked by GNU tar', async () => {
    const archive = await send('churn:3');
    expect(archive.location).toContain(
      `s3://mlpipeline/private/${instance.namespace}/`
    );
    const file = await download(archive);
    const bytes = await fs.readFile(file);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(
      archive.digest
    );
    const listing = execFileSync('tar', ['-tf', file]).toString().split('\n');
    expect(listing).toEqual(
      expect.arrayContaining([
        'bento.yaml',
        'env/docker/Dockerfile',
        'models/churn_tree/latest',
        'models/churn_tree/aa13/weights.bin',
        'models/churn_scale/bb23/model.yaml'
      ])
    );
  });

  it.each([
    ['1.1', 'fraud', 'churn:3', ['churn_scale:bb23', 'churn_tree:aa13']],
    ['1.4', 'current', 'churn:5', ['churn_tree:aa15']]
  ] as const)(
    'is imported by BentoML %s',
    async (_version, name, tag, models) => {
      const { python } = await ensureEnv(name);
      const file = await download(await send(tag));
      const home = tree.at(`imported-${name}`);
      const bentoml = (...args: string[]) =>
        execFileSync(python, ['-m', 'bentoml', ...args], {
          env: {
            PATH: process.env.PATH,
            BENTOML_HOME: home,
            BENTOML_DO_NOT_TRACK: 'True',
            LANG: 'C.UTF-8'
          },
          stdio: ['ignore', 'pipe', 'ignore']
        }).toString();
      bentoml('import', file);
      const tagsOf = (json: string) =>
        (JSON.parse(json) as { tag: string }[]).map(entry => entry.tag).sort();
      expect(tagsOf(bentoml('list', '-o', 'json'))).toEqual([tag]);
      expect(tagsOf(bentoml('models', 'list', '-o', 'json'))).toEqual(models);
    }
  );

  it('is sent once', async () => {
    await send('churn:5');
    expect((await send('churn:5')).skipped).toBe(true);
  });
});

describe('a cancelled export', () => {
  it('leaves neither an object nor parts', async () => {
    // Other content, so that no earlier export is found.
    await tree.write('bentos/churn/5/README.md', 'to be cancelled\n');
    const controller = new AbortController();
    const begun: UploadName[] = [];
    const sending = send('churn:5', {
      signal: controller.signal,
      onUpload: async upload => {
        expect(await statusOfParts(upload)).toBe('there');
        begun.push(upload);
      },
      onProgress: done => {
        if (done > 0) {
          controller.abort();
        }
      }
    });
    await expect(sending).rejects.toMatchObject({
      code: 'cancelled',
      details: []
    });
    const [upload] = begun;
    expect(upload).toBeDefined();
    if (upload !== undefined) {
      expect(await statusOfParts(upload)).toBe('NoSuchUpload');
      const { url } = await storage().presign(upload);
      expect((await fetch(url)).status).toBe(404);
      await expect(storage().abort(upload)).resolves.toBeUndefined();
    }
  });
});

describe('what S3 refuses', () => {
  it.each<[string, string, { env?: Record<string, string>; to?: string }]>([
    ['another place', 's3Denied', { to: 's3://mlpipeline/private/other' }],
    [
      'a wrong key',
      's3CredentialsRefused',
      { env: { AWS_SECRET_ACCESS_KEY: 'wrongLEAKwrongLEAK' } }
    ],
    ['no such bucket', 's3NoSuchBucket', { to: 's3://no-such-bucket/x' }]
  ])('is told for %s by %s, without a secret', async (_what, code, how) => {
    const error = await send('churn:3', {
      target: storage(how.env),
      to: how.to
    }).then(
      () => new Error('it succeeded'),
      (thrown: unknown) => thrown
    );
    expect(error).toMatchObject({ code });
    expect(JSON.stringify(error)).not.toMatch(/LEAK|Signature=/);
  });
});

describe('an export of the bridge', () => {
  let product: Product;

  beforeAll(async () => {
    product = await startProduct();
  });

  afterAll(() => product.stop());

  it('shows its bytes and needs no more memory than it may', async () => {
    await tree.bento('big:1', 'models:\n- tag: ballast:x\n');
    const model = await tree.model('ballast:x');
    // A hole in the disk is read as fast as anything.
    await fs.truncate(`${model}/weights.bin`, 300 * MIB);
    let peak = 0;
    const sampling = setInterval(() => {
      peak = Math.max(
        peak,
        residentBytes(product.bridge.process.pid ?? 0) ?? 0
      );
    }, 20);
    const seen: number[] = [];
    const { id } = await product.client.request('export.start', {
      tag: 'big:1',
      home: tree.home
    });
    const done = await product.client.request(
      'operation.follow',
      { id },
      {
        onProgress: value => {
          const { bytes } = (value as Operation).stages[0] ?? {};
          seen.push(bytes?.done ?? 0);
        }
      }
    );
    clearInterval(sampling);
    expect(done.state).toBe('done');
    expect(seen.filter(bytes => bytes > 0).length).toBeGreaterThan(2);
    expect(peak).toBeLessThan(MOST_RSS);
    const [, Bucket = '', Key = ''] =
      /^s3:\/\/([^/]+)\/(.*)$/.exec(done.location ?? '') ?? [];
    await client().send(new DeleteObjectCommand({ Bucket, Key }));
  });
});
