// SPDX-License-Identifier: BSD-3-Clause
import { BentoError } from './errors';
import type { ResourceList, Resources } from '../protocol';

const BINARY = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const DECIMAL: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18
};
const QUANTITY = /^\+?(\d+\.?\d*|\.\d+)([a-zA-Z]*|[eE][-+]?\d+)$/;
const MEBIBYTE = 1024 ** 2;

/** Requests and limits of CPU and memory, all four named. */
export interface FullResources {
  requests: { cpu: string; memory: string };
  limits: { cpu: string; memory: string };
}

/**
 * What the deployment operator fills in for a container that leaves it out, key
 * by key. Sent in full all the same, so that the object tells what will run.
 */
export const SERVING_DEFAULTS: FullResources = {
  requests: { cpu: '300m', memory: '500Mi' },
  limits: { cpu: '500m', memory: '1Gi' }
};

/**
 * Resources of the container that builds the image. The operator has no
 * default, and a namespace with a quota refuses a container without any. These
 * equal what the operator gives the download that runs before in the same pod,
 * so the pod as a whole asks for no more.
 */
export const BUILDER_DEFAULTS: FullResources = {
  requests: { cpu: '100m', memory: '1000Mi' },
  limits: { cpu: '1', memory: '3000Mi' }
};

/**
 * Reads a Kubernetes quantity into its base unit: CPUs or bytes.
 * @param value - A number counts as its text: the CRDs want strings.
 * @param field - Named in the error, for instance `resources.limits.cpu`.
 * @throws BentoError `quantityInvalid`.
 */
export function parseQuantity(value: string | number, field: string): number {
  const text = String(value).trim();
  const [, digits, suffix] = QUANTITY.exec(text) ?? [];
  if (digits === undefined || suffix === undefined) {
    throw invalid(field, text, shapeProblem(text));
  }
  const factor = unit(suffix);
  if (factor === undefined) {
    throw invalid(field, text, suffixProblem(suffix));
  }
  return Number(digits) * factor;
}

/**
 * The resources of one container, complete: what is absent comes from
 * `defaults`, key by key, as the operator would do. `gpu` stands under limits
 * only, because the operator ignores a request for it.
 *
 * @param field - Path that errors begin with, for instance `resources`.
 * @throws BentoError `quantityInvalid`; `resourcesInvalid` for what Kubernetes
 *   accepts but nobody means (memory of less than a mebibyte, such as `512m`)
 *   and for a limit below its request.
 */
export function fullResources(
  given: Resources | undefined,
  defaults: FullResources,
  field: string
): FullResources & { limits: { gpu?: string } } {
  const requests = { ...defaults.requests, ...texts(given?.requests) };
  const limits = { ...defaults.limits, ...texts(given?.limits) };
  for (const key of ['cpu', 'memory'] as const) {
    const request = amount(requests[key], `${field}.requests.${key}`);
    const limit = amount(limits[key], `${field}.limits.${key}`);
    if (limit < request) {
      throw new BentoError('resourcesInvalid', {
        params: {
          field: `${field}.limits.${key}`,
          reason: `the limit ${limits[key]} is below the ${given?.requests?.[key] === undefined ? 'default request' : 'request'} ${requests[key]}.`
        }
      });
    }
  }
  const gpu = gpuLimit(given, field);
  return {
    requests: { cpu: requests.cpu, memory: requests.memory },
    limits: {
      cpu: limits.cpu,
      memory: limits.memory,
      ...(gpu === undefined ? {} : { gpu })
    }
  };
}

/** Keeps the keys that hold something, as text. */
function texts(
  list: ResourceList | undefined
): Partial<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(list ?? {})
      .filter(([, value]) => value !== undefined && String(value).trim() !== '')
      .map(([key, value]) => [key, String(value).trim()])
  );
}

function amount(text: string, field: string): number {
  const value = parseQuantity(text, field);
  const memory = field.endsWith('.memory');
  if (memory && value < MEBIBYTE) {
    throw senseless(field, memoryProblem(text, value));
  }
  if (!memory && text.endsWith('i')) {
    throw senseless(field, `"${text}" is a unit of memory, not of CPU.`);
  }
  return value;
}

/** The number of GPUs; a request alone counts as the limit, since Kubernetes wants both equal. */
function gpuLimit(
  given: Resources | undefined,
  field: string
): string | undefined {
  const { gpu: request } = texts(given?.requests);
  const { gpu: limit } = texts(given?.limits);
  if (request !== undefined && limit !== undefined && request !== limit) {
    throw senseless(
      `${field}.requests.gpu`,
      `the request ${request} and the limit ${limit} must be equal.`
    );
  }
  const gpu = limit ?? request;
  if (gpu !== undefined && !/^\d+$/.test(gpu)) {
    throw senseless(
      `${field}.limits.gpu`,
      `"${gpu}" is not a whole number of GPUs.`
    );
  }
  return gpu;
}

function unit(suffix: string): number | undefined {
  const power = BINARY.indexOf(suffix);
  if (power >= 0) {
    return 1024 ** (power + 1);
  }
  const exponent = /^[eE]([-+]?\d+)$/.exec(suffix)?.[1];
  return exponent === undefined ? DECIMAL[suffix] : 10 ** Number(exponent);
}

function shapeProblem(text: string): string {
  if (text === '') {
    return 'it is empty';
  }
  return text.startsWith('-')
    ? 'it may not be negative'
    : 'write a number and a unit without a space between';
}

function suffixProblem(suffix: string): string {
  const letter = suffix.charAt(0).toUpperCase();
  const meant = BINARY.find(unitName => unitName.startsWith(letter));
  return meant === undefined
    ? `"${suffix}" is no unit`
    : `"${suffix}" is no unit; did you mean ${meant}?`;
}

function memoryProblem(text: string, bytes: number): string {
  const size = `"${text}" is ${String(bytes)} bytes`;
  const digits = /^\d+/.exec(text)?.[0];
  return digits === undefined
    ? `${size}.`
    : `${size}; did you mean ${digits}Mi?`;
}

function invalid(field: string, value: string, reason: string): BentoError {
  return new BentoError('quantityInvalid', {
    params: { field, value, reason }
  });
}

function senseless(field: string, reason: string): BentoError {
  return new BentoError('resourcesInvalid', { params: { field, reason } });
}
