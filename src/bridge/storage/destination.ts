// SPDX-License-Identifier: BSD-3-Clause
import { BentoError } from '../../domain/errors';
import type { Bento } from '../../protocol';

/** Where exports go: a bucket and a folder in it, without slashes at its ends; empty for the root. */
export interface Destination {
  bucket: string;
  prefix: string;
}

/** An archive in S3. */
export interface Archive {
  bucket: string;
  key: string;
  /** Bytes. */
  size: number;
  /** SHA-256 of the archive in hex. */
  digest: string;
  /** `s3://bucket/key`. */
  location: string;
  /** The object was there already with this length and digest; nothing was sent. */
  skipped: boolean;
}

const BUCKET = /^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$/;

/**
 * What every S3 takes unencoded and no shell minds: the builder's script uses
 * the address without quotes.
 */
const KEY_CHARACTER = /[A-Za-z0-9/_.=@+:~-]/;
const ARCHIVE_NAME = /\.(?:tar|tar\.\w+|tgz|txz|zip|bento)$/i;

/**
 * Reads `s3://bucket/prefix`; slashes at the end do not matter.
 * @throws BentoError `destinationInvalid` with what is wrong.
 */
export function parseDestination(url: string): Destination {
  const refuse = (reason: string) =>
    new BentoError('destinationInvalid', { params: { url, reason } });
  const [, scheme, rest = ''] = /^(\w+:\/\/)?(.*)$/s.exec(url.trim()) ?? [];
  if (scheme !== 's3://') {
    throw refuse('it does not begin with s3://');
  }
  const [bucket = '', ...segments] = rest.replace(/\/+$/, '').split('/');
  if (!BUCKET.test(bucket) || bucket.includes('..')) {
    throw refuse(
      `"${bucket}" is not a bucket: lower-case letters, digits, "." and "-", at most 63`
    );
  }
  const prefix = segments.join('/');
  const wrong = [...prefix].find(character => !KEY_CHARACTER.test(character));
  if (wrong !== undefined) {
    throw refuse(`the character ${JSON.stringify(wrong)} cannot be used`);
  }
  if (segments.some(segment => ['', '.', '..'].includes(segment))) {
    throw refuse('a part between two "/" is empty, "." or ".."');
  }
  if (ARCHIVE_NAME.test(prefix)) {
    throw refuse(
      'it names a file; give the folder, the archive is named by its content'
    );
  }
  return { bucket, prefix };
}

/** `<prefix>/bentos/<name>/<version>/<digest>.tar`: other content gets another key. */
export function archiveKey(
  prefix: string,
  bento: Pick<Bento, 'name' | 'version'>,
  digest: string
): string {
  const key = `bentos/${bento.name}/${bento.version}/${digest}.tar`;
  return prefix === '' ? key : `${prefix}/${key}`;
}

/** `s3://bucket/key`. */
export function locationOf(object: { bucket: string; key: string }): string {
  return `s3://${object.bucket}/${object.key}`;
}

/** An S3 server as an address without a slash at its end, and what follows from it. */
export interface Endpoint {
  url: string;
  /** One of Amazon's own addresses: buckets are host names there. */
  aws: boolean;
  /** Reachable from this machine only. */
  loopback: boolean;
  /** Bytes travel in the clear. */
  plain: boolean;
}

/**
 * Reads the address of an S3 server, `http://host:port`.
 * @throws BentoError `endpointInvalid`; a password in the address is not repeated.
 */
export function parseEndpoint(text: string): Endpoint {
  const refuse = (reason: string) =>
    new BentoError('endpointInvalid', {
      params: { endpoint: text.replace(/\/\/[^/]*@/, '//…@'), reason }
    });
  if (!/^https?:\/\//i.test(text.trim())) {
    throw refuse('it does not begin with http:// or https://');
  }
  if (!URL.canParse(text)) {
    throw refuse('it is not an address');
  }
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') {
    throw refuse('credentials do not belong into it');
  }
  if (url.search !== '' || url.hash !== '') {
    throw refuse('it holds a query');
  }
  return {
    url: url.origin + url.pathname.replace(/\/+$/, ''),
    aws: /(?:^|\.)amazonaws\.com(?:\.cn)?$/.test(url.hostname),
    loopback: isLoopback(url.hostname),
    plain: url.protocol === 'http:'
  };
}

/**
 * The bucket comes after the address by itself; said twice, every object would
 * go elsewhere.
 * @throws BentoError `endpointInvalid`.
 */
export function refuseBucketIn(
  endpoint: string | undefined,
  bucket: string
): void {
  if (
    endpoint !== undefined &&
    parseEndpoint(endpoint).url.endsWith(`/${bucket}`)
  ) {
    const reason = `it ends with the bucket "${bucket}", which belongs into the destination`;
    throw new BentoError('endpointInvalid', { params: { endpoint, reason } });
  }
}

/** `URL` has brought every spelling of an IPv4 address to four numbers already. */
function isLoopback(host: string): boolean {
  return (
    /^(?:localhost|.*\.localhost)\.?$/.test(host) ||
    /^127\./.test(host) ||
    ['0.0.0.0', '[::1]', '[::]'].includes(host) ||
    /^\[::ffff:7f/.test(host)
  );
}
