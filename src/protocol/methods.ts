// SPDX-License-Identifier: BSD-3-Clause
import * as z from 'zod/mini';
import { bento } from './bento';
import { deployment } from './deployment';
import { deploySpec, exportSpec, operation } from './operation';
import { forward, route, serviceAnswer, serviceRequest } from './request';

const nothing = z.object({});
const version = z.object({ major: z.number(), minor: z.number() });
const target = z.object({
  namespace: z.optional(z.string()),
  name: z.string()
});

/** One object that a delete removes, in words and as an address. */
export const deletionItem = z.object({
  kind: z.string(),
  name: z.string(),
  /** `explicit`: we delete it; `owned`: the cluster removes it with its owner; `kept`: it stays. */
  fate: z.enum(['explicit', 'owned', 'kept']),
  note: z.optional(z.string())
});
/** See {@link deletionItem}. */
export type DeletionItem = z.infer<typeof deletionItem>;

/** Where the bridge works: what it found and how. */
export const environment = z.object({
  namespace: z.optional(z.string()),
  /** Which source gave the namespace. */
  namespaceSource: z.string(),
  /** Address of the API server; empty when none is configured. */
  apiServer: z.string(),
  home: z.string(),
  destination: z.optional(z.string()),
  endpoint: z.optional(z.string())
});
/** See {@link environment}. */
export type Environment = z.infer<typeof environment>;

/**
 * Every request of the protocol. The connection begins with `hello`; anything
 * else before it is refused. Requests with progress say so.
 */
export const methods = {
  hello: {
    params: z.object({
      protocol: version,
      /** Who calls: `magics`, `cli`, `lab` or a test's name. */
      client: z.string(),
      clientVersion: z.string()
    }),
    result: z.object({
      outcome: z.enum(['ok', 'clientTooOld', 'bridgeTooOld']),
      protocol: version,
      bridgeVersion: z.string(),
      /** Command that mends a mismatch; empty when the outcome is `ok`. */
      remedy: z.string(),
      epoch: z.string(),
      seq: z.number()
    })
  },
  environment: { params: nothing, result: environment },
  /** With progress: the snapshot in chunks (`snapshotChunk`), only when `mode` is `resync`. */
  subscribe: {
    params: z.object({
      /** `operations`, `forwards`, `deployments/<namespace>`. */
      topics: z.array(z.string()),
      since: z.optional(z.object({ epoch: z.string(), seq: z.number() }))
    }),
    result: z.object({
      mode: z.enum(['replay', 'resync']),
      epoch: z.string(),
      seq: z.number()
    })
  },
  unsubscribe: {
    params: z.object({ topics: z.array(z.string()) }),
    result: nothing
  },
  /** With progress: the rows (`storeRows`). */
  'store.list': {
    params: z.object({
      home: z.optional(z.string()),
      /** Measure sizes too; rows are sent again when measured. */
      sizes: z.optional(z.boolean())
    }),
    result: z.object({
      home: z.string(),
      count: z.number(),
      bad: z.number()
    })
  },
  'store.get': {
    params: z.object({ tag: z.string(), home: z.optional(z.string()) }),
    result: bento
  },
  'export.start': { params: exportSpec, result: operation },
  'deploy.plan': {
    params: deploySpec,
    /** The objects as they would be sent, checked by the API server, and remarks. */
    result: z.object({ yaml: z.string(), notes: z.array(z.string()) })
  },
  'deploy.start': { params: deploySpec, result: operation },
  'operation.list': {
    params: nothing,
    result: z.object({ operations: z.array(operation) })
  },
  /** With progress: the operation at each change. Ends when it ends; cancelling this request only stops following. */
  'operation.follow': {
    params: z.object({ id: z.string() }),
    result: operation
  },
  'operation.cancel': {
    params: z.object({ id: z.string() }),
    result: operation
  },
  'deployment.list': {
    params: z.object({ namespace: z.optional(z.string()) }),
    result: z.object({
      namespace: z.string(),
      deployments: z.array(deployment)
    })
  },
  'deployment.get': { params: target, result: deployment },
  /** With progress: the deployment at each change. Ends with `ready`, fails with the cause. */
  'deployment.wait': {
    params: z.extend(target, {
      /** Milliseconds; no limit when absent. */
      timeout: z.optional(z.number())
    }),
    result: deployment
  },
  'deployment.planDelete': {
    params: target,
    result: z.object({ items: z.array(deletionItem) })
  },
  /** Ends when everything with fate `explicit` or `owned` is gone. */
  'deployment.delete': {
    params: target,
    result: z.object({ items: z.array(deletionItem), ms: z.number() })
  },
  'service.routes': {
    params: target,
    result: z.object({ title: z.string(), routes: z.array(route) })
  },
  'service.request': { params: serviceRequest, result: serviceAnswer },
  'forward.open': {
    params: z.extend(target, { port: z.optional(z.number()) }),
    result: forward
  },
  'forward.close': { params: z.object({ id: z.string() }), result: forward },
  'forward.list': {
    params: nothing,
    result: z.object({ forwards: z.array(forward) })
  },
  /** Hands out an id to PUT bytes to; they are dropped after an hour or with the connection. */
  'blob.create': { params: nothing, result: z.object({ id: z.string() }) }
} as const;

/** Name of a request. */
export type Method = keyof typeof methods;
/** Parameters of a request. */
export type Params<M extends Method> = z.infer<(typeof methods)[M]['params']>;
/** Result of a request. */
export type Result<M extends Method> = z.infer<(typeof methods)[M]['result']>;
