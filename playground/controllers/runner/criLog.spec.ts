// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

import * as fc from 'fast-check';

import { CriLog } from './criLog';

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cri-log-'));
});
afterAll(() => {
  fs.rmSync(folder, { recursive: true });
});

interface Entry {
  stream: string;
  tag: string;
  text: string;
}

let count = 0;

/** Writes a log and reads it as a kubelet does. */
function written(tty: boolean, write: (log: CriLog) => void): Entry[] {
  count++;
  const file = path.join(folder, String(count), 'main', '0.log');
  const log = new CriLog(file, tty);
  write(log);
  log.close();
  const lines = fs.readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map(line => {
    const found =
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) ([FP]) (.*)$/s.exec(
        line
      );
    if (!found) {
      throw new Error(`Not a line of a log: ${line}`);
    }
    const [, stream = '', tag = '', text = ''] = found;
    return { stream, tag, text };
  });
}

describe('a container’s log', () => {
  it('holds what was printed, however it came in', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(), (text, at) => {
        const bytes = Buffer.from(text.replaceAll('\r', ''));
        const cut = bytes.length === 0 ? 0 : at % bytes.length;
        const entries = written(false, log => {
          log.write('stdout', bytes.subarray(0, cut));
          log.write('stdout', bytes.subarray(cut));
        });
        const read = entries.map(entry => entry.text).join('\n');
        expect(read).toBe(bytes.toString().replace(/\n$/, ''));
      }),
      { numRuns: 50 }
    );
  });

  it('keeps streams apart, and has one on a terminal, with its line ends', () => {
    const both = (log: CriLog): void => {
      log.write('stdout', Buffer.from('out\n'));
      log.write('stderr', Buffer.from('err\n'));
    };
    expect(written(false, both)).toEqual([
      { stream: 'stdout', tag: 'F', text: 'out' },
      { stream: 'stderr', tag: 'F', text: 'err' }
    ]);
    expect(written(true, both)).toEqual([
      { stream: 'stdout', tag: 'F', text: 'out\r' },
      { stream: 'stdout', tag: 'F', text: 'err\r' }
    ]);
  });

  it('cuts a line that never ends into parts', () => {
    const entries = written(false, log => {
      log.write('stdout', Buffer.from('x'.repeat(40_000)));
    });
    expect(entries.map(({ tag }) => tag)).toEqual(['P', 'P', 'F']);
    expect(entries.map(({ text }) => text).join('')).toBe('x'.repeat(40_000));
  });
});
