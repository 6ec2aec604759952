// SPDX-License-Identifier: BSD-3-Clause
import { BentoError } from '../../domain/errors';
import { scrub } from '../log';

/** What was tried, for the text of an error. */
export interface Attempt {
  /** IAM action, for instance `s3:PutObject`. */
  action: string;
  bucket: string;
  /** `s3://bucket/key`. */
  location: string;
  /** Address of the server. */
  endpoint: string;
  /** Credentials in use; they are cut out of whatever the server answers. */
  secrets: string[];
}

/** The fields that the SDK's errors have, whatever their class. */
interface SdkError {
  name?: string;
  message?: string;
  /** Code of a network error. */
  code?: string;
  Code?: string;
  $metadata?: {
    httpStatusCode?: number;
    requestId?: string;
    extendedRequestId?: string;
  };
  $response?: { headers?: Record<string, string> };
}

const REFUSED_CREDENTIALS = new Set([
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidAccessKeyId',
  'InvalidToken',
  'InvalidSecurity',
  'SignatureDoesNotMatch',
  'TokenRefreshRequired'
]);

const NETWORK_WORDS: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection cut',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the name cannot be resolved at the moment',
  ETIMEDOUT: 'it takes too long',
  TimeoutError: 'it takes too long',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network'
};

/**
 * Turns what the SDK throws into the error that a user sees, with S3's own
 * code and request id. The SDK's error is not kept as the cause: it carries
 * whatever the server sent, at times the access key.
 */
export function s3Error(thrown: unknown, attempt: Attempt): BentoError {
  if (thrown instanceof BentoError) {
    return thrown;
  }
  const error = (thrown ?? {}) as SdkError;
  const reason = clean(error.message ?? String(thrown), attempt);
  if (error.name === 'AbortError') {
    return new BentoError('cancelled');
  }
  if (/region is missing/i.test(reason)) {
    return new BentoError('s3RegionMissing', {
      params: { location: attempt.location }
    });
  }
  if (error.$metadata?.httpStatusCode !== undefined) {
    return answered(error, reason, attempt);
  }
  if (isCredentialError(error)) {
    return new BentoError('s3Credentials', { params: { reason } });
  }
  const [code] = /\bE[A-Z_]{3,}\b/.exec(`${error.code ?? ''} ${reason}`) ?? [];
  const word = NETWORK_WORDS[code ?? error.name ?? ''];
  return new BentoError('s3Unreachable', {
    params: { endpoint: attempt.endpoint, reason: word ?? reason }
  });
}

function answered(
  error: SdkError,
  reason: string,
  attempt: Attempt
): BentoError {
  const { action, bucket, location, endpoint } = attempt;
  const status = error.$metadata?.httpStatusCode ?? 0;
  const s3Code = codeOf(error, attempt);
  const requestId = requestIdOf(error, attempt);
  if (s3Code === 'NoSuchBucket') {
    return new BentoError('s3NoSuchBucket', { params: { bucket, endpoint } });
  }
  if (s3Code === 'RequestTimeTooSkewed') {
    const minutes = skewMinutes(error);
    return new BentoError('s3ClockSkew', { params: { minutes, requestId } });
  }
  if (REFUSED_CREDENTIALS.has(s3Code)) {
    return new BentoError('s3CredentialsRefused', {
      params: { s3Code, endpoint, requestId }
    });
  }
  if ((status === 401 || status === 403) && s3Code !== 'HTML') {
    return new BentoError('s3Denied', {
      params: { action, location, s3Code, requestId }
    });
  }
  return new BentoError('s3Failed', {
    params: { action, location, s3Code, reason, requestId }
  });
}

function isCredentialError(error: SdkError): boolean {
  return (
    error.name === 'CredentialsProviderError' ||
    /credential/i.test(error.message ?? '')
  );
}

/** HEAD answers have no body, hence no code. */
function codeOf(error: SdkError, attempt: Attempt): string {
  const code = error.Code ?? error.name ?? '';
  return /^(?:|Error|Unknown|UnknownError|\d+|Forbidden|S3ServiceException)$/.test(
    code
  )
    ? `HTTP ${String(error.$metadata?.httpStatusCode)}`
    : clean(code, attempt);
}

function requestIdOf(error: SdkError, attempt: Attempt): string {
  const { requestId, extendedRequestId } = error.$metadata ?? {};
  return clean(requestId ?? extendedRequestId ?? 'none', attempt);
}

/** How far the two clocks are apart, by the answer's own time. */
function skewMinutes(error: SdkError): number | string {
  const date = Date.parse(error.$response?.headers?.date ?? '');
  return Number.isNaN(date)
    ? 'some'
    : Math.round(Math.abs(date - Date.now()) / 60_000);
}

/** One line without secrets. */
function clean(text: string, attempt: Attempt): string {
  const known = attempt.secrets
    .filter(secret => secret.length > 3)
    .reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
  return scrub(known).replace(/\s+/g, ' ').trim().slice(0, 300);
}
