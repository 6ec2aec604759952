// SPDX-License-Identifier: BSD-3-Clause
import { homedir } from 'node:os';
import { join } from 'node:path';

const HOUR = 3600;

/** S3 accepts no signature that lives longer than a week. */
const LONGEST_PRESIGN = 7 * 24 * HOUR;

/** What the environment tells the bridge, read once at start. */
export interface Settings {
  /** Namespace to work in; found by other means when absent. */
  namespace?: string;
  /** Folder with `token`, `ca.crt` and `namespace`. */
  serviceAccountDir: string;
  /** BENTOML_HOME; the default store when absent. */
  home?: string;
  /** `s3://bucket/prefix` that exports go to. */
  destination?: string;
  /** S3 endpoint as the notebook reaches it; AWS itself when absent. */
  endpoint?: string;
  /** S3 endpoint as the pods of the cluster reach it. */
  builderEndpoint?: string;
  /** Life of a presigned address in seconds. */
  presignSeconds: number;
  /** Address of a service with `{service}` and `{namespace}` to fill in. */
  serviceAddress: string;
  /** After how many seconds without a status an object counts as not picked up. */
  notPickedUpSeconds: number;
  /** Folder for what can be made anew. */
  cacheDir: string;
  /** Folder for unfinished work. */
  journalDir: string;
  env: NodeJS.ProcessEnv;
}

/** Reads the settings; a number that is none falls back to its default. */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const home = env.HOME ?? homedir();
  const dataHome = env.XDG_DATA_HOME ?? join(home, '.local', 'share');
  const cacheHome = env.XDG_CACHE_HOME ?? join(home, '.cache');
  return {
    namespace: text(env.JUPYTERLAB_BENTO_NAMESPACE),
    serviceAccountDir:
      text(env.JUPYTERLAB_BENTO_SERVICE_ACCOUNT_DIR) ??
      '/var/run/secrets/kubernetes.io/serviceaccount',
    home: text(env.BENTOML_HOME),
    destination: text(env.JUPYTERLAB_BENTO_S3_URL),
    endpoint: text(env.AWS_ENDPOINT_URL_S3) ?? text(env.AWS_ENDPOINT_URL),
    builderEndpoint: text(env.JUPYTERLAB_BENTO_BUILDER_S3_ENDPOINT),
    presignSeconds: Math.min(
      number(env.JUPYTERLAB_BENTO_PRESIGN_SECONDS, 12 * HOUR),
      LONGEST_PRESIGN
    ),
    serviceAddress:
      text(env.JUPYTERLAB_BENTO_SERVICE_ADDRESS) ??
      'http://{service}.{namespace}:3000',
    notPickedUpSeconds: number(env.JUPYTERLAB_BENTO_NOT_PICKED_UP_SECONDS, 30),
    cacheDir: join(cacheHome, 'jupyterlab-bento'),
    journalDir: join(dataHome, 'jupyterlab-bento', 'operations'),
    env
  };
}

function text(value: string | undefined): string | undefined {
  const trimmed = value?.trim();
  return trimmed === '' ? undefined : trimmed;
}

function number(value: string | undefined, fallback: number): number {
  const parsed = Number(value ?? '');
  return Number.isFinite(parsed) && parsed > 0 ? parsed : fallback;
}
