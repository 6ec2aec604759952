// SPDX-License-Identifier: BSD-3-Clause
import { randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BentoError } from '../../domain/errors';

/** How long a blob waits to be fetched. */
const LIFE_MS = 3600_000;

interface Blob {
  path: string;
  contentType: string;
  expires: NodeJS.Timeout;
}

/**
 * Bytes that are too many for a message: kept in files of the bridge's own
 * folder, named by ids that only RPC hands out, dropped after an hour.
 */
export class Blobs {
  private readonly blobs = new Map<string, Blob>();

  constructor(private readonly folder: string) {}

  /** Hands out an id for bytes to come. */
  create(contentType = 'application/octet-stream'): string {
    const id = randomUUID();
    const expires = setTimeout(() => void this.drop(id), LIFE_MS);
    expires.unref();
    this.blobs.set(id, { path: join(this.folder, id), contentType, expires });
    return id;
  }

  /** Writes a stream under an id; returns its length in bytes. */
  async write(id: string, source: Readable): Promise<number> {
    const blob = this.find(id);
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    await pipeline(source, createWriteStream(blob.path, { mode: 0o600 }));
    return (await stat(blob.path)).size;
  }

  /** Opens a blob for reading. Throws `notFound` for an unknown id. */
  async read(id: string): Promise<{ size: number; stream: Readable }> {
    const { path } = this.find(id);
    const { size } = await stat(path);
    return { size, stream: createReadStream(path) };
  }

  /** Forgets a blob and its bytes. */
  async drop(id: string): Promise<void> {
    const blob = this.blobs.get(id);
    if (blob) {
      clearTimeout(blob.expires);
      this.blobs.delete(id);
      await rm(blob.path, { force: true });
    }
  }

  /** Forgets everything. */
  async close(): Promise<void> {
    await Promise.all([...this.blobs.keys()].map(id => this.drop(id)));
  }

  /** Answers GET and PUT of `/api/v1/blobs/<id>`. */
  async serve(
    id: string,
    request: IncomingMessage,
    response: ServerResponse
  ): Promise<void> {
    if (!this.blobs.has(id)) {
      response.writeHead(404).end();
      return;
    }
    if (request.method === 'PUT') {
      await this.write(id, request);
      response.writeHead(204).end();
      return;
    }
    if (request.method !== 'GET') {
      response.writeHead(405, { Allow: 'GET, PUT' }).end();
      return;
    }
    const { size, stream } = await this.read(id);
    // A service's bytes must never run as a page of the notebook's origin.
    response.writeHead(200, {
      'Content-Type': this.find(id).contentType,
      'Content-Length': size,
      'Content-Disposition': 'attachment',
      'Content-Security-Policy': "sandbox; default-src 'none'",
      'X-Content-Type-Options': 'nosniff',
      'Cache-Control': 'no-store'
    });
    await pipeline(stream, response);
  }

  private find(id: string): Blob {
    const blob = this.blobs.get(id);
    if (!blob) {
      throw new BentoError('notFound', {
        params: { what: `Blob ${id}`, hint: 'Blobs are kept for an hour.' }
      });
    }
    return blob;
  }
}
