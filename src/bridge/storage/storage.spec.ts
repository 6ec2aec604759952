// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs/promises';
import { createHash, randomBytes } from 'node:crypto';
import { BentoError } from '../../domain/errors';
import type { Bento } from '../../protocol';
import { Store } from '../store/store';
import { modelsYaml, StoreTree } from '../store/testing/storeTree';
import { parseDestination } from './destination';
import { Storage, type UploadOptions } from './storage';
import { type Fault, S3Stub, xmlError } from './testing/s3Stub';

const ENV = {
  AWS_ACCESS_KEY_ID: 'AKIATESTLEAK00000001',
  AWS_SECRET_ACCESS_KEY: 's3cr3tLEAKs3cr3tLEAKs3cr3tLEAK',
  AWS_SESSION_TOKEN: 'tokenLEAKtokenLEAK'
};
const SMALL = 'iris:1';
const LARGE = 'iris:2';
const LARGE_BYTES = 17 * 1024 * 1024;

let tree: StoreTree;
let stub: S3Stub;

beforeAll(async () => {
  tree = await StoreTree.make();
  await tree.bento(SMALL, modelsYaml('clf:a'));
  await tree.bento(LARGE, modelsYaml('clf:b'));
  await tree.model('clf:a');
  await tree.model('clf:b', randomBytes(LARGE_BYTES));
});

afterAll(() => tree.remove());

beforeEach(async () => {
  stub = new S3Stub();
  await stub.start();
});

afterEach(() => stub.stop());

function storage(settings: { builderEndpoint?: string } = {}): Storage {
  return new Storage({
    endpoint: stub.url,
    presignSeconds: 3600,
    env: ENV,
    ...settings
  });
}

function bentoOf(tag: string): Promise<Bento> {
  return new Store({ home: tree.home, cacheDir: tree.at('cache') }).get(tag);
}

interface Export {
  tag: string;
  signal?: AbortSignal;
  onUpload?: UploadOptions['onUpload'];
  onProgress?: UploadOptions['onProgress'];
  between?(): Promise<void>;
}

async function exportTo(target: Storage, options: Export) {
  const bento = await bentoOf(options.tag);
  const signal = options.signal ?? new AbortController().signal;
  const common = { bento, home: tree.home, signal };
  const measured = await target.digest(common);
  await options.between?.();
  return target.upload({
    ...common,
    ...measured,
    destination: parseDestination('s3://bucket/team/a/'),
    onProgress: options.onProgress ?? (() => undefined),
    onUpload: options.onUpload
  });
}

async function failureOf(promise: Promise<unknown>): Promise<BentoError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof BentoError) {
      return error;
    }
    throw error;
  }
  throw new Error('it succeeded');
}

function expectNothingLeft(): void {
  expect([...stub.objects.keys()]).toEqual([]);
  expect([...stub.uploads.keys()]).toEqual([]);
}

/** What S3 must not be given when it is not AWS. */
const refuseChecksums: Fault = ({ headers }) =>
  Object.keys(headers).some(name =>
    /^x-amz-(checksum|sdk-checksum|trailer)/.test(name)
  ) || /aws-chunked/.test(String(headers['content-encoding']))
    ? xmlError(501, 'NotImplemented')
    : undefined;

