// SPDX-License-Identifier: BSD-3-Clause
import {
  archiveKey,
  parseDestination,
  parseEndpoint,
  refuseBucketIn
} from './destination';

describe('parseDestination', () => {
  it.each([
    ['s3://b', { bucket: 'b', prefix: '' }],
    ['s3://b/', { bucket: 'b', prefix: '' }],
    ['s3://b/dir/', { bucket: 'b', prefix: 'dir' }],
    [
      's3://mlpipeline/private/team-a/bentoml',
      { bucket: 'mlpipeline', prefix: 'private/team-a/bentoml' }
    ],
    ['s3://with.dots/x', { bucket: 'with.dots', prefix: 'x' }]
  ])('reads %s', (url, destination) => {
    expect(parseDestination(url)).toEqual(destination);
  });

  it.each([
    ['bucket/dir', 's3://'],
    ['https://host/bucket', 's3://'],
    ['s3://', 'bucket'],
    ['s3://B_ad/x', '"B_ad" is not a bucket'],
    ['s3://a..b/x', 'bucket'],
    ['s3://b/x.tar.gz', 'names a file'],
    ['s3://b/m.zip', 'names a file'],
    ['s3://b//x', 'empty'],
    ['s3://b/../x', '".."'],
    ['s3://b/a b', '" "'],
    ['s3://b/$(x)', '"$"'],
    ['s3://b/x?y', '"?"']
  ])('refuses %s', (url, reason) => {
    expect(() => parseDestination(url)).toThrow(
      expect.objectContaining({
        code: 'destinationInvalid',
        message: expect.stringContaining(reason) as string
      })
    );
  });
});

describe('archiveKey', () => {
  const bento = { name: 'iris', version: '1' };

  it('carries tag and digest below the prefix', () => {
    expect(archiveKey('a/b', bento, 'd1')).toBe('a/b/bentos/iris/1/d1.tar');
    expect(archiveKey('', bento, 'd1')).toBe('bentos/iris/1/d1.tar');
  });
});

describe('parseEndpoint', () => {
  it.each([
    ['http://m:9000/', { url: 'http://m:9000', plain: true, aws: false }],
    ['http://m:9000', { url: 'http://m:9000', loopback: false }],
    ['https://s3.example/base/', { url: 'https://s3.example/base' }],
    ['https://s3.eu-west-1.amazonaws.com', { aws: true, plain: false }],
    ['https://amazonaws.com.evil.example', { aws: false }],
    ['http://localhost:9000', { loopback: true }],
    ['http://127.1.2.3', { loopback: true }],
    ['http://2130706433', { loopback: true }],
    ['http://[::1]:9000', { loopback: true }],
    ['http://[::ffff:127.0.0.1]', { loopback: true }],
    ['http://0.0.0.0:9000', { loopback: true }],
    ['http://localhost.example', { loopback: false }]
  ])('reads %s', (text, endpoint) => {
    expect(parseEndpoint(text)).toMatchObject(endpoint);
  });

  it.each([
    'minio:9000',
    'ftp://m',
    'http://',
    'http://m:99999',
    'http://m/?x=1'
  ])('refuses %s', text => {
    expect(() => parseEndpoint(text)).toThrow(
      expect.objectContaining({ code: 'endpointInvalid' })
    );
  });

  it('does not repeat a password', () => {
    expect(() => parseEndpoint('http://me:hunter2@m:9000')).toThrow(
      expect.objectContaining({
        message: expect.not.stringContaining('hunter2') as string
      })
    );
  });

  it('does not take the bucket twice', () => {
    expect(() => {
      refuseBucketIn('http://m:9000/data/', 'data');
    }).toThrow(expect.objectContaining({ code: 'endpointInvalid' }));
    expect(() => {
      refuseBucketIn('http://data:9000', 'data');
      refuseBucketIn(undefined, 'data');
    }).not.toThrow();
  });
});
