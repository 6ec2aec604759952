// SPDX-License-Identifier: BSD-3-Clause
import { createHash } from 'node:crypto';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** A request as the stub saw it. */
export interface SeenRequest {
  method: string;
  /** Path and query. */
  url: string;
  path: string;
  query: URLSearchParams;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

/** An answer other than the usual one. */
export interface StubAnswer {
  status: number;
  headers?: Record<string, string>;
  body?: string;
}

interface StoredObject {
  bytes: Buffer;
  headers: Record<string, string>;
}

/** Decides about a request before S3 does; undefined leaves it to S3. */
export type Fault = (
  request: SeenRequest
) => StubAnswer | undefined | Promise<StubAnswer | undefined>;

/** A small S3 over HTTP that keeps everything in memory and can be told to misbehave. */
export class S3Stub {
  readonly requests: SeenRequest[] = [];
  readonly objects = new Map<string, StoredObject>();
  readonly uploads = new Map<string, Map<number, Buffer>>();
  fault: Fault = () => undefined;
  private readonly labels = new Map<string, Record<string, string>>();
  private readonly server = http.createServer((request, response) => {
    void this.handle(request, response);
  });

  async start(): Promise<void> {
    await new Promise<void>(resolve => {
      this.server.listen(0, '127.0.0.1', resolve);
    });
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise(resolve => this.server.close(resolve));
  }

  get url(): string {
    const { port } = this.server.address() as AddressInfo;
    return `http://127.0.0.1:${String(port)}`;
  }

  /** Requests of that kind, for instance `PUT partNumber`. */
  count(method: string, queryKey?: string): number {
    return this.requests.filter(
      request =>
        request.method === method &&
        (queryKey === undefined || request.query.has(queryKey))
    ).length;
  }

  private async handle(
    request: http.IncomingMessage,
    response: http.ServerResponse
  ): Promise<void> {
    const url = new URL(request.url ?? '', this.url);
    const seen: SeenRequest = {
      method: request.method ?? '',
      url: request.url ?? '',
      path: decodeURIComponent(url.pathname),
      query: url.searchParams,
      headers: request.headers,
      body: await buffer(request).catch(() => Buffer.alloc(0))
    };
    this.requests.push(seen);
    const answer = (await this.fault(seen)) ?? this.answer(seen);
    response.writeHead(answer.status, {
      'x-amz-request-id': `req-${String(this.requests.length)}`,
      ...answer.headers
    });
    response.end(answer.body);
  }

  private answer(request: SeenRequest): StubAnswer {
    const { method, query, path } = request;
    if (!isPayloadIntact(request)) {
      return xmlError(400, 'XAmzContentSHA256Mismatch');
    }
    if (query.has('uploads') && method === 'POST') {
      return this.begin(request);
    }
    const uploadId = query.get('uploadId');
    if (uploadId !== null) {
      return this.answerUpload(request, uploadId);
    }
    if (method === 'PUT') {
      this.objects.set(path, { bytes: request.body, headers: kept(request) });
      return { status: 200, headers: { etag: etagOf(request.body) } };
    }
    if (method === 'DELETE') {
      this.objects.delete(path);
      return { status: 204 };
    }
    const object = this.objects.get(path);
    return object === undefined
      ? xmlError(404, 'NoSuchKey')
      : {
          status: 200,
          headers: {
            ...object.headers,
            'content-length': String(object.bytes.length)
          }
        };
  }

  private begin(request: SeenRequest): StubAnswer {
    const id = `upload-${String(this.labels.size + 1)}`;
    this.uploads.set(id, new Map());
    this.labels.set(id, kept(request));
    return {
      status: 200,
      body: `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`
    };
  }

  private answerUpload(request: SeenRequest, id: string): StubAnswer {
    const { method, query, path, body } = request;
    const parts = this.uploads.get(id);
    if (parts === undefined) {
      return xmlError(404, 'NoSuchUpload');
    }
    if (method === 'PUT') {
      parts.set(Number(query.get('partNumber')), body);
      return { status: 200, headers: { etag: etagOf(body) } };
    }
    this.uploads.delete(id);
    if (method === 'DELETE') {
      return { status: 204 };
    }
    const numbers = [...body.toString().matchAll(/<PartNumber>(\d+)/g)];
    const bytes = numbers.map(([, number]) => parts.get(Number(number)));
    this.objects.set(path, {
      bytes: Buffer.concat(bytes.flatMap(part => part ?? [])),
      headers: this.labels.get(id) ?? {}
    });
    return {
      status: 200,
      body: '<CompleteMultipartUploadResult><ETag>"done"</ETag></CompleteMultipartUploadResult>'
    };
  }
}

/** S3's own form of an error. */
export function xmlError(
  status: number,
  code: string,
  message = `It went wrong: ${code}`
): StubAnswer {
  return {
    status,
    headers: { 'content-type': 'application/xml' },
    body: `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message><AWSAccessKeyId>AKIATESTLEAK00000001</AWSAccessKeyId><RequestId>from-body</RequestId></Error>`
  };
}

function isPayloadIntact(request: SeenRequest): boolean {
  const signed = request.headers['x-amz-content-sha256'];
  const actual = createHash('sha256').update(request.body).digest('hex');
  return request.body.length === 0 || signed === actual;
}

function etagOf(bytes: Buffer): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`;
}

function kept(request: SeenRequest): Record<string, string> {
  return Object.fromEntries(
    Object.entries(request.headers).filter(
      (header): header is [string, string] =>
        header[0].startsWith('x-amz-meta-') || header[0] === 'content-type'
    )
  );
}
