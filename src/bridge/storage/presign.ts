// SPDX-License-Identifier: BSD-3-Clause
import { BentoError } from '../../domain/errors';
import type { ObjectName, S3 } from './s3';

/** A presigned address. */
export interface Presigned {
  url: string;
  /** ISO 8601. */
  expiresAt: string;
  /** Remarks for the reader. */
  notes: string[];
}

/** An address that ends sooner is of no use to anyone. */
const LEAST_SECONDS = 60;

/** Seven attempts of an image build with their pauses, the queue not counted. */
const ALL_ATTEMPTS_SECONDS = 11 * 60;

/**
 * Presigns a GET. The signature dies with the session token that made it, so
 * the address is given no longer a life than that.
 */
export async function presign(options: {
  s3: S3;
  object: ObjectName;
  /** Wanted life. */
  seconds: number;
  now: Date;
}): Promise<Presigned> {
  const { s3, object, seconds, now } = options;
  const life = await s3.credentialLife();
  const left =
    life.endsAt === undefined
      ? Infinity
      : Math.floor((life.endsAt.getTime() - now.getTime()) / 1000);
  if (left < LEAST_SECONDS) {
    throw new BentoError('s3Credentials', {
      params: { reason: 'those in use end within a minute' }
    });
  }
  const granted = Math.min(Math.floor(seconds), left);
  const expiresAt = new Date(now.getTime() + granted * 1000).toISOString();
  return {
    url: await s3.presign({ ...object, seconds: granted }),
    expiresAt,
    notes: [
      ...(granted < Math.floor(seconds)
        ? [
            `The image builder can download the archive until ${expiresAt} only, when the session credentials end.`
          ]
        : []),
      ...(life.temporary && life.endsAt === undefined
        ? [
            'The S3 credentials are temporary and do not say until when: the image builder cannot download the archive after they end.'
          ]
        : []),
      ...(granted < ALL_ATTEMPTS_SECONDS
        ? [
            'That is less time than the seven attempts of an image build can take.'
          ]
        : [])
    ]
  };
}
