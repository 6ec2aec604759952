// SPDX-License-Identifier: BSD-3-Clause

/** Pauses that end early when whatever pauses is stopped. */
export class Waiter {
  private readonly abort = new AbortController();

  get stopped(): boolean {
    return this.abort.signal.aborted;
  }

  stop(): void {
    this.abort.abort();
  }

  untilStopped(): Promise<void> {
    return this.pause(undefined);
  }

  pause(ms: number | undefined): Promise<void> {
    const { signal } = this.abort;
    return new Promise(resolve => {
      if (signal.aborted) {
        resolve();
        return;
      }
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = ms === undefined ? undefined : setTimeout(end, ms);
      signal.addEventListener('abort', end);
    });
  }
}
