// SPDX-License-Identifier: BSD-3-Clause
import { BentoError, toBentoError } from '../../domain/errors';
import { parseRoutes, type ServiceRoutes } from '../../domain/routes';
import type { Route, ServiceAnswer, ServiceRequest } from '../../protocol';
import type { Tunnels } from '../forward/tunnels';
import { readBody, type SaveBlob } from './body';
import { withDeadline } from './deadline';
import { answerHeaders, prepare, type ReadBlob } from './outgoing';
import { peek } from './peek';
import { Reacher } from './reacher';

/** A request with its namespace settled. */
export type SettledRequest = ServiceRequest & { namespace: string };

/** What a request is given besides its parameters. */
export interface InvokeContext {
  signal: AbortSignal;
  readBlob: ReadBlob;
  saveBlob: SaveBlob;
}

const DEFAULT_TIMEOUT_MS = 60_000;
const ROUTES_TIMEOUT_MS = 10_000;

/** How long a request without a method may wait to learn the route's own. */
const LOOKUP_TIMEOUT_MS = 2000;
const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;

/** Sends requests to deployed services; knows no address but those of BentoDeployments. */
export class Invoker {
  private readonly reacher: Reacher;
  /** Routes by what is deployed, so that another bento is asked anew. */
  private readonly known = new Map<
    string,
    { served: string; routes: Route[] }
  >();

  constructor(o: { tunnels: Tunnels; serviceAddress: string }) {
    this.reacher = new Reacher(o);
  }

  /**
   * Sends a request and returns the answer, whatever its status. Redirects are
   * not followed.
   *
   * @throws BentoError `notFound`, `serviceNotReady`, `serviceUnreachable`,
   *   `requestTimeout`, `cancelled`, `invalidParams` and those of forwarding.
   */
  async request(
    request: SettledRequest,
    context: InvokeContext
  ): Promise<ServiceAnswer> {
    const { namespace, name } = request;
    const ms = request.timeout ?? DEFAULT_TIMEOUT_MS;
    return withDeadline({ signal: context.signal, ms, name }, async signal => {
      const served = await this.served(namespace, name);
      const routes = await this.routesFor(request, served, signal);
      const prepared = await prepare(request, routes, context.readBlob);
      const reached = await this.reacher.send({
        namespace,
        name,
        via: request.via,
        outgoing: { ...prepared, signal }
      });
      const { response } = reached;
      const contentType = response.headers['content-type'] ?? '';
      const body = await this.read(reached.tunnelFailure, name, () =>
        readBody(reached.body, contentType, context.saveBlob)
      );
      return {
        status: response.statusCode ?? 0,
        statusText: response.statusMessage ?? '',
        headers: answerHeaders(response),
        contentType,
        body,
        ms: Math.round((performance.now() - reached.sentAt) * 100) / 100,
        via: reached.via,
        ...(reached.pod === undefined ? {} : { pod: reached.pod })
      };
    });
  }

  /**
   * The routes of a service by its own description.
   * @throws BentoError `requestFailed` when it has none, and those of {@link request}.
   */
  async routes(o: {
    namespace: string;
    name: string;
    signal: AbortSignal;
  }): Promise<ServiceRoutes> {
    const { namespace, name, signal } = o;
    const served = await this.served(namespace, name);
    return withDeadline({ signal, ms: ROUTES_TIMEOUT_MS, name }, inner =>
      this.fetchRoutes({ namespace, name, served, signal: inner })
    );
  }

  /** What a deployment serves now, as a key. */
  private async served(namespace: string, name: string): Promise<string> {
    const { metadata, spec } = await this.reacher.deployment(namespace, name);
    return `${metadata.uid} ${spec.bento}`;
  }

  private async routesFor(
    request: SettledRequest,
    served: string,
    signal: AbortSignal
  ): Promise<Route[]> {
    const { namespace, name } = request;
    const known = this.known.get(`${namespace}/${name}`);
    if (known?.served === served) {
      return known.routes;
    }
    if (request.method !== undefined || request.body) {
      return [];
    }
    try {
      const ms = LOOKUP_TIMEOUT_MS;
      return await withDeadline({ signal, ms, name }, async inner => {
        const o = { namespace, name, served, signal: inner };
        return (await this.fetchRoutes(o)).routes;
      });
    } catch (thrown) {
      const error = toBentoError(thrown);
      if (error.code === 'requestFailed' || error.code === 'requestTimeout') {
        return [];
      }
      throw error;
    }
  }

  private async fetchRoutes(o: {
    namespace: string;
    name: string;
    served: string;
    signal: AbortSignal;
  }): Promise<ServiceRoutes> {
    const { namespace, name, served, signal } = o;
    const path = '/docs.json';
    const headers = { accept: 'application/json' };
    const outgoing = { method: 'GET', path, headers, signal };
    const reached = await this.reacher.send({ namespace, name, outgoing });
    const status = reached.response.statusCode ?? 0;
    const failed = (reason: string) =>
      new BentoError('requestFailed', {
        params: {
          name,
          status,
          method: 'GET',
          path,
          reason,
          action: 'Give the path and the method of the request yourself.'
        }
      });
    const { whole, stream } = await this.read(reached.tunnelFailure, name, () =>
      peek(reached.body, MAX_DOCUMENT_BYTES)
    );
    stream?.destroy();
    if (status !== 200) {
      throw failed('it does not describe its routes.');
    }
    if (!whole) {
      throw failed(`the description is over ${MAX_DOCUMENT_BYTES} bytes.`);
    }
    const found = parseRoutes(parseJson(whole.toString('utf8'), failed));
    const { routes } = found;
    this.known.set(`${namespace}/${name}`, { served, routes });
    return found;
  }

  /** Reads a body and tells the tunnel's own reason when it breaks. */
  private async read<T>(
    reason: () => string | undefined,
    name: string,
    body: () => Promise<T>
  ): Promise<T> {
    try {
      return await body();
    } catch (error) {
      if (error instanceof BentoError) {
        throw error;
      }
      const why = reason() ?? (error as Error).message;
      throw new BentoError('serviceUnreachable', {
        params: { name, reason: `the answer broke off (${why}).` },
        cause: error
      });
    }
  }
}

function parseJson(text: string, failed: (reason: string) => Error): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw failed('the description is not JSON.');
  }
}