describe.each([
  ['in one piece', SMALL],
  ['in parts', LARGE]
])('an archive sent %s', (_how, tag) => {
  it('arrives whole under a key that carries its digest', async () => {
    stub.fault = refuseChecksums;
    const progress: number[] = [];
    const archive = await exportTo(storage(), {
      tag,
      onProgress: done => progress.push(done)
    });
    const [name = '', version = ''] = tag.split(':');
    expect(archive).toMatchObject({
      bucket: 'bucket',
      key: `team/a/bentos/${name}/${version}/${archive.digest}.tar`,
      location: `s3://bucket/${archive.key}`,
      skipped: false
    });
    const stored = stub.objects.get(`/bucket/${archive.key}`);
    expect(stored?.bytes).toHaveLength(archive.size);
    expect(sha256(stored?.bytes)).toBe(archive.digest);
    expect(stored?.headers).toMatchObject({
      'x-amz-meta-jupyterlab-bento-sha256': archive.digest,
      'x-amz-meta-jupyterlab-bento-tag': tag
    });
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect([progress.at(0), progress.at(-1)]).toEqual([0, archive.size]);
  });

  it('is not sent again when it is there', async () => {
    await exportTo(storage(), { tag });
    stub.requests.length = 0;
    const again = await exportTo(storage(), { tag });
    expect(again.skipped).toBe(true);
    expect(stub.requests.map(request => request.method)).toEqual(['HEAD']);
  });

  it.each([
    ['a wrong length', { 'content-length': '1' }],
    ['another digest', { 'x-amz-meta-jupyterlab-bento-sha256': 'other' }]
  ])('is sent again over an object with %s', async (_what, headers) => {
    const { key } = await exportTo(storage(), { tag });
    const stored = stub.objects.get(`/bucket/${key}`);
    stub.requests.length = 0;
    stub.fault = ({ method }) =>
      method === 'HEAD' && stub.requests.length === 1
        ? {
            status: 200,
            headers: {
              'content-length': String(stored?.bytes.length),
              ...stored?.headers,
              ...headers
            }
          }
        : undefined;
    expect((await exportTo(storage(), { tag })).skipped).toBe(false);
    expect(stub.count('PUT')).toBeGreaterThan(0);
  });

  it('is sent where looking is denied for what does not exist yet', async () => {
    stub.fault = ({ method }) =>
      method === 'HEAD' && stub.objects.size === 0
        ? { status: 403 }
        : undefined;
    expect((await exportTo(storage(), { tag })).skipped).toBe(false);
  });

  it('is taken back when S3 kept only a part of it', async () => {
    stub.fault = ({ method }) =>
      method === 'HEAD' && stub.objects.size > 0
        ? { status: 200, headers: { 'content-length': '17' } }
        : undefined;
    const error = await failureOf(exportTo(storage(), { tag }));
    expect(error).toMatchObject({
      code: 'exportLength',
      params: { actual: 17 }
    });
    expectNothingLeft();
  });

  it('is refused when the content changed after it was measured', async () => {
    const file = `bentos/${tag.replace(':', '/')}/src/service.py`;
    const before = await fs.readFile(tree.at(file));
    const swapped = Buffer.from(before).fill('x');
    const error = await failureOf(
      exportTo(storage(), { tag, between: () => tree.write(file, swapped) })
    );
    await tree.write(file, before);
    expect(error.code).toBe('sourceChanged');
    expectNothingLeft();
  });

  it('tells S3s own code and request id, and no secret', async () => {
    stub.fault = ({ method }) =>
      method === 'HEAD'
        ? undefined
        : xmlError(
            403,
            'AccessDenied',
            `no ${ENV.AWS_ACCESS_KEY_ID} X-Amz-Signature=abc`
          );
    const error = await failureOf(exportTo(storage(), { tag }));
    expect(error.toData()).toMatchObject({
      code: 's3Denied',
      params: { s3Code: 'AccessDenied', action: 's3:PutObject' }
    });
    expect(error.message).toMatch(/req-\d|from-body/);
    expect(JSON.stringify(error.toData()) + String(error.cause)).not.toMatch(
      /LEAK|Signature=abc/
    );
  });

  it('says that a web page is no answer of S3', async () => {
    stub.fault = () => ({
      status: 200,
      headers: { 'content-type': 'text/html; charset=utf-8' },
      body: '<html>Please log in</html>'
    });
    const error = await failureOf(exportTo(storage(), { tag }));
    expect(error).toMatchObject({
      code: 's3Failed',
      params: { s3Code: 'HTML' }
    });
    expect(error.message).toContain('proxy');
  });
});

function sha256(bytes?: Buffer): string {
  return createHash('sha256')
    .update(bytes ?? '')
    .digest('hex');
}

describe('a cancelled export', () => {
  /** Cancels when a request of that kind has reached S3, before it is answered. */
  function cancelAt(
    matches: (request: { method: string; url: string }) => boolean
  ) {
    const controller = new AbortController();
    stub.fault = async request => {
      if (matches(request)) {
        controller.abort();
        // The client has hung up by now where it does so at all.
        await new Promise(resolve => setImmediate(resolve));
      }
      return undefined;
    };
    return controller.signal;
  }

  it.each([
    ['the look for an earlier one', SMALL, 'HEAD', /./],
    ['the only piece', SMALL, 'PUT', /./],
    ['the check afterwards', SMALL, 'HEAD', /./],
    ['the beginning', LARGE, 'POST', /uploads/],
    ['the first part', LARGE, 'PUT', /partNumber=1&/],
    ['the last part', LARGE, 'PUT', /partNumber=3&/],
    ['the completion', LARGE, 'POST', /uploadId/]
  ])(
    'leaves nothing when it is stopped at %s',
    async (what, tag, method, url) => {
      const late = what === 'the check afterwards';
      const signal = cancelAt(
        request =>
          request.method === method &&
          url.test(request.url) &&
          (!late || stub.objects.size > 0)
      );
      const error = await failureOf(exportTo(storage(), { tag, signal }));
      expect(error.code).toBe('cancelled');
      expect(error.details).toEqual([]);
      expectNothingLeft();
    }
  );

  it('leaves nothing between the last part and the completion', async () => {
    const controller = new AbortController();
    const error = await failureOf(
      exportTo(storage(), {
        tag: LARGE,
        signal: controller.signal,
        onProgress: (done, total) => {
          if (done === total) {
            controller.abort();
          }
        }
      })
    );
    expect(error.code).toBe('cancelled');
    expect(stub.count('POST', 'uploadId')).toBe(0);
    expectNothingLeft();
  });

  it('tries again to remove the parts when S3 is busy', async () => {
    let refused = 0;
    const signal = cancelAt(({ url }) => /partNumber=2&/.test(url));
    const cancelling = stub.fault;
    stub.fault = request =>
      request.method === 'DELETE' && (refused += 1) < 3
        ? xmlError(503, 'SlowDown')
        : cancelling(request);
    await failureOf(exportTo(storage(), { tag: LARGE, signal }));
    expectNothingLeft();
  });

  it('names what stays where S3 does not let us remove it', async () => {
    const signal = cancelAt(({ url }) => /partNumber=2&/.test(url));
    const cancelling = stub.fault;
    stub.fault = request =>
      request.method === 'DELETE'
        ? xmlError(403, 'AccessDenied')
        : cancelling(request);
    const error = await failureOf(exportTo(storage(), { tag: LARGE, signal }));
    expect(error.code).toBe('cancelled');
    expect(error.details.join()).toMatch(
      /s3:\/\/bucket\/team.*s3:AbortMultipartUpload/
    );
  });
});

