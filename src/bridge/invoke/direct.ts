// SPDX-License-Identifier: BSD-3-Clause
import * as net from 'node:net';
import * as tls from 'node:tls';
import { BentoError } from '../../domain/errors';
import { KeptAgent } from '../forward/keptAgent';

/** Name resolution included; a Service without a sidecar in the way answers in a few. */
const CONNECT_MS = 500;

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/**
 * Fills the address template of a Service.
 * @throws BentoError `invalidParams` when the result is no http(s) address.
 */
export function serviceAddress(
  template: string,
  o: { namespace: string; name: string }
): URL {
  for (const [field, value] of Object.entries(o)) {
    if (!LABEL.test(value)) {
      throw new BentoError('invalidParams', {
        params: { field, reason: `"${value}" is not a name of Kubernetes.` }
      });
    }
  }
  const text = template
    .replaceAll('{service}', o.name)
    .replaceAll('{namespace}', o.namespace);
  const address = URL.canParse(text) ? new URL(text) : undefined;
  if (address?.protocol !== 'http:' && address?.protocol !== 'https:') {
    throw new BentoError('invalidParams', {
      params: {
        field: 'JUPYTERLAB_BENTO_SERVICE_ADDRESS',
        reason: `"${text}" is not an address like http://{service}.{namespace}:3000.`
      }
    });
  }
  return address;
}

/** An agent that connects to one address, giving up after half a second. */
export function directAgent(address: URL): KeptAgent {
  return new KeptAgent(() => connectTo(address));
}

function connectTo(address: URL): Promise<net.Socket> {
  const secure = address.protocol === 'https:';
  const host = address.hostname.replace(/^\[|\]$/g, '');
  const port = Number(address.port) || (secure ? 443 : 80);
  return new Promise((resolve, reject) => {
    const socket = secure
      ? tls.connect({ host, port, servername: net.isIP(host) ? '' : host })
      : net.connect({ host, port, noDelay: true });
    const timer = setTimeout(
      () => socket.destroy(new Error(`no connection within ${CONNECT_MS} ms`)),
      CONNECT_MS
    );
    // Stays, so that an error between two requests is nobody's surprise.
    socket.on('error', error => {
      clearTimeout(timer);
      reject(error);
    });
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer);
      resolve(socket);
    });
  });
}

/** Why a mesh, and not the service, gave an answer. */
export interface MeshRefusal {
  reason: string;
  /** Whether the service surely saw nothing of the request. */
  untouched: boolean;
}

/** Envoy's own 503 texts; in all but the last the request never reached the service. */
const UNTOUCHED_503 =
  /no healthy upstream|no cluster|connection failure|connection timeout|delayed connect/i;
const ENVOY_503 =
  /upstream connect error|upstream request timeout|no healthy upstream|reset before headers/i;

/**
 * Tells an answer of Istio's Envoy from one of the service. A caller without a
 * sidecar is refused by the profile's policy (403); Envoy speaks of an upstream
 * that it cannot reach (503).
 */
export function meshRefusal(answer: {
  status: number;
  server: string;
  text: string;
}): MeshRefusal | undefined {
  const { status, server, text } = answer;
  if (!/envoy/i.test(server)) {
    return undefined;
  }
  if (status === 403 && /^RBAC: access denied/i.test(text)) {
    const reason =
      'the service mesh refuses direct calls from here (RBAC: access denied)';
    return { reason, untouched: true };
  }
  if (status === 503 && ENVOY_503.test(text)) {
    const reason = `the service mesh cannot reach it (${text.trim().slice(0, 200)})`;
    return { reason, untouched: UNTOUCHED_503.test(text) };
  }
  return undefined;
}
