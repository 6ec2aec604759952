// SPDX-License-Identifier: BSD-3-Clause
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import type { S3Options } from './s3';

const CONNECT_MS = 10_000;

/** A server may be busy joining the parts of a large object for minutes. */
const SILENCE_MS = 300_000;
const ATTEMPTS = 5;

/**
 * With a server other than AWS: path style, and none of the checksum headers
 * and trailers that the SDK adds by itself, since many servers refuse them.
 */
export function clientConfig({ endpoint, env }: S3Options): S3ClientConfig {
  const foreign = endpoint?.aws === false;
  const region =
    env.AWS_REGION ||
    env.AWS_DEFAULT_REGION ||
    (foreign ? 'us-east-1' : undefined);
  const checksums = foreign ? 'WHEN_REQUIRED' : 'WHEN_SUPPORTED';
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = env;
  return {
    ...(endpoint === undefined ? {} : { endpoint: endpoint.url }),
    ...(region === undefined ? {} : { region }),
    ...(AWS_ACCESS_KEY_ID && AWS_SECRET_ACCESS_KEY
      ? { credentials: staticCredentials(env) }
      : {}),
    forcePathStyle: foreign,
    followRegionRedirects: !foreign,
    requestChecksumCalculation: checksums,
    responseChecksumValidation: 'WHEN_REQUIRED',
    // The handler waits for the answer on a new connection for each part.
    expectContinueHeader: false,
    maxAttempts: ATTEMPTS,
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      socketTimeout: SILENCE_MS
    }
  };
}

function staticCredentials(env: NodeJS.ProcessEnv) {
  const ends = env.AWS_CREDENTIAL_EXPIRATION;
  return {
    accessKeyId: env.AWS_ACCESS_KEY_ID ?? '',
    secretAccessKey: env.AWS_SECRET_ACCESS_KEY ?? '',
    ...(env.AWS_SESSION_TOKEN ? { sessionToken: env.AWS_SESSION_TOKEN } : {}),
    ...(ends ? { expiration: new Date(ends) } : {})
  };
}

/** Credentials of the environment, to be cut out of texts. */
export function staticSecrets(env: NodeJS.ProcessEnv): string[] {
  return [
    env.AWS_ACCESS_KEY_ID,
    env.AWS_SECRET_ACCESS_KEY,
    env.AWS_SESSION_TOKEN
  ].flatMap(secret => secret ?? []);
}
