// SPDX-License-Identifier: BSD-3-Clause
import type { Tunnel } from './tunnel';

/** Uvicorn, which serves every bento, may close a connection on which no request comes for 5 s. */
const LIFE_MS = 4000;

/** How often a spare that nobody took is replaced: for about half a minute of use now and then. */
const MAX_RENEWALS = 7;

/** A tunnel that is being opened, and the pod that it leads to. */
export interface Opening {
  podUid: string;
  tunnel: Promise<Tunnel>;
}

/**
 * One tunnel opened beforehand: a new one costs a TLS connection from the API
 * server to the kubelet, which no client can save.
 */
export class Spare {
  private current?: Opening & { expires: NodeJS.Timeout };
  private renewals = 0;
  private closed = false;

  /** @param open opens a tunnel to the pod that is next in turn, if there is one. */
  constructor(private readonly open: () => Opening | undefined) {}

  /** Hands out the spare, if it still lives. */
  async take(): Promise<Tunnel | undefined> {
    const { current } = this;
    if (!current) {
      return undefined;
    }
    this.current = undefined;
    clearTimeout(current.expires);
    const tunnel = await current.tunnel.catch(() => undefined);
    if (tunnel?.ended === true) {
      tunnel.destroy();
    }
    return tunnel?.destroyed === false ? tunnel : undefined;
  }

  /** Sees to it that there is one for a while. */
  prepare(): void {
    this.renewals = 0;
    this.refill();
  }

  /** Resolves when the spare is open, or has failed to. */
  async opened(): Promise<void> {
    await this.current?.tunnel.catch(() => undefined);
  }

  /** Closes a spare to a pod that the predicate picks. */
  drop(unwanted: (podUid: string) => boolean): void {
    if (this.current && unwanted(this.current.podUid)) {
      this.discard(this.current);
    }
  }

  /** Closes the spare and opens no more. */
  close(): void {
    this.closed = true;
    this.drop(() => true);
  }

  private refill(): void {
    const opening = this.current || this.closed ? undefined : this.open();
    if (!opening) {
      return;
    }
    const spare = {
      ...opening,
      expires: setTimeout(() => this.renew(spare), LIFE_MS)
    };
    spare.expires.unref();
    this.current = spare;
    spare.tunnel.then(
      tunnel => tunnel.once('ended', () => this.discard(spare)),
      () => this.discard(spare)
    );
  }

  private renew(spare: Opening): void {
    this.discard(spare);
    if (++this.renewals <= MAX_RENEWALS) {
      this.refill();
    }
  }

  private discard(spare: Opening): void {
    if (this.current === spare) {
      clearTimeout(this.current.expires);
      this.current = undefined;
      spare.tunnel.then(
        tunnel => tunnel.destroy(),
        () => undefined
      );
    }
  }
}
