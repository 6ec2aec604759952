// SPDX-License-Identifier: BSD-3-Clause
import * as z from 'zod/mini';
import { errorData, instant } from './common';
import { stage } from './deployment';

/** Kubernetes quantities as text, for instance `500m` and `1Gi`. */
export const resourceList = z.object({
  cpu: z.optional(z.string()),
  memory: z.optional(z.string()),
  gpu: z.optional(z.string())
});
/** See {@link resourceList}. */
export type ResourceList = z.infer<typeof resourceList>;

/** Requests and limits of one container. */
export const resources = z.object({
  requests: z.optional(resourceList),
  limits: z.optional(resourceList)
});
/** See {@link resources}. */
export type Resources = z.infer<typeof resources>;

/** Replicas and resources of the API server or of one runner; what is absent takes our defaults. */
export const scale = z.object({
  minReplicas: z.optional(z.number()),
  maxReplicas: z.optional(z.number()),
  resources: z.optional(resources)
});
/** See {@link scale}. */
export type Scale = z.infer<typeof scale>;

/** What a deploy is asked to do. */
export const deploySpec = z.object({
  /** `name:version`, `name:latest` or `name`. */
  tag: z.string(),
  /** An image that exists already: no export and no build. */
  image: z.optional(z.string()),
  /** Name of the BentoDeployment; from the bento's name when absent. */
  name: z.optional(z.string()),
  namespace: z.optional(z.string()),
  /** BENTOML_HOME to read the bento from; the bridge's own when absent. */
  home: z.optional(z.string()),
  /** `s3://bucket/prefix`; the setting when absent. */
  destination: z.optional(z.string()),
  apiServer: z.optional(scale),
  /** By runner name; a runner that is not named takes the API server's scale. */
  runners: z.optional(z.record(z.string(), scale)),
  envs: z.optional(z.array(z.object({ name: z.string(), value: z.string() }))),
  /** Resources of the container that builds the image. */
  builder: z.optional(resources),
  /** Where the deploy came from; kept as annotations. */
  provenance: z.optional(
    z.object({
      notebook: z.optional(z.string()),
      cell: z.optional(z.string()),
      user: z.optional(z.string())
    })
  )
});
/** See {@link deploySpec}. */
export type DeploySpec = z.infer<typeof deploySpec>;

/** What an export is asked to do. */
export const exportSpec = z.object({
  tag: z.string(),
  home: z.optional(z.string()),
  destination: z.optional(z.string())
});
/** See {@link exportSpec}. */
export type ExportSpec = z.infer<typeof exportSpec>;

/** Long work of the bridge: goes on when its client leaves, survives the bridge's death in a journal. */
export const operation = z.object({
  id: z.string(),
  kind: z.enum(['deploy', 'export']),
  state: z.enum(['running', 'done', 'failed', 'cancelled']),
  tag: z.string(),
  namespace: z.optional(z.string()),
  name: z.optional(z.string()),
  stages: z.array(stage),
  startedAt: instant,
  endedAt: z.optional(instant),
  error: z.optional(errorData),
  /** `s3://bucket/key` of the archive once it is there. */
  location: z.optional(z.string()),
  /** Remarks for the reader, for instance that a presigned address ends early. */
  notes: z.array(z.string())
});
/** See {@link operation}. */
export type Operation = z.infer<typeof operation>;
