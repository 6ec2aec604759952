// SPDX-License-Identifier: BSD-3-Clause
import { setTimeout as sleep } from 'node:timers/promises';
import { BentoError, toBentoError } from '../../domain/errors';
import type { Bento } from '../../protocol';
import type { ArchiveEntry } from '../store/archiveEntries';
import { ArchiveReader, checkCancelled } from './archiveReader';
import { locationOf } from './destination';
import type { PartMemory } from './partMemory';
import { partPlan, sendParts } from './parts';
import type { ObjectName, ObjectState, Part, S3, UploadName } from './s3';
import { tarSize } from './tarSource';

/** Pauses before the clean-up after a failure is tried again, in milliseconds. */
const CLEAN_UP_PAUSES = [200, 1000, 3000];

/** What one upload is about. */
export interface UploadJob {
  s3: S3;
  memory: PartMemory;
  object: ObjectName;
  bento: Bento;
  digest: string;
  size: number;
  signal: AbortSignal;
  onProgress(done: number, total: number): void;
  onUpload?(upload: UploadName): Promise<void>;
}

/** Brings one archive to S3, or leaves nothing there. */
export class Upload {
  constructor(private readonly job: UploadJob) {}

  /** Whether the object is there with the right length and digest. */
  async isThere(): Promise<boolean> {
    const { s3, object, signal } = this.job;
    try {
      return this.isRight(await s3.head(object, signal));
    } catch (error) {
      // Without the right to list, S3 answers 403 for what does not exist.
      if (error instanceof BentoError && error.code === 's3Denied') {
        return false;
      }
      throw error;
    }
  }

  /** Sends the archive of these entries and checks the result. */
  async send(entries: ArchiveEntry[]): Promise<void> {
    const { bento, size, signal, onProgress } = this.job;
    if (tarSize(entries) !== size) {
      throw changed(bento);
    }
    onProgress(0, size);
    const reader = new ArchiveReader(entries, signal);
    try {
      await (size > partPlan(size).bytes
        ? this.sendInParts(reader)
        : this.sendWhole(reader));
    } finally {
      await reader.close();
    }
    onProgress(size, size);
  }

  private async sendWhole(reader: ArchiveReader): Promise<void> {
    const { s3, object, memory, size, signal } = this.job;
    const piece = await memory.take(size);
    let sending = false;
    try {
      const payload = await reader.fill(piece.subarray(0, size));
      this.checkDigest(reader);
      checkCancelled(signal);
      sending = true;
      await s3.put({ ...object, labels: this.labels(), payload }, signal);
      await this.checkArrival();
    } catch (error) {
      const failure = toBentoError(error);
      if (sending && mayHaveArrived(failure)) {
        await this.cleanUp(failure, () => s3.remove(object));
      }
      throw failure;
    } finally {
      memory.give(piece);
    }
  }

  private async sendInParts(reader: ArchiveReader): Promise<void> {
    const { s3, memory, size, signal, onProgress, onUpload } = this.job;
    const { object } = this.job;
    // Not stopped by the signal: an upload whose id is never learned would stay for ever.
    const uploadId = await s3.begin({ ...object, labels: this.labels() });
    const upload = { ...object, uploadId };
    let completing = false;
    try {
      checkCancelled(signal);
      await onUpload?.(upload);
      const parts = await sendParts({
        ...{ s3, upload, reader, memory, size, signal },
        onSent: bytes => {
          onProgress(bytes, size);
        }
      });
      this.checkDigest(reader);
      checkCancelled(signal);
      completing = true;
      await this.complete(upload, parts);
      await this.checkArrival();
    } catch (error) {
      const failure = toBentoError(error);
      await this.cleanUp(failure, () => abortUpload(s3, upload));
      if (completing) {
        await this.cleanUp(failure, () => s3.remove(object));
      }
      throw failure;
    }
  }

  /** The answer to a completion can be lost after S3 has done it; then the object tells. */
  private async complete(upload: UploadName, parts: Part[]): Promise<void> {
    const { s3, object } = this.job;
    try {
      await s3.complete({ ...upload, parts });
    } catch (error) {
      const state = await s3.head(object).catch(() => undefined);
      if (!this.isRight(state)) {
        throw error;
      }
    }
  }

  private async checkArrival(): Promise<void> {
    const { s3, object, size, signal } = this.job;
    const state = await s3.head(object);
    if (state?.size !== size) {
      throw new BentoError('exportLength', {
        params: {
          location: locationOf(object),
          actual: state?.size ?? 0,
          expected: size
        }
      });
    }
    checkCancelled(signal);
  }

  private checkDigest(reader: ArchiveReader): void {
    if (reader.digest() !== this.job.digest) {
      throw changed(this.job.bento);
    }
  }

  private isRight(state: ObjectState | undefined): boolean {
    return state?.size === this.job.size && state.digest === this.job.digest;
  }

  private labels(): { digest: string; tag: string } {
    return { digest: this.job.digest, tag: this.job.bento.tag };
  }

  /** Tries a few times; what cannot be removed is named in the failure's details. */
  private async cleanUp(
    failure: BentoError,
    action: () => Promise<void>
  ): Promise<void> {
    try {
      await action();
    } catch (error) {
      const left = locationOf(this.job.object);
      const why = toBentoError(error).message;
      failure.details.push(`Something may be left of ${left}: ${why}`);
    }
  }
}

/** Aborts a multipart upload, trying again for a few seconds; one that is gone is fine. */
export async function abortUpload(s3: S3, upload: UploadName): Promise<void> {
  for (const pause of CLEAN_UP_PAUSES) {
    try {
      await s3.abort(upload);
      return;
    } catch (error) {
      if (!toBentoError(error).toData().retryable) {
        throw error;
      }
      await sleep(pause);
    }
  }
  await s3.abort(upload);
}

/** Whether S3 may have stored the object although the call failed. */
function mayHaveArrived(failure: BentoError): boolean {
  return ['cancelled', 's3Unreachable', 's3Failed', 'exportLength'].includes(
    failure.code
  );
}

function changed(bento: Bento): BentoError {
  return new BentoError('sourceChanged', { params: { path: bento.path } });
}
