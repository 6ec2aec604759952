// SPDX-License-Identifier: BSD-3-Clause
import { scrub } from './log';

describe('scrub', () => {
  it.each([
    [
      'GET http://s3/b/k?X-Amz-Credential=AKIAX%2F1&X-Amz-Signature=abc123&x=1',
      'GET http://s3/b/k?X-Amz-Credential=***&X-Amz-Signature=***&x=1'
    ],
    ['{"Authorization":"Bearer abc.def"}', '{"Authorization":"***"}'],
    ['Cookie: _xsrf=2|1; session=9', 'Cookie: ***'],
    ['https://user:secret@host/x', 'https://user:***@host/x'],
    ['key AKIAIOSFODNN7EXAMPLE end', 'key *** end'],
    ['t eyJhbGciOi.eyJpc3MiOi.c2lnbmF0dXJl end', 't *** end'],
    ['nothing to hide: s3://bucket/key', 'nothing to hide: s3://bucket/key']
  ])('%s', (text, scrubbed) => {
    expect(scrub(text)).toBe(scrubbed);
  });

  it.each(['a.', 'x://a:', 'eyJ', 'authorization: '])(
    'gets through a long run of %p',
    text => {
      expect(scrub(text.repeat(50_000))).toBeTruthy();
    }
  );
});
