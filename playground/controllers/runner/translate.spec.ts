// SPDX-License-Identifier: BSD-3-Clause
import * as fc from 'fast-check';

import { serviceNames, translate } from './translate';

const translation = {
  folders: new Map([
    ['/workspace', '/tmp/w'],
    ['/tmp', '/data/t']
  ]),
  ports: new Map([[3000, 12345]]),
  services: new Map([['d-runner-1', '127.0.0.1:222']])
};

describe('a command line outside its container', () => {
  it.each([
    ['mkdir -p /workspace/buildcontext', 'mkdir -p /tmp/w/buildcontext'],
    ["'--context=/workspace/buildcontext'", "'--context=/tmp/w/buildcontext'"],
    ['cat /tmp/a > /tmp', 'cat /data/t/a > /data/t'],
    [
      'url="https://s3/workspace/tmp/a?x=/1"',
      'url="https://s3/workspace/tmp/a?x=/1"'
    ],
    ['/workspaces /tmpfile', '/workspaces /tmpfile'],
    ['--bind tcp://0.0.0.0:3000', '--bind tcp://127.0.0.1:12345'],
    ['http://localhost:3000/readyz', 'http://127.0.0.1:12345/readyz'],
    ['http://localhost:9000/x', 'http://localhost:9000/x'],
    [`'{"m":"tcp://d-runner-1:3000"}'`, `'{"m":"tcp://127.0.0.1:222"}'`],
    ['tcp://d-runner-2:3000', 'tcp://d-runner-2:3000'],
    ['http://127.0.0.1:9000/bucket', 'http://127.0.0.1:9000/bucket']
  ])('%s', (inside, outside) => {
    expect(translate(inside, translation)).toBe(outside);
  });

  it('keeps every presigned address as it is', () => {
    fc.assert(
      fc.property(fc.webUrl({ withQueryParameters: true }), url => {
        expect(translate(`curl ${url}`, translation)).toBe(`curl ${url}`);
      })
    );
  });

  it('names the Services that it needs', () => {
    const text =
      'tcp://0.0.0.0:3000 http://localhost:3000 tcp://a:3000 http://a:3000 tcp://b:1 https://s3.x:9';
    expect(serviceNames(text)).toEqual(['a', 'b']);
  });
});
