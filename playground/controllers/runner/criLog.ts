// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as path from 'node:path';
import { StringDecoder } from 'node:string_decoder';

/** The stream that a line came from. */
export type LogStream = 'stdout' | 'stderr';

const longest = 16 * 1024;

/**
 * A container's log in the format that container runtimes write and kubelets read: time, stream,
 * F for a full line or P for a part of one, text. A terminal has one stream and ends lines with a
 * carriage return.
 */
export class CriLog {
  private readonly file: number;
  private readonly rest = new Map<LogStream, string>();
  private readonly decoders = new Map<LogStream, StringDecoder>();

  constructor(
    file: string,
    private readonly tty: boolean
  ) {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    this.file = fs.openSync(file, 'a', 0o644);
  }

  write(from: LogStream, chunk: Buffer): void {
    const stream = this.tty ? 'stdout' : from;
    const decoder = this.decoders.get(stream) ?? new StringDecoder('utf8');
    this.decoders.set(stream, decoder);
    const lines = ((this.rest.get(stream) ?? '') + decoder.write(chunk)).split(
      '\n'
    );
    let rest = lines.pop() ?? '';
    lines.forEach(line => {
      this.line(stream, line);
    });
    while (rest.length > longest) {
      this.put(stream, 'P', rest.slice(0, longest));
      rest = rest.slice(longest);
    }
    this.rest.set(stream, rest);
  }

  /** Writes one line of the runner's own, to be seen by whoever reads the container's log. */
  say(text: string): void {
    this.line('stdout', text);
  }

  close(): void {
    for (const [stream, rest] of this.rest) {
      if (rest) {
        this.put(stream, 'F', rest);
      }
    }
    fs.closeSync(this.file);
  }

  private line(stream: LogStream, line: string): void {
    this.put(stream, 'F', this.tty ? `${line}\r` : line);
  }

  private put(stream: LogStream, tag: 'F' | 'P', text: string): void {
    // Nanoseconds, as the readers of this format want.
    const time = new Date().toISOString().replace('Z', '000000Z');
    fs.writeSync(this.file, `${time} ${stream} ${tag} ${text}\n`);
  }
}
