// SPDX-License-Identifier: BSD-3-Clause
import type { Clock } from '../clock';

interface Due {
  at: number;
  fire(): void;
}

/**
 * A clock that does not wait: a sleep ends at the next turn of the event loop
 * in which nothing else sleeps shorter, and time jumps to its end. Timers (the
 * limits of requests) fire only when the test lets time pass with
 * {@link elapse}.
 */
export class ManualClock implements Clock {
  #now = 1_000_000;
  #sleepers: Due[] = [];
  #timers = new Set<Due>();
  #scheduled = false;
  /** Every sleep that was asked for, in milliseconds. */
  readonly sleeps: number[] = [];

  constructor(readonly random: () => number = () => 0.5) {}

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (ms > 0) {
      this.sleeps.push(ms);
    }
    return new Promise(resolve => {
      const sleeper = {
        at: this.#now + Math.max(0, ms),
        fire: () => {
          signal?.removeEventListener('abort', sleeper.fire);
          this.#sleepers = this.#sleepers.filter(other => other !== sleeper);
          resolve();
        }
      };
      this.#sleepers.push(sleeper);
      signal?.addEventListener('abort', sleeper.fire);
      if (signal?.aborted) {
        sleeper.fire();
      }
      this.#schedule();
    });
  }

  timer(ms: number, fire: () => void): () => void {
    const timer = { at: this.#now + ms, fire };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Lets time pass: whatever is due by then happens. */
  elapse(ms: number): void {
    this.#now += ms;
    for (const timer of [...this.#timers]) {
      if (timer.at <= this.#now && this.#timers.delete(timer)) {
        timer.fire();
      }
    }
  }

  /** How many limits are waiting to fire. */
  get timers(): number {
    return this.#timers.size;
  }

  #schedule(): void {
    if (this.#scheduled) {
      return;
    }
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const [first] = this.#sleepers.sort((one, other) => one.at - other.at);
      if (first) {
        this.#now = Math.max(this.#now, first.at);
        first.fire();
        this.#schedule();
      }
    });
  }
}
