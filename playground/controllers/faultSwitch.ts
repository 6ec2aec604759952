// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as path from 'node:path';

import type { Fault } from '../faults';
import { readFaults } from '../instance';

/** Reads the active faults whenever something is decided, and tells when they change. */
export class FaultSwitch {
  private readonly watcher: fs.FSWatcher;
  private last: string;

  constructor(
    private readonly faultsFile: string,
    onChange: () => void
  ) {
    this.last = JSON.stringify(this.active());
    // The file is replaced as a whole, so its folder is watched.
    this.watcher = fs.watch(path.dirname(faultsFile), (_event, name) => {
      const now =
        name === path.basename(faultsFile) ? this.active() : undefined;
      if (now && JSON.stringify(now) !== this.last) {
        this.last = JSON.stringify(now);
        onChange();
      }
    });
  }

  /** Whether a fault is active now. */
  has(fault: Fault): boolean {
    return this.active().includes(fault);
  }

  stop(): void {
    this.watcher.close();
  }

  private active(): Fault[] {
    return readFaults({ faultsFile: this.faultsFile });
  }
}
