// SPDX-License-Identifier: BSD-3-Clause

/** Waits until something is so; the test's own limit ends a wait in vain. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) {
    await new Promise(resolve => setImmediate(resolve));
  }
}

/** Lets the event loop turn that often. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    await new Promise(resolve => setImmediate(resolve));
  }
}
