// SPDX-License-Identifier: BSD-3-Clause
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { BentoError } from '../../domain/errors';
import type { BentoDeployment } from '../../domain/kube';
import type { Via } from '../../protocol';
import type { KeptAgent } from '../forward/keptAgent';
import {
  explain,
  type Outgoing,
  SAFE_METHODS,
  send,
  SendFailure,
  sendOnce
} from '../forward/send';
import type { Target } from '../forward/target';
import type { Tunnels } from '../forward/tunnels';
import { directAgent, meshRefusal, serviceAddress } from './direct';
import { peek } from './peek';

/** An answer's head, its body still to be read, and the way it came. */
export interface Reached {
  response: IncomingMessage;
  body: Readable;
  via: Via;
  /** Pod that answered when forwarded. */
  pod?: string;
  /** `performance.now()` when the try that succeeded began. */
  sentAt: number;
  /** Why the tunnel broke, if it has. */
  tunnelFailure(): string | undefined;
}

/** A request to a deployment, its `Host` left to be filled in. */
export interface ReachRequest {
  namespace: string;
  name: string;
  /** Way to take; chosen when absent. */
  via?: Via;
  outgoing: Outgoing;
}

/** Envoy's own answers are short. */
const MAX_PEEK_BYTES = 16 * 1024;

/** Why the direct way did not lead to the service. */
class NoDirectWay extends Error {
  constructor(
    override readonly message: string,
    /** Whether the service surely saw nothing of the request. */
    readonly untouched: boolean
  ) {
    super(message);
  }
}

/**
 * Chooses between the Service's own address and a port-forward, for each
 * deployment, and remembers what worked until it fails.
 *
 * The Service needs no rights, balances and streams well, but is out of reach
 * where name resolution, network policies or the mesh say no; a port-forward
 * works around all of these. A first request tries the Service for half a second
 * while a tunnel is being opened.
 */
export class Reacher {
  private readonly chosen = new Map<string, Via>();
  private readonly agents = new Map<string, KeptAgent>();

  constructor(
    private readonly o: { tunnels: Tunnels; serviceAddress: string }
  ) {}

  /**
   * The BentoDeployment of that name.
   * @throws BentoError `notFound`, `clusterUnreachable`.
   */
  async deployment(namespace: string, name: string): Promise<BentoDeployment> {
    return (await this.o.tunnels.target(namespace, name)).deployment();
  }

  /**
   * Sends a request one way or the other.
   * @throws BentoError why the service was not reached.
   */
  async send(request: ReachRequest): Promise<Reached> {
    const { namespace, name, via } = request;
    const target = await this.o.tunnels.target(namespace, name);
    // Also the direct way leads to deployments only, never to any other name.
    await target.deployment();
    const key = `${namespace}/${name}`;
    if (via) {
      return via === 'direct'
        ? this.directOnly(request)
        : this.forward(request, target);
    }
    const choice = this.chosen.get(key);
    if (choice === undefined) {
      void target.prepare();
    }
    try {
      const reached =
        choice === 'forward'
          ? await this.forwardFirst(request, target)
          : await this.directFirst(request, target);
      this.chosen.set(key, reached.via);
      return reached;
    } catch (error) {
      this.chosen.delete(key);
      throw error;
    }
  }

  /** The direct way, and a forward when it does not lead there. */
  private async directFirst(
    request: ReachRequest,
    target: Target
  ): Promise<Reached> {
    try {
      return await this.direct(request);
    } catch (error) {
      if (!(error instanceof NoDirectWay) || !mayRepeat(error, request)) {
        throw this.explained(error, request.name);
      }
      try {
        return await this.forward(request, target);
      } catch (second) {
        throw withDetail(second, `Direct: ${error.message}`);
      }
    }
  }

