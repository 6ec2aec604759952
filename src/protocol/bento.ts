// SPDX-License-Identifier: BSD-3-Clause
import * as z from 'zod/mini';
import { instant } from './common';

/** A model that a bento names. `registry` other than `bentoml` is fetched during the image build. */
export const modelReference = z.object({
  tag: z.string(),
  alias: z.optional(z.string()),
  registry: z.string(),
  module: z.optional(z.string())
});
/** See {@link modelReference}. */
export type ModelReference = z.infer<typeof modelReference>;

/** A runner of a legacy (1.0, 1.1) service; becomes a pod of its own. */
export const runner = z.object({
  name: z.string(),
  runnableType: z.optional(z.string()),
  models: z.array(z.string())
});
/** See {@link runner}. */
export type Runner = z.infer<typeof runner>;

/** One bento version of a store, as its `bento.yaml` describes it. */
export const bento = z.object({
  tag: z.string(),
  name: z.string(),
  version: z.string(),
  /** Absolute folder of this version. */
  path: z.string(),
  bentomlVersion: z.optional(z.string()),
  createdAt: z.optional(instant),
  labels: z.record(z.string(), z.string()),
  /** `module:attribute` of the service. */
  service: z.string(),
  /** Class names of the services of a 1.2+ bento, entry service first. */
  services: z.array(z.string()),
  runners: z.array(runner),
  /** Models of the top level and of all services, each tag once. */
  models: z.array(modelReference),
  /** Bytes of the bento's own files; absent until measured. */
  size: z.optional(z.number()),
  /** Bytes of its models in the local model store; absent until measured. */
  modelSize: z.optional(z.number()),
  /** Whether the `latest` file of the name points here. */
  latest: z.boolean(),
  /** Remarks for the reader, for instance a layout newer than known. */
  notes: z.array(z.string())
});
/** See {@link bento}. */
export type Bento = z.infer<typeof bento>;

/** A store entry that could not be read; the good ones are listed all the same. */
export const badEntry = z.object({ path: z.string(), reason: z.string() });
/** See {@link badEntry}. */
export type BadEntry = z.infer<typeof badEntry>;

/** A chunk of `store.list`, sent as progress. */
export const storeRows = z.object({
  bentos: z.array(bento),
  bad: z.array(badEntry)
});
/** See {@link storeRows}. */
export type StoreRows = z.infer<typeof storeRows>;
