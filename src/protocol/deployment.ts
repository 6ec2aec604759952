// SPDX-License-Identifier: BSD-3-Clause
import * as z from 'zod/mini';
import { instant } from './common';

/** Every state that a deployment can be in, in the order of a good run, then the bad ones. */
export const STATES = [
  'exporting',
  'requested',
  'notPickedUp',
  'checking',
  'queued',
  'downloading',
  'building',
  'attemptFailed',
  'buildFailed',
  'built',
  'deploying',
  'rollingOut',
  'ready',
  'degraded',
  'failed',
  'deleting',
  'unknown'
] as const;
/** See {@link STATES}. */
export const state = z.enum(STATES);
/** See {@link STATES}. */
export type State = z.infer<typeof state>;

/** Why something is not ready: what, which object and field shows it, what to do, who can. */
export const finding = z.object({
  code: z.string(),
  severity: z.enum(['error', 'warning', 'info']),
  /** What is wrong, one English sentence. */
  message: z.string(),
  /** What to do. */
  hint: z.string(),
  who: z.enum(['user', 'admin']),
  evidence: z.object({
    /** `Kind/name`. */
    object: z.string(),
    field: z.string(),
    value: z.string()
  })
});
/** See {@link finding}. */
export type Finding = z.infer<typeof finding>;

/** One container as the pod's status tells it. */
export const containerView = z.object({
  name: z.string(),
  init: z.boolean(),
  state: z.enum(['waiting', 'running', 'terminated']),
  ready: z.boolean(),
  restarts: z.number(),
  exitCode: z.optional(z.number()),
  reason: z.optional(z.string()),
  message: z.optional(z.string())
});
/** See {@link containerView}. */
export type ContainerView = z.infer<typeof containerView>;

/** One pod of a deployment or of its image build. */
export const podView = z.object({
  name: z.string(),
  role: z.enum(['builder', 'api-server', 'runner']),
  /** Name of the runner for `role: 'runner'`. */
  runner: z.optional(z.string()),
  phase: z.string(),
  ready: z.boolean(),
  terminating: z.boolean(),
  createdAt: instant,
  containers: z.array(containerView)
});
/** See {@link podView}. */
export type PodView = z.infer<typeof podView>;

/** The stages of the path, in order. */
export const STAGES = [
  'preflight',
  'export',
  'request',
  'build',
  'ready'
] as const;
/** See {@link STAGES}. */
export const stageName = z.enum(STAGES);
/** See {@link STAGES}. */
export type StageName = z.infer<typeof stageName>;

/** One stage of the path with its duration. */
export const stage = z.object({
  stage: stageName,
  state: z.enum(['pending', 'running', 'done', 'failed', 'skipped']),
  startedAt: z.optional(instant),
  /** Milliseconds; absent while it runs, so that time alone makes no events. */
  ms: z.optional(z.number()),
  /** Bytes sent and bytes in all, for the export. */
  bytes: z.optional(z.object({ done: z.number(), total: z.number() })),
  /** Short text, for instance the state inside the stage or why it was skipped. */
  note: z.optional(z.string())
});
/** See {@link stage}. */
export type Stage = z.infer<typeof stage>;

/** A BentoDeployment (or a BentoRequest that has none yet) with everything that hangs on it. */
export const deployment = z.object({
  namespace: z.string(),
  name: z.string(),
  state,
  /** When it entered the state as far as we have seen. */
  since: instant,
  tag: z.optional(z.string()),
  /** Name of the Bento and of its BentoRequest. */
  bento: z.optional(z.string()),
  image: z.optional(z.string()),
  /** Whether it carries our label. */
  managed: z.boolean(),
  createdAt: instant,
  replicas: z.object({ ready: z.number(), wanted: z.number() }),
  stages: z.array(stage),
  pods: z.array(podView),
  findings: z.array(finding)
});
/** See {@link deployment}. */
export type Deployment = z.infer<typeof deployment>;
