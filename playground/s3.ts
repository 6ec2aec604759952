// SPDX-License-Identifier: BSD-3-Clause

import type { ServerContext } from './control-plane';
import { newSecret, s3HealthPath } from './control-plane';
import { run } from './run';
import { waitFor } from './wait';

/** The region that versitygw answers to. */
export const s3Region = 'us-east-1';

/** The bucket of Kubeflow Pipelines, which profiles share. */
export const s3Bucket = 'mlpipeline';

/** An access key with its secret. */
export interface S3Keys {
  access: string;
  secret: string;
}

/** Whether an S3 server of a playground answers. */
export async function s3Answers(endpoint: string): Promise<boolean> {
  try {
    const answer = await fetch(endpoint + s3HealthPath, {
      signal: AbortSignal.timeout(2_000)
    });
    return answer.ok;
  } catch {
    return false;
  }
}

/**
 * What Kubeflow lets a profile's keys do: objects below `private/<namespace>/`, their parts
 * included. Nothing on the bucket itself: neither listing it nor asking whether it is there.
 */
function bucketPolicy(access: string, namespace: string): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { AWS: [access] },
        Action: [
          's3:GetObject',
          's3:GetObjectAttributes',
          's3:PutObject',
          's3:DeleteObject',
          's3:AbortMultipartUpload',
          's3:ListMultipartUploadParts'
        ],
        Resource: [`arn:aws:s3:::${s3Bucket}/private/${namespace}/*`]
      }
    ]
  });
}

/**
 * Waits for versitygw, then makes the shared bucket, and a user who may use the profile's part of it.
 * @returns that user's keys.
 */
export async function prepareS3(
  context: ServerContext,
  namespace: string
): Promise<S3Keys> {
  const { s3Root, ports, programs } = context;
  const endpoint = `http://127.0.0.1:${String(ports.s3)}`;
  await waitFor(async () => ((await s3Answers(endpoint)) ? true : undefined), {
    what: 'the S3 server to answer',
    timeoutMs: 20_000
  });
  const keys = { access: `${namespace}-editor`, secret: newSecret() };
  const user = [
    '--access',
    keys.access,
    '--secret',
    keys.secret,
    '--role',
    'user'
  ];
  await run(programs.path('versitygw'), ['admin', 'create-user', ...user], {
    env: {
      ADMIN_ENDPOINT_URL: endpoint,
      ADMIN_REGION: s3Region,
      ADMIN_ACCESS_KEY: s3Root.access,
      ADMIN_SECRET_KEY: s3Root.secret
    }
  });
  await makeBucket(endpoint, s3Root, bucketPolicy(keys.access, namespace));
  return keys;
}

async function makeBucket(
  endpoint: string,
  root: S3Keys,
  policy: string
): Promise<void> {
  // Only here: it takes longer to load than everything else that a look at the status needs.
  const { CreateBucketCommand, PutBucketPolicyCommand, S3Client } =
    await import('@aws-sdk/client-s3');
  // It would warn about Node 20 on every start.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  const client = new S3Client({
    endpoint,
    region: s3Region,
    forcePathStyle: true,
    credentials: { accessKeyId: root.access, secretAccessKey: root.secret }
  });
  try {
    await client.send(new CreateBucketCommand({ Bucket: s3Bucket }));
    await client.send(
      new PutBucketPolicyCommand({ Bucket: s3Bucket, Policy: policy })
    );
  } finally {
    client.destroy();
  }
}
