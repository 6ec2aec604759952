// SPDX-License-Identifier: BSD-3-Clause
import { logCause } from './logCauses';

describe('logCause', () => {
  it.each([
    ['curl: (22) The requested URL returned error: 403', 'status 403'],
    [
      'curl: (22) The requested URL returned error: 404 Not Found',
      'status 404'
    ],
    ['curl: (22) The requested URL returned error: 503', 'status 503'],
    [
      'fatal error: An error occurred (403) when calling the HeadObject operation: Forbidden',
      'S3 answered 403 to HeadObject'
    ],
    ['curl: (6) Could not resolve host: minio.local', 'the host minio.local'],
    ['tar: This does not look like a tar archive', 'no tar file'],
    [
      'ERROR: Could not find a version that satisfies the requirement nope==9 (from versions: none)',
      'package nope==9'
    ],
    [
      'error checking push permissions -- make sure you entered the correct tag name: UNAUTHORIZED',
      'refuses the push: UNAUTHORIZED'
    ],
    ["ModuleNotFoundError: No module named 'xgboost'", 'module xgboost'],
    [
      'ValueError: Runner not-a-runner not found in the service, available runners: []',
      'no runner not-a-runner'
    ]
  ])('%s', (line, reason) => {
    const cause = logCause(['something before', line, 'something after']);
    expect(cause?.reason).toContain(reason);
    expect(cause?.action).not.toBe('');
  });

  it('believes the newest line', () => {
    expect(
      logCause([
        'curl: (6) Could not resolve host: a',
        'curl: (22) The requested URL returned error: 403'
      ])?.reason
    ).toContain('403');
  });

  it('says nothing of a log that it does not understand', () => {
    expect(logCause(['Step 1/9', 'exit status 1'])).toBeUndefined();
    expect(logCause([])).toBeUndefined();
  });
});
