// SPDX-License-Identifier: BSD-3-Clause
import * as http from 'node:http';

import type { Translation } from './translate';
import { translate } from './translate';
import type { ContainerSpec, Probe } from './types';

const timeoutMs = 5_000;

/**
 * The addresses that a probe asks: an HTTP probe's own, or those that stand in the script of a
 * command, which is not run. None means that the probe cannot be carried out here.
 */
export function probeAddresses(
  probe: Probe | undefined,
  container: ContainerSpec,
  translation: Translation
): string[] {
  const { httpGet, exec } = probe ?? {};
  if (httpGet) {
    const { port, path = '/' } = httpGet;
    const number =
      container.ports?.find(({ name }) => name === port)?.containerPort ?? port;
    const address = `http://localhost:${String(number)}${path}`;
    return [translate(address, translation)];
  }
  const script = exec?.command?.join(' ') ?? '';
  const found = script.match(/http:\/\/[A-Za-z0-9.-]+:\d+\/[A-Za-z0-9/_-]*/g);
  return (found ?? []).map(address => translate(address, translation));
}

/** Whether an address answers a GET with a status below 400. */
function answers(address: string): Promise<boolean> {
  return new Promise(resolve => {
    const request = http.get(
      address,
      { agent: false, timeout: timeoutMs },
      response => {
        response.resume();
        response.once('error', () => {
          resolve(false);
        });
        resolve((response.statusCode ?? 500) < 400);
      }
    );
    request.once('timeout', () => request.destroy());
    request.once('error', () => {
      resolve(false);
    });
  });
}

/** Whether all addresses answer. */
export async function allAnswer(
  addresses: readonly string[]
): Promise<boolean> {
  const answered = await Promise.all(addresses.map(answers));
  return answered.every(Boolean);
}

/** How often to ask, and how many refusals in a row make a ready container unready. */
export interface ProbePace {
  untilReadyMs: number;
  afterwardsMs: number;
  failures: number;
}

/** Quicker than the operators' ten seconds, so that a playground is not for waiting. */
export const probePace: ProbePace = {
  untilReadyMs: 250,
  afterwardsMs: 1_000,
  failures: 2
};

/** Asks again and again and reports each change of readiness, until it is stopped. */
export class ReadinessProbe {
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;
  private ready = false;
  private failures = 0;

  constructor(
    private readonly addresses: readonly string[],
    private readonly onChange: (ready: boolean) => void,
    private readonly pace: ProbePace = probePace
  ) {
    void this.ask();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private async ask(): Promise<void> {
    const answered = await allAnswer(this.addresses);
    if (this.stopped) {
      return;
    }
    this.failures = answered ? 0 : this.failures + 1;
    const lost = this.ready && this.failures >= this.pace.failures;
    if (lost || (answered && !this.ready)) {
      this.ready = answered;
      this.onChange(answered);
    }
    this.askLater();
  }

  private askLater(): void {
    if (this.stopped) {
      return;
    }
    const { untilReadyMs, afterwardsMs } = this.pace;
    this.timer = setTimeout(
      () => void this.ask(),
      this.ready ? afterwardsMs : untilReadyMs
    );
  }
}