  /** A forward, and the direct way when the cluster allows none. */
  private async forwardFirst(
    request: ReachRequest,
    target: Target
  ): Promise<Reached> {
    try {
      return await this.forward(request, target);
    } catch (error) {
      const closed =
        error instanceof BentoError &&
        (error.code === 'forwardForbidden' ||
          error.code === 'clusterUnreachable');
      if (!closed) {
        throw error;
      }
      return this.direct(request).catch((second: Error) => {
        throw withDetail(error, `Direct: ${second.message}`);
      });
    }
  }

  private async directOnly(request: ReachRequest): Promise<Reached> {
    try {
      return await this.direct(request);
    } catch (error) {
      throw this.explained(error, request.name);
    }
  }

  private explained(error: unknown, name: string): unknown {
    return error instanceof NoDirectWay
      ? new BentoError('serviceUnreachable', {
          params: { name, reason: `${error.message}.` },
          cause: error
        })
      : error;
  }

  private async forward(
    { namespace, name, outgoing }: ReachRequest,
    target: Target
  ): Promise<Reached> {
    const { host } = this.address(namespace, name);
    const headers = { ...outgoing.headers, host };
    const sentAt = performance.now();
    const { response, tunnel } = await send(target, name, {
      ...outgoing,
      headers
    });
    return {
      response,
      body: response,
      via: 'forward',
      pod: tunnel?.pod,
      sentAt,
      tunnelFailure: () => tunnel?.failure?.message
    };
  }

  /** @throws NoDirectWay when the service was not reached. */
  private async direct({
    namespace,
    name,
    outgoing
  }: ReachRequest): Promise<Reached> {
    const address = this.address(namespace, name);
    const prefix = address.pathname.replace(/\/$/, '');
    const sentAt = performance.now();
    let response: IncomingMessage;
    try {
      ({ response } = await sendOnce(this.agent(address), {
        ...outgoing,
        path: `${prefix}${outgoing.path}`,
        headers: { ...outgoing.headers, host: address.host }
      }));
    } catch (error) {
      if (!(error instanceof SendFailure) || outgoing.signal.aborted) {
        throw error;
      }
      if (!error.untouched && !SAFE_METHODS.has(outgoing.method)) {
        throw explain(error, name, outgoing.method);
      }
      throw new NoDirectWay(
        `${address.host} does not answer (${error.message})`,
        error.untouched
      );
    }
    const body = await passMesh(response);
    const tunnelFailure = () => undefined;
    return { response, body, via: 'direct', sentAt, tunnelFailure };
  }

  private address(namespace: string, name: string): URL {
    return serviceAddress(this.o.serviceAddress, { namespace, name });
  }

  private agent(address: URL): KeptAgent {
    let agent = this.agents.get(address.origin);
    if (!agent) {
      agent = directAgent(address);
      this.agents.set(address.origin, agent);
    }
    return agent;
  }
}

function mayRepeat(error: NoDirectWay, { outgoing }: ReachRequest): boolean {
  return error.untouched || SAFE_METHODS.has(outgoing.method);
}

function withDetail(error: unknown, detail: string): unknown {
  return error instanceof BentoError
    ? new BentoError(error.code, {
        params: error.params,
        details: [...error.details, detail],
        cause: error
      })
    : error;
}

/**
 * The body of an answer, after a look at whether the mesh gave it.
 * @throws NoDirectWay when it did.
 */
async function passMesh(response: IncomingMessage): Promise<Readable> {
  const server = String(response.headers.server ?? '');
  const status = response.statusCode ?? 0;
  if (!/envoy/i.test(server) || (status !== 403 && status !== 503)) {
    return response;
  }
  const { whole, stream } = await peek(response, MAX_PEEK_BYTES);
  if (stream) {
    return stream;
  }
  const refusal = meshRefusal({ status, server, text: whole.toString('utf8') });
  if (refusal) {
    throw new NoDirectWay(refusal.reason, refusal.untouched);
  }
  return Readable.from([whole], { objectMode: false });
}
