// SPDX-License-Identifier: BSD-3-Clause
import type { BentoError } from '../../domain/errors';
import { backOff, type Clock } from './clock';

/** Says how an admitted attempt went, with the error when nobody answered; only the first call counts. */
export type Report = (outcome: 'answered' | 'unknown' | BentoError) => void;

const SHORTEST_MS = 1000;

/**
 * Lets the many watches of one API server share what they know of it: while
 * it does not answer, one of them tries, 1 to 30 s apart, and the others wait.
 */
export class Pacer {
  readonly #clock: Clock;
  #reason?: BentoError;
  #failures = 0;
  #failedAt = 0;
  #nextTry = 0;
  #probing = false;
  #waiting: (() => void)[] = [];
  #wakeProbe?: () => void;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Why the last attempt found nobody; undefined while the server answers. */
  get reason(): BentoError | undefined {
    return this.#reason;
  }

  /** Resolves when the caller may try to connect, or when the signal aborts. */
  async admit(signal: AbortSignal): Promise<Report> {
    while (this.#reason && this.#probing && !signal.aborted) {
      await this.#turn(signal);
    }
    const probing = this.#reason !== undefined && !signal.aborted;
    if (probing) {
      this.#probing = true;
      await this.#untilNextTry(signal);
    }
    let reported = false;
    return outcome => {
      if (!reported) {
        reported = true;
        this.#report(outcome, probing);
      }
    };
  }

  /** The server has answered somebody: all may go on. */
  answered(): void {
    if (this.#reason) {
      this.#reason = undefined;
      this.#failures = 0;
      this.#wakeProbe?.();
      this.#wakeWaiting();
    }
  }

  /** Somebody wants to know now: the next attempt is made as soon as a second has passed. */
  hurry(): void {
    this.#nextTry = Math.min(this.#nextTry, this.#failedAt + SHORTEST_MS);
    this.#wakeProbe?.();
  }

  #report(outcome: Parameters<Report>[0], probing: boolean): void {
    if (probing) {
      this.#probing = false;
    }
    if (outcome === 'answered') {
      this.answered();
    } else if (outcome !== 'unknown' && (probing || !this.#reason)) {
      // What others had sent before the first failure says nothing new.
      this.#reason = outcome;
      this.#failures += 1;
      this.#failedAt = this.#clock.now();
      this.#nextTry =
        this.#failedAt + backOff(this.#failures, this.#clock.random());
    }
    if (probing) {
      this.#wakeWaiting();
    }
  }

  async #untilNextTry(signal: AbortSignal): Promise<void> {
    const left = () => this.#nextTry - this.#clock.now();
    while (this.#reason && left() > 0 && !signal.aborted) {
      const wake = new AbortController();
      const end = () => wake.abort();
      this.#wakeProbe = end;
      signal.addEventListener('abort', end);
      await this.#clock.sleep(left(), wake.signal);
      signal.removeEventListener('abort', end);
      this.#wakeProbe = undefined;
    }
  }

  #wakeWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    waiting.forEach(go => go());
  }

  /** Resolves when it may be this caller's turn to try. */
  #turn(signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const go = () => {
        signal.removeEventListener('abort', go);
        resolve();
      };
      this.#waiting.push(go);
      signal.addEventListener('abort', go);
    });
  }
}
