// SPDX-License-Identifier: BSD-3-Clause
import type { Endpoint } from './destination';

/** Name of an object. */
export interface ObjectName {
  bucket: string;
  key: string;
}

/** A multipart upload that has been begun. */
export interface UploadName extends ObjectName {
  uploadId: string;
}

/** What S3 says of an object that is there. */
export interface ObjectState {
  size: number;
  /** SHA-256 in hex that was stored with it by us. */
  digest?: string;
}

/** What is stored with an object. */
export interface ObjectLabels {
  /** SHA-256 of the content in hex. */
  digest: string;
  /** Tag of the bento. */
  tag: string;
}

/** Bytes with the SHA-256 of them, in hex, which is signed where the transport does not protect them. */
export interface Payload {
  bytes: Buffer;
  sha256: string;
}

/** A part that S3 has, as it must be named at completion. */
export interface Part {
  number: number;
  etag: string;
  /** Checksum that the server asked for, by its field's name. */
  checksums: Record<string, string>;
}

/** Whether the credentials end by themselves. */
export interface CredentialLife {
  temporary: boolean;
  /** Absent when unknown. */
  endsAt?: Date;
}

/**
 * The few calls of S3 that are used; every method throws a BentoError of the
 * `s3…` codes or `cancelled`. Never among them: anything about buckets, since
 * the rights for those are often missing.
 */
export interface S3 {
  /** Undefined when there is no such object. */
  head(
    object: ObjectName,
    signal?: AbortSignal
  ): Promise<ObjectState | undefined>;
  put(
    object: ObjectName & { labels: ObjectLabels; payload: Payload },
    signal: AbortSignal
  ): Promise<void>;
  /** Returns the id of the upload. */
  begin(object: ObjectName & { labels: ObjectLabels }): Promise<string>;
  sendPart(
    part: UploadName & { number: number; payload: Payload },
    signal: AbortSignal
  ): Promise<Part>;
  complete(upload: UploadName & { parts: Part[] }): Promise<void>;
  /** An upload that is not there any more is fine. */
  abort(upload: UploadName): Promise<void>;
  remove(object: ObjectName): Promise<void>;
  /** A presigned address to GET the object for so many seconds. */
  presign(object: ObjectName & { seconds: number }): Promise<string>;
  credentialLife(): Promise<CredentialLife>;
}

/** How to talk to an S3. */
export interface S3Options {
  /** AWS itself when absent. */
  endpoint?: Endpoint;
  env: NodeJS.ProcessEnv;
}
