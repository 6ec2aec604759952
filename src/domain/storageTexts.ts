// SPDX-License-Identifier: BSD-3-Clause
import type { ErrorText } from './errorText';

/** What can be wrong with the store on disk. */
export const store = {
  storeMissing: {
    message: 'There is no BentoML store at {home}.',
    hint: 'Build a bento first, or set BENTOML_HOME to the folder that holds "bentos".'
  },
  storeUnreadable: {
    message: 'The BentoML store at {home} cannot be read: {reason}',
    hint: 'Check the rights of that folder, or set BENTOML_HOME to another one.'
  },
  bentoNotFound: {
    message: 'There is no bento {tag} in {home}.',
    hint: 'Known: {known}'
  },
  bentoUnreadable: {
    message: 'The bento at {path} cannot be read: {reason}',
    hint: 'Build it again, or remove that folder.'
  },
  invalidTag: {
    message: '"{tag}" is not a bento tag: {reason}',
    hint: 'A tag is name:version, both of letters, digits, ".", "_" and "-", at most 63 characters each.',
    exit: 2
  },
  modelMissing: {
    message: 'The bento {tag} needs the model {model}, which is not in {home}.',
    hint: 'Import or train the model again, then build the bento anew.'
  },
  notExportable: {
    message: '{path} cannot be exported: {reason}',
    hint: 'Remove it or put a copy of what it stands for in its place, then build the bento again.'
  }
} satisfies Record<string, ErrorText>;

/** What can go wrong with S3. */
export const storage = {
  destinationMissing: {
    message: 'No S3 destination is set.',
    hint: 'Give --to s3://bucket/prefix, or set JUPYTERLAB_BENTO_S3_URL.',
    exit: 2
  },
  destinationInvalid: {
    message: '"{url}" is not an S3 destination: {reason}',
    hint: 'Write s3://bucket/prefix.',
    exit: 2
  },
  endpointInvalid: {
    message: '"{endpoint}" is not an S3 endpoint: {reason}',
    hint: 'Write it with its scheme, for instance http://minio-service.kubeflow:9000.',
    exit: 2
  },
  builderEndpointLoopback: {
    message:
      'The S3 endpoint {endpoint} is a loopback address: the image builder runs in another pod and cannot reach it.',
    hint: 'Set JUPYTERLAB_BENTO_BUILDER_S3_ENDPOINT to the address that pods of the cluster use.',
    exit: 2
  },
  s3Credentials: {
    message: 'No S3 credentials were found: {reason}',
    hint: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the notebook a role or a profile.'
  },
  s3RegionMissing: {
    message: 'No AWS region is known for {location}.',
    hint: 'Set AWS_REGION to the region of the bucket.'
  },
  s3Denied: {
    message:
      'S3 refused {action} on {location}: {s3Code} (request {requestId}).',
    hint: 'The credentials in use may not {action} there. Ask for that right, or choose another destination.',
    exit: 4
  },
  s3CredentialsRefused: {
    message:
      'S3 at {endpoint} does not accept the credentials: {s3Code} (request {requestId}).',
    hint: 'They have expired or are for another server. Renew them, then restart the Jupyter server so that it sees them.',
    exit: 4
  },
  s3ClockSkew: {
    message:
      'S3 refused the request because the clocks are {minutes} minutes apart (request {requestId}).',
    hint: 'Set the clock of this machine.'
  },
  s3NoSuchBucket: {
    message: 'The bucket {bucket} does not exist at {endpoint}.',
    hint: 'Check the destination; buckets are never created here.'
  },
  s3Failed: {
    message:
      'S3 failed at {action} on {location}: {s3Code} {reason} (request {requestId}).',
    hint: 'Try again; if it stays, show this text to whoever runs the object store.',
    retryable: true
  },
  s3Unreachable: {
    message: 'The S3 endpoint {endpoint} does not answer: {reason}',
    hint: 'Check the address and the network.',
    retryable: true
  },
  sourceChanged: {
    message: '{path} changed while it was being exported.',
    hint: 'Nothing was kept. Export again when nothing writes to it.',
    retryable: true
  },
  exportLength: {
    message: '{location} holds {actual} bytes, {expected} were sent.',
    hint: 'The object was removed. Export again.',
    retryable: true
  }
} satisfies Record<string, ErrorText>;
