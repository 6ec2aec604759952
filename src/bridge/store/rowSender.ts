// SPDX-License-Identifier: BSD-3-Clause
import type { StoreRows } from '../../protocol';

const MOST_ROWS = 100;
const FIRST_ROWS = 10;

/** A message may have 1 MiB; a row has at most a quarter of that. */
const MOST_CHARACTERS = 256 * 1024;

/** Gathers rows into messages: small ones first, so that something is soon to be seen. */
export class RowSender {
  private rows: StoreRows = { bentos: [], bad: [] };
  private characters = 0;
  private limit = FIRST_ROWS;

  constructor(private readonly send: (rows: StoreRows) => void) {}

  /** Adds rows and sends what is enough for a message. */
  add(rows: StoreRows): void {
    rows.bentos.forEach(bento => {
      this.makeRoom(bento);
      this.rows.bentos.push(bento);
    });
    rows.bad.forEach(entry => {
      this.makeRoom(entry);
      this.rows.bad.push(entry);
    });
    if (this.count() >= this.limit) {
      this.flush();
    }
  }

  /** Sends what is left. */
  flush(): void {
    if (this.count() > 0) {
      this.send(this.rows);
      this.rows = { bentos: [], bad: [] };
      this.characters = 0;
      this.limit = Math.min(this.limit * 2, MOST_ROWS);
    }
  }

  private count(): number {
    return this.rows.bentos.length + this.rows.bad.length;
  }

  private makeRoom(row: object): void {
    const length = JSON.stringify(row).length;
    if (
      this.count() >= MOST_ROWS ||
      this.characters + length > MOST_CHARACTERS
    ) {
      this.flush();
    }
    this.characters += length;
  }
}
