// SPDX-License-Identifier: BSD-3-Clause
import { BentoError } from '../../domain/errors';
import type { Bento } from '../../protocol';
import { archiveEntries } from '../store/archiveEntries';
import { ArchiveReader } from './archiveReader';
import {
  type Archive,
  archiveKey,
  type Destination,
  locationOf,
  refuseBucketIn,
  parseEndpoint
} from './destination';
import { PartMemory } from './partMemory';
import { presign, type Presigned } from './presign';
import type { ObjectName, S3, UploadName } from './s3';
import { tarSize } from './tarSource';
import { abortUpload, Upload } from './upload';

export type { Archive } from './destination';

/** The settings that say how to reach S3. */
export interface StorageSettings {
  /** Address of the S3 server; AWS itself when absent. */
  endpoint?: string;
  /** Address that pods of the cluster use for it; the same when absent. */
  builderEndpoint?: string;
  presignSeconds: number;
  env: NodeJS.ProcessEnv;
}

/** A bento and the store that holds its models. */
export interface Exportable {
  bento: Bento;
  home: string;
  signal: AbortSignal;
}

/** What an upload needs. */
export interface UploadOptions extends Exportable {
  destination: Destination;
  /** What {@link Storage.digest} gave. */
  digest: string;
  size: number;
  onProgress(done: number, total: number): void;
  /** Called before the first part is sent, to note down what a crash would leave behind. */
  onUpload?(upload: UploadName): Promise<void>;
}

/**
 * Archives of bentos in S3. An archive is a plain tar that holds everything,
 * models included, and is the same to the byte for the same content.
 */
export class Storage {
  private readonly clients = new Map<string, Promise<S3>>();
  private readonly memory = new PartMemory();

  constructor(private readonly settings: StorageSettings) {}

  /**
   * Reads everything once and returns SHA-256 (hex) and length of the archive,
   * without sending anything.
   *
   * @throws BentoError `modelMissing`, `notExportable`, `bentoUnreadable`,
   * `sourceChanged` or `cancelled`.
   */
  async digest(
    options: Exportable & { onProgress?(done: number, total: number): void }
  ): Promise<{ digest: string; size: number }> {
    const { bento, home, signal, onProgress } = options;
    const entries = await archiveEntries(bento, home);
    const size = tarSize(entries);
    const reader = new ArchiveReader(entries, signal);
    try {
      let done = 0;
      await reader.skip(bytes => {
        done += bytes;
        onProgress?.(done, size);
      });
      return { digest: reader.digest(), size };
    } finally {
      await reader.close();
    }
  }

  /**
   * Sends the archive, unless S3 has it already, and checks what arrived. When
   * it fails or is cancelled, neither an object nor parts of one stay; where S3
   * refuses to remove them, the error's details name what does.
   *
   * @throws BentoError of the `s3…` codes with S3's own code, `exportLength`,
   * `sourceChanged` when the content is not what was measured, `cancelled`, or
   * what {@link Storage.digest} throws.
   */
  async upload(options: UploadOptions): Promise<Archive> {
    const { bento, destination, digest, size } = options;
    refuseBucketIn(this.settings.endpoint, destination.bucket);
    const s3 = await this.client(this.settings.endpoint);
    const key = archiveKey(destination.prefix, bento, digest);
    const object = { bucket: destination.bucket, key };
    const upload = new Upload({ s3, object, memory: this.memory, ...options });
    const skipped = await upload.isThere();
    if (skipped) {
      options.onProgress(size, size);
    } else {
      await upload.send(await archiveEntries(bento, options.home));
    }
    return { ...object, size, digest, location: locationOf(object), skipped };
  }

  /**
   * An address from which a pod of the cluster can GET the object without
   * credentials. It is a secret until it ends.
   *
   * @throws BentoError `builderEndpointLoopback`, `endpointInvalid` or
   * `s3Credentials`.
   */
  async presign(object: ObjectName): Promise<Presigned> {
    const { endpoint, builderEndpoint, presignSeconds } = this.settings;
    if (builderEndpoint === undefined && endpoint !== undefined) {
      const { loopback, url } = parseEndpoint(endpoint);
      if (loopback) {
        throw new BentoError('builderEndpointLoopback', {
          params: { endpoint: url }
        });
      }
    }
    const s3 = await this.client(builderEndpoint ?? endpoint);
    return presign({ s3, object, seconds: presignSeconds, now: new Date() });
  }

  /** Removes the parts of an upload that an earlier bridge could not finish; one that is gone is fine. */
  async abort(upload: UploadName): Promise<void> {
    await abortUpload(await this.client(this.settings.endpoint), upload);
  }

  private client(address: string | undefined): Promise<S3> {
    const known = this.clients.get(address ?? '');
    if (known !== undefined) {
      return known;
    }
    const endpoint = address === undefined ? undefined : parseEndpoint(address);
    // The SDK costs memory and time: it is loaded when it is needed.
    const made = import('./sdk').then(sdk =>
      sdk.createS3({ endpoint, env: this.settings.env })
    );
    this.clients.set(address ?? '', made);
    return made;
  }
}
