// SPDX-License-Identifier: BSD-3-Clause
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
  type UploadPartCommandOutput
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { clientConfig, staticSecrets } from './clientConfig';
import { locationOf } from './destination';
import { refuseForeignAnswers } from './foreignAnswers';
import type {
  CredentialLife,
  ObjectLabels,
  ObjectName,
  ObjectState,
  Part,
  Payload,
  S3,
  S3Options,
  UploadName
} from './s3';
import { s3Error } from './s3Errors';

const CONTENT_TYPE = 'application/x-tar';
const DIGEST_KEY = 'jupyterlab-bento-sha256';
const TAG_KEY = 'jupyterlab-bento-tag';

/** Makes the S3 client; this is the one place where the AWS SDK is used. */
export function createS3(options: S3Options): S3 {
  // It is pinned to its last line for Node 20 and says so at each start.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  return new SdkS3(options);
}

class SdkS3 implements S3 {
  private readonly client: S3Client;
  /** Whether the payload's hash must be signed, since nothing else protects it on its way. */
  private readonly plain: boolean;
  private readonly address: string;
  private secrets: string[];

  constructor(private readonly options: S3Options) {
    this.client = new S3Client(clientConfig(options));
    this.plain = options.endpoint?.plain ?? false;
    this.address = options.endpoint?.url ?? 'AWS';
    this.secrets = staticSecrets(options.env);
    refuseForeignAnswers(this.client);
  }

  async head(
    object: ObjectName,
    signal?: AbortSignal
  ): Promise<ObjectState | undefined> {
    return this.attempt('s3:GetObject', object, async () => {
      try {
        const command = new HeadObjectCommand(nameOf(object));
        const answer = await this.client.send(command, { abortSignal: signal });
        return {
          size: answer.ContentLength ?? 0,
          digest: answer.Metadata?.[DIGEST_KEY]
        };
      } catch (error) {
        if (statusOf(error) === 404 && !isNamed(error, 'NoSuchBucket')) {
          return undefined;
        }
        throw error;
      }
    });
  }

  async put(
    object: ObjectName & { labels: ObjectLabels; payload: Payload },
    signal: AbortSignal
  ): Promise<void> {
    await this.attempt('s3:PutObject', object, async () => {
      const { payload, labels } = object;
      const command = new PutObjectCommand({
        ...nameOf(object),
        ...described(labels),
        Body: payload.bytes,
        ContentLength: payload.bytes.length
      });
      this.signPayload(command, payload);
      await this.client.send(command, { abortSignal: signal });
    });
  }

  async begin(object: ObjectName & { labels: ObjectLabels }): Promise<string> {
    return this.attempt('s3:PutObject', object, async () => {
      const answer = await this.client.send(
        new CreateMultipartUploadCommand({
          ...nameOf(object),
          ...described(object.labels)
        })
      );
      return answer.UploadId ?? '';
    });
  }

  async sendPart(
    part: UploadName & { number: number; payload: Payload },
    signal: AbortSignal
  ): Promise<Part> {
    return this.attempt('s3:PutObject', part, async () => {
      const command = new UploadPartCommand({
        ...nameOf(part),
        UploadId: part.uploadId,
        PartNumber: part.number,
        Body: part.payload.bytes,
        ContentLength: part.payload.bytes.length
      });
      this.signPayload(command, part.payload);
      const answer = await this.client.send(command, { abortSignal: signal });
      const etag = answer.ETag ?? '';
      return { number: part.number, etag, checksums: checksumsOf(answer) };
    });
  }

  async complete(upload: UploadName & { parts: Part[] }): Promise<void> {
    await this.attempt('s3:PutObject', upload, async () => {
      const Parts = upload.parts.map(part => ({
        PartNumber: part.number,
        ETag: part.etag,
        ...part.checksums
      }));
      await this.client.send(
        new CompleteMultipartUploadCommand({
          ...nameOf(upload),
          UploadId: upload.uploadId,
          MultipartUpload: { Parts }
        })
      );
    });
  }

  async abort(upload: UploadName): Promise<void> {
    await this.attempt('s3:AbortMultipartUpload', upload, async () => {
      try {
        await this.client.send(
          new AbortMultipartUploadCommand({
            ...nameOf(upload),
            UploadId: upload.uploadId
          })
        );
      } catch (error) {
        if (statusOf(error) !== 404) {
          throw error;
        }
      }
    });
  }

  async remove(object: ObjectName): Promise<void> {
    await this.attempt('s3:DeleteObject', object, async () => {
      await this.client.send(new DeleteObjectCommand(nameOf(object)));
    });
  }

  async presign(object: ObjectName & { seconds: number }): Promise<string> {
    // Whoever uses the address sends no body: a checksum of one would be refused.
    const signer = new S3Client({
      ...clientConfig(this.options),
      requestChecksumCalculation: 'WHEN_REQUIRED'
    });
    return this.attempt('s3:GetObject', object, () =>
      getSignedUrl(signer, new GetObjectCommand(nameOf(object)), {
        expiresIn: object.seconds
      })
    );
  }

  async credentialLife(): Promise<CredentialLife> {
    const anywhere = { bucket: '', key: '' };
    return this.attempt('sts:GetSessionToken', anywhere, async () => {
      const found = await this.client.config.credentials();
      const { expiration, sessionToken } = found;
      return { temporary: sessionToken !== undefined, endsAt: expiration };
    });
  }

  /** Runs a call; what it throws becomes a BentoError without secrets. */
  private async attempt<T>(
    action: string,
    object: ObjectName,
    call: () => Promise<T>
  ): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw s3Error(error, {
        action,
        bucket: object.bucket,
        location: locationOf(object),
        endpoint: this.address,
        secrets: await this.knownSecrets()
      });
    }
  }

  private async knownSecrets(): Promise<string[]> {
    try {
      const found = await this.client.config.credentials();
      const { accessKeyId, secretAccessKey, sessionToken = '' } = found;
      this.secrets = [
        ...new Set([
          ...this.secrets,
          accessKeyId,
          secretAccessKey,
          sessionToken
        ])
      ];
    } catch {
      // Without credentials there is nothing to hide.
    }
    return this.secrets;
  }

  /**
   * Gives the hash that was taken while the bytes were read. The SDK would
   * take it again, all of a part at once.
   */
  private signPayload(
    command: PutObjectCommand | UploadPartCommand,
    payload: Payload
  ): void {
    const hash = this.plain ? payload.sha256 : 'UNSIGNED-PAYLOAD';
    (command as UploadPartCommand).middlewareStack.add(
      next => args => {
        const request = args.request as { headers: Record<string, string> };
        request.headers['x-amz-content-sha256'] = hash;
        return next(args);
      },
      { step: 'build', name: 'payloadHash' }
    );
  }
}

function nameOf(object: ObjectName): { Bucket: string; Key: string } {
  return { Bucket: object.bucket, Key: object.key };
}

function described(labels: ObjectLabels) {
  return {
    ContentType: CONTENT_TYPE,
    Metadata: { [DIGEST_KEY]: labels.digest, [TAG_KEY]: labels.tag }
  };
}

/** AWS wants the checksums of the parts repeated when it took them. */
function checksumsOf(answer: UploadPartCommandOutput): Record<string, string> {
  return Object.fromEntries(
    Object.entries(answer).filter(
      (field): field is [string, string] =>
        field[0].startsWith('Checksum') && typeof field[1] === 'string'
    )
  );
}

function statusOf(error: unknown): number | undefined {
  const { $metadata } = (error ?? {}) as {
    $metadata?: { httpStatusCode?: number };
  };
  return $metadata?.httpStatusCode;
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name;
}
