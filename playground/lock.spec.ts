// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

import { withLock } from './lock';
import { sleep } from './wait';

describe('withLock', () => {
  let folder: string;
  let file: string;

  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bento-lock-'));
    file = path.join(folder, 'lock');
  });

  afterEach(() => {
    fs.rmSync(folder, { recursive: true });
  });

  test('lets one in at a time and leaves nothing behind', async () => {
    let inside = 0;
    let most = 0;
    const waits: number[] = [];
    const work = async (): Promise<void> => {
      most = Math.max(most, ++inside);
      await sleep(5);
      inside--;
    };
    await Promise.all(
      [1, 2, 3].map(n => withLock(file, work, () => waits.push(n)))
    );
    expect(most).toBe(1);
    expect(waits).toHaveLength(2);
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  test('is released when the work fails', async () => {
    const failure = withLock(file, () => Promise.reject(new Error('no')));
    await expect(failure).rejects.toThrow('no');
    await expect(withLock(file, () => Promise.resolve('in'))).resolves.toBe(
      'in'
    );
  });

  test('is taken over from a holder that is gone', async () => {
    fs.writeFileSync(
      file,
      JSON.stringify({ pid: process.pid, started: 'before the last boot' })
    );
    await expect(withLock(file, () => Promise.resolve('in'))).resolves.toBe(
      'in'
    );
  });
});
