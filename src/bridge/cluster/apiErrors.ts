// SPDX-License-Identifier: BSD-3-Clause
import { BentoError } from '../../domain/errors';
import { scrub } from '../log';
import { objectName, resourceName, type Target } from './target';

/** The cause of an error that the API server answered with. */
export class ApiFailure extends Error {
  override readonly name = 'ApiFailure';

  constructor(
    /** HTTP status, or the `code` of a Status object inside a stream. */
    readonly status: number,
    /** `reason` of the Status object, for instance `AlreadyExists`; empty without one. */
    readonly reason: string,
    message: string,
    /** How long the server asks to wait, in milliseconds. */
    readonly retryAfterMs?: number
  ) {
    super(message);
  }
}

/** What the API server answered, if that is what an error comes from. */
export function apiFailure(error: unknown): ApiFailure | undefined {
  const cause = error instanceof BentoError ? error.cause : undefined;
  return cause instanceof ApiFailure ? cause : undefined;
}

/** An answer that is not what was asked for. */
export interface FailedAnswer {
  server: string;
  target: Target;
  status: number;
  body: string;
  /** The `Retry-After` header in seconds. */
  retryAfter?: string;
}

/** The fields of `meta/v1` Status that are used. */
interface StatusObject {
  kind?: string;
  reason?: string;
  message?: string;
  details?: {
    name?: string;
    kind?: string;
    retryAfterSeconds?: number;
    causes?: { field?: string; message?: string }[];
  };
}

/** What an error is made of besides the answer. */
interface Parts extends FailedAnswer {
  object: StatusObject | undefined;
  message: string;
  cause: ApiFailure;
}

/**
 * Turns an answer of the API server into an error: 401 `unauthorized`, 403
 * `forbidden` (or `quotaExceeded`, or `apiRejected` when admission refused),
 * 404 `notFound` or `crdMissing`, 409 `apiConflict`, other 4xx and a failed
 * write `apiRejected`, the rest `clusterUnreachable`. Its cause is an
 * {@link ApiFailure}. The server's own words are kept, without secrets.
 */
export function answerError(answer: FailedAnswer): BentoError {
  const { status, target, body } = answer;
  const object = parseStatus(body);
  const text = object?.message ?? (/^\s*</.test(body) ? '' : body);
  const message = scrub(text.trim()).slice(0, 2000);
  const seconds = Number(
    object?.details?.retryAfterSeconds ?? answer.retryAfter ?? NaN
  );
  const cause = new ApiFailure(
    status,
    object?.reason ?? '',
    message,
    Number.isFinite(seconds) ? seconds * 1000 : undefined
  );
  const parts = { ...answer, object, message, cause };
  switch (status) {
    case 401:
      return new BentoError('unauthorized', { cause });
    case 403:
      return refused(parts);
    case 404:
      return absent(parts);
    case 409:
      return new BentoError('apiConflict', {
        params: { object: objectName(target), reason: cause.reason },
        details: [message],
        cause
      });
    default: {
      const reading = ['get', 'list', 'watch'].includes(target.verb);
      const ours = status >= 400 && status < 500 && status !== 429;
      return ours || (status === 500 && !reading)
        ? rejected(parts)
        : new BentoError('clusterUnreachable', {
            params: {
              server: answer.server,
              reason: `${status} ${message || 'without a reason'}`
            },
            cause
          });
    }
  }
}

function refused(parts: Parts): BentoError {
  const { target, object, message, cause } = parts;
  const quota = /exceeded quota: ([^,]+), (.+)/.exec(message);
  if (quota) {
    return new BentoError('quotaExceeded', {
      params: { quota: quota[1] ?? '', reason: quota[2] ?? '' },
      cause
    });
  }
  const byRights = object === undefined || /\bcannot \w+/.test(message);
  if (!byRights) {
    return rejected(parts);
  }
  return new BentoError('forbidden', {
    params: {
      verb: target.verb,
      resource: resourceName(target),
      namespace: target.namespace
    },
    details: message === '' ? [] : [message],
    cause
  });
}

/** A group that is not served gets a plain page, an object that is not there a Status that names it. */
function absent({ target, object, cause }: Parts): BentoError {
  if (target.group.includes('.') && object?.details?.kind === undefined) {
    return crdMissing(target, cause);
  }
  // A create names the namespace that is missing, not the new object.
  const other = object?.details?.kind === 'namespaces';
  const what = other
    ? `namespaces/${object.details?.name ?? target.namespace}`
    : objectName(target);
  return new BentoError('notFound', { params: { what, hint: '' }, cause });
}

/** The error for a kind that the cluster does not have. */
export function crdMissing(target: Target, cause: unknown): BentoError {
  return new BentoError('crdMissing', {
    params: { crd: resourceName(target), group: target.group },
    cause
  });
}

function rejected({
  target,
  object,
  message,
  status,
  cause
}: Parts): BentoError {
  return new BentoError('apiRejected', {
    params: {
      verb: target.verb,
      object: objectName(target),
      reason: message || `status ${status}`
    },
    details: (object?.details?.causes ?? []).map(({ field, message: why }) =>
      scrub([field, why].filter(part => part).join(': '))
    ),
    cause
  });
}

function parseStatus(body: string): StatusObject | undefined {
  try {
    const parsed = JSON.parse(body) as StatusObject | null;
    return parsed?.kind === 'Status' ? parsed : undefined;
  } catch {
    return undefined;
  }
}

const REASONS: Record<string, string> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  ERR_STREAM_PREMATURE_CLOSE: 'the connection was cut',
  ETIMEDOUT: 'no connection in time',
  EHOSTUNREACH: 'no way to that host',
  ENETUNREACH: 'no way to that network',
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'its name cannot be looked up now',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name'
};

/** The error for an API server that could not be asked, or whose answer broke off. */
export function networkError(server: string, thrown: unknown): BentoError {
  if (thrown instanceof BentoError) {
    return thrown;
  }
  const { code, message } = (thrown ?? {}) as NodeJS.ErrnoException;
  const reason =
    REASONS[code ?? ''] ??
    (isTrustError(thrown)
      ? `its certificate is not trusted (${code ?? ''})`
      : scrub(message ?? String(thrown)));
  return new BentoError('clusterUnreachable', {
    params: { server, reason },
    cause: thrown
  });
}

/** Whether the server's certificate was not accepted. */
export function isTrustError(thrown: unknown): boolean {
  const { code } = (thrown ?? {}) as NodeJS.ErrnoException;
  return /CERT|SIGNATURE|ISSUER/.test(code ?? '');
}
