// SPDX-License-Identifier: BSD-3-Clause

/** What a pass over an object ends with: all done, or once more at once or later. */
export type Outcome = 'done' | 'again' | { againAfterMs: number };

/**
 * The work queue of an operator with one worker: keys wait in order, a key that is added while it
 * waits is not added twice, and one that is added while it is worked on is worked on once more.
 * Passes that throw are repeated after 5 ms, doubled each time up to 1000 s, as in
 * controller-runtime.
 */
export class WorkQueue {
  private readonly waiting = new Set<string>();
  private readonly failures = new Map<string, number>();
  private readonly timers = new Set<NodeJS.Timeout>();
  private readonly idle: (() => void)[] = [];
  private working = false;
  private stopped = false;

  constructor(
    private readonly work: (key: string) => Promise<Outcome>,
    private readonly onError: (key: string, error: unknown) => void,
    private readonly speed = 1
  ) {}

  add(key: string): void {
    if (this.stopped) {
      return;
    }
    this.waiting.add(key);
    if (!this.working) {
      this.working = true;
      setImmediate(() => void this.run());
    }
  }

  addAfter(key: string, ms: number): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      this.add(key);
    }, ms);
    this.timers.add(timer);
  }

  /** Takes no more work and waits for the pass that runs. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.waiting.clear();
    this.timers.forEach(clearTimeout);
    this.timers.clear();
    if (this.working) {
      await new Promise<void>(resolve => this.idle.push(resolve));
    }
  }

  private async run(): Promise<void> {
    // A set hands out what is added while it is walked, so this ends when nothing waits.
    for (const key of this.waiting) {
      this.waiting.delete(key);
      await this.pass(key);
    }
    this.working = false;
    this.idle.splice(0).forEach(done => {
      done();
    });
  }

  private async pass(key: string): Promise<void> {
    try {
      const outcome = await this.work(key);
      this.failures.delete(key);
      if (outcome === 'again') {
        this.add(key);
      } else if (outcome !== 'done') {
        this.addAfter(key, outcome.againAfterMs / this.speed);
      }
    } catch (error) {
      this.onError(key, error);
      const failures = this.failures.get(key) ?? 0;
      this.failures.set(key, failures + 1);
      const delay = Math.min(5 * 2 ** failures, 1_000_000);
      this.addAfter(key, delay / this.speed);
    }
  }
}
