// SPDX-License-Identifier: BSD-3-Clause
import * as z from 'zod/mini';

/** How a service is reached: the Service's address inside the cluster, or a port-forward. */
export const via = z.enum(['direct', 'forward']);
/** See {@link via}. */
export type Via = z.infer<typeof via>;

/** A body that travels inside a message: text as it is, bytes as base64. */
export const inlineBody = z.object({
  kind: z.literal('inline'),
  encoding: z.enum(['utf8', 'base64']),
  data: z.string()
});

/** A body that waits under `/api/v1/blobs/<id>`. */
export const blobBody = z.object({
  kind: z.literal('blob'),
  id: z.string(),
  size: z.number()
});

/** A body of a request or of an answer. */
export const body = z.union([inlineBody, blobBody]);
/** See {@link body}. */
export type Body = z.infer<typeof body>;

/** A request to a deployed service. */
export const serviceRequest = z.object({
  namespace: z.optional(z.string()),
  name: z.string(),
  /** Defaults to the route's own method, else POST with a body and GET without. */
  method: z.optional(z.string()),
  /** Path and query, starting with `/`. */
  path: z.string(),
  headers: z.optional(z.record(z.string(), z.string())),
  contentType: z.optional(z.string()),
  body: z.optional(body),
  /** Milliseconds until the answer must be complete. */
  timeout: z.optional(z.number()),
  via: z.optional(via)
});
/** See {@link serviceRequest}. */
export type ServiceRequest = z.infer<typeof serviceRequest>;

/** The service's answer, whatever its status. */
export const serviceAnswer = z.object({
  status: z.number(),
  statusText: z.string(),
  headers: z.record(z.string(), z.string()),
  contentType: z.string(),
  body,
  /** Milliseconds from sending to the last byte. */
  ms: z.number(),
  via,
  /** Pod that answered when forwarded. */
  pod: z.optional(z.string())
});
/** See {@link serviceAnswer}. */
export type ServiceAnswer = z.infer<typeof serviceAnswer>;

/** One route that the service's own description lists. */
export const route = z.object({
  path: z.string(),
  method: z.string(),
  summary: z.string(),
  contentType: z.optional(z.string())
});
/** See {@link route}. */
export type Route = z.infer<typeof route>;

/** A local listener that passes connections on to a service. */
export const forward = z.object({
  id: z.string(),
  namespace: z.string(),
  name: z.string(),
  /** `http://127.0.0.1:<port>`. */
  address: z.string(),
  port: z.number(),
  state: z.enum(['listening', 'failing', 'closed']),
  connections: z.number(),
  error: z.optional(z.string())
});
/** See {@link forward}. */
export type Forward = z.infer<typeof forward>;