describe('an export in parts', () => {
  it('notes down the upload before the first part is sent', async () => {
    const noted: unknown[] = [];
    await exportTo(storage(), {
      tag: LARGE,
      onUpload: async upload => {
        expect(stub.count('PUT')).toBe(0);
        noted.push(upload);
        await Promise.resolve();
      }
    });
    expect(noted).toEqual([
      expect.objectContaining({ bucket: 'bucket', uploadId: 'upload-1' })
    ]);
  });

  it('leaves nothing when noting it down fails', async () => {
    const error = await failureOf(
      exportTo(storage(), {
        tag: LARGE,
        onUpload: () => Promise.reject(new Error('disk full'))
      })
    );
    expect(error.message).toContain('disk full');
    expectNothingLeft();
  });

  it.each(['', '\n', '  \n\n'])(
    'takes an error inside a 200 of the completion for what it is (%j after it)',
    async after => {
      stub.fault = ({ method, query }) => {
        const { body = '', headers } = xmlError(
          200,
          'InternalError',
          'joining'
        );
        return method === 'POST' && query.has('uploadId')
          ? { status: 200, headers, body: body + after }
          : undefined;
      };
      const error = await failureOf(exportTo(storage(), { tag: LARGE }));
      expect(error).toMatchObject({
        code: 's3Failed',
        params: { s3Code: 'InternalError' }
      });
      expectNothingLeft();
    }
  );

  it('succeeds when only the answer of the completion was lost', async () => {
    let lost = false;
    stub.fault = async ({ method, query, path }) => {
      if (method !== 'POST' || !query.has('uploadId') || lost) {
        return undefined;
      }
      lost = true;
      const id = query.get('uploadId') ?? '';
      const digest = /([0-9a-f]{64})\.tar$/.exec(path)?.[1] ?? '';
      stub.objects.set(path, {
        bytes: Buffer.concat([...(stub.uploads.get(id)?.values() ?? [])]),
        headers: { 'x-amz-meta-jupyterlab-bento-sha256': digest }
      });
      stub.uploads.delete(id);
      return Promise.resolve(xmlError(500, 'InternalError'));
    };
    const archive = await exportTo(storage(), { tag: LARGE });
    expect(archive.skipped).toBe(false);
    expect(stub.objects.size).toBe(1);
  });

  it('sends a part again after a passing fault', async () => {
    let failed = false;
    stub.fault = ({ url }) => {
      if (/partNumber=2&/.test(url) && !failed) {
        failed = true;
        return xmlError(503, 'SlowDown');
      }
      return undefined;
    };
    const archive = await exportTo(storage(), { tag: LARGE });
    const stored = stub.objects.get(`/bucket/${archive.key}`);
    expect(sha256(stored?.bytes)).toBe(archive.digest);
  });

  it('stops all parts when one fails for good', async () => {
    stub.fault = ({ url }) =>
      /partNumber=2&/.test(url) ? xmlError(400, 'EntityTooLarge') : undefined;
    const error = await failureOf(exportTo(storage(), { tag: LARGE }));
    expect(error.params.s3Code).toBe('EntityTooLarge');
    expectNothingLeft();
  });

  it('shares its memory with others that run beside it', async () => {
    const target = storage();
    const signal = new AbortController().signal;
    const bento = await bentoOf(LARGE);
    const common = { bento, home: tree.home, signal };
    const measured = await target.digest(common);
    const archives = await Promise.all(
      ['a', 'b', 'c', 'd'].map(prefix =>
        target.upload({
          ...common,
          ...measured,
          destination: { bucket: 'bucket', prefix },
          onProgress: () => undefined
        })
      )
    );
    expect(archives.map(archive => archive.skipped)).not.toContain(true);
    expect(
      [...stub.objects.values()].map(object => sha256(object.bytes))
    ).toEqual(archives.map(archive => archive.digest));
  });

  it('removes what an earlier life has left, and does not mind when it is gone', async () => {
    stub.uploads.set('old', new Map());
    const upload = { bucket: 'bucket', key: 'k', uploadId: 'old' };
    await storage().abort(upload);
    expectNothingLeft();
    await expect(storage().abort(upload)).resolves.toBeUndefined();
  });
});

describe('errors of S3', () => {
  it.each([
    [404, 'NoSuchBucket', 's3NoSuchBucket'],
    [403, 'ExpiredToken', 's3CredentialsRefused'],
    [403, 'SignatureDoesNotMatch', 's3CredentialsRefused'],
    [507, 'XMinioStorageFull', 's3Failed'],
    [403, 'RequestTimeTooSkewed', 's3ClockSkew']
  ])('%d %s becomes %s', async (status, s3Code, code) => {
    stub.fault = ({ method }) =>
      method === 'PUT' ? xmlError(status, s3Code) : undefined;
    const error = await failureOf(exportTo(storage(), { tag: SMALL }));
    expect(error.code).toBe(code);
  });

  it('says that nobody listens', async () => {
    const target = storage();
    await stub.stop();
    const error = await failureOf(exportTo(target, { tag: SMALL }));
    expect(error).toMatchObject({
      code: 's3Unreachable',
      params: { reason: 'connection refused' }
    });
    await stub.start();
  });

  it('never asks about the bucket', async () => {
    await exportTo(storage(), { tag: LARGE });
    await exportTo(storage(), { tag: SMALL });
    expect(
      stub.requests.filter(request => request.path.split('/').length < 3)
    ).toEqual([]);
  });
});

describe('presign', () => {
  const object = { bucket: 'bucket', key: 'a/b.tar' };

  it('refuses a loopback address unless the builder has one of its own', async () => {
    const error = await failureOf(storage().presign(object));
    expect(error.code).toBe('builderEndpointLoopback');
    const given = storage({ builderEndpoint: stub.url });
    expect((await given.presign(object)).url).toContain(stub.url);
  });

  it('signs a plain GET for the address that the builder sees', async () => {
    const made = await storage({
      builderEndpoint: 'http://minio-service.kubeflow:9000/'
    }).presign(object);
    const url = new URL(made.url);
    expect(url.origin + url.pathname).toBe(
      'http://minio-service.kubeflow:9000/bucket/a/b.tar'
    );
    expect(url.searchParams.get('X-Amz-Expires')).toBe('3600');
    expect([...url.searchParams.keys()].join()).not.toMatch(/checksum/i);
    expect(made.url).toMatch(/^[\w:/.?=&%~-]+$/);
  });

  it('says that a token without a known end may end early', async () => {
    const made = await storage({ builderEndpoint: 'http://s3' }).presign(
      object
    );
    expect(made.notes).toEqual([expect.stringContaining('temporary')]);
  });

  it('lives no longer than the session token', async () => {
    const ends = new Date(Date.now() + 600_000);
    const target = new Storage({
      endpoint: 'http://s3.example',
      presignSeconds: 3600,
      env: { ...ENV, AWS_CREDENTIAL_EXPIRATION: ends.toISOString() }
    });
    const made = await target.presign(object);
    expect(
      Number(new URL(made.url).searchParams.get('X-Amz-Expires'))
    ).toBeLessThanOrEqual(600);
    expect(Date.parse(made.expiresAt)).toBeLessThanOrEqual(ends.getTime());
    expect(made.notes.join()).toMatch(/session credentials.*seven attempts/);
  });

  it('refuses a session token that is about to end', async () => {
    const target = new Storage({
      endpoint: 'http://s3.example',
      presignSeconds: 3600,
      env: { ...ENV, AWS_CREDENTIAL_EXPIRATION: new Date().toISOString() }
    });
    expect((await failureOf(target.presign(object))).code).toBe(
      's3Credentials'
    );
  });

  it('uses host names for buckets on AWS', async () => {
    const target = new Storage({
      presignSeconds: 60,
      env: { ...ENV, AWS_REGION: 'eu-central-1' }
    });
    const { url } = await target.presign(object);
    expect(new URL(url).host).toBe('bucket.s3.eu-central-1.amazonaws.com');
    expect(url).not.toMatch(/checksum/i);
  });
});
