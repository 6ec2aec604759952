// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as path from 'node:path';

import type { ApiAccess } from './api';
import { askApi } from './api';
import { kubeconfig } from './control-plane';
import type { Instance, ProductUser } from './registry';
import type { S3Keys } from './s3';

/** The account that notebooks of a profile run as. */
export const editor = 'default-editor';

const year = 365 * 24 * 60 * 60;

/**
 * Who the product runs as: root never does, so where root starts a playground it is the user that
 * Kubeflow's notebook images have, by number.
 */
export function productUser(dataDir: string): ProductUser | null {
  return process.getuid?.() === 0
    ? { uid: 1000, gid: 100, home: productHome(dataDir) }
    : null;
}

/** The product's home folder. */
export function productHome(dataDir: string): string {
  return path.join(dataDir, 'home');
}

/** The product's stand-in for /var/run/secrets/kubernetes.io/serviceaccount. */
export function serviceAccountDir(dataDir: string): string {
  return path.join(dataDir, 'serviceaccount');
}

/**
 * Mints a token for the profile's editor; valid as long as any playground may run.
 * @throws Error with the API server's answer when it refuses.
 */
export async function mintToken(
  admin: ApiAccess,
  namespace: string
): Promise<string> {
  const where = `/api/v1/namespaces/${namespace}/serviceaccounts/${editor}/token`;
  const answer = await askApi(admin, 'POST', where, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { expirationSeconds: year }
  });
  const token = (answer.body as { status?: { token?: string } }).status?.token;
  if (answer.status !== 201 || !token) {
    throw new Error(`No token for ${editor}: ${JSON.stringify(answer.body)}`);
  }
  return token;
}

/** Folders and files of the product, which only its user may enter. */
export function writeAccount(instance: Instance, token: string): void {
  const { dataDir, user } = instance;
  const folder = serviceAccountDir(dataDir);
  const jupyter = productJupyterDirs(dataDir);
  for (const created of [
    folder,
    productHome(dataDir),
    jupyter.data,
    jupyter.runtime
  ]) {
    fs.mkdirSync(created, { recursive: true, mode: 0o700 });
  }
  const files: Record<string, string> = {
    [path.join(folder, 'token')]: token,
    [path.join(folder, 'ca.crt')]: fs.readFileSync(instance.caFile, 'utf8'),
    [path.join(folder, 'namespace')]: instance.namespace,
    [instance.productKubeconfig]: kubeconfig({
      apiServer: instance.apiServer,
      caFile: path.join(folder, 'ca.crt'),
      user: { tokenFile: path.join(folder, 'token') },
      namespace: instance.namespace
    })
  };
  for (const [file, text] of Object.entries(files)) {
    fs.writeFileSync(file, text, { mode: 0o400 });
  }
  if (user) {
    const home = productHome(dataDir);
    const inHome = fs
      .readdirSync(home, { recursive: true, encoding: 'utf8' })
      .map(entry => path.join(home, entry));
    for (const owned of [
      folder,
      home,
      ...inHome,
      jupyter.runtime,
      ...Object.keys(files)
    ]) {
      fs.chownSync(owned, user.uid, user.gid);
    }
  }
}

function productJupyterDirs(dataDir: string): {
  data: string;
  runtime: string;
} {
  return {
    data: path.join(productHome(dataDir), '.local', 'share', 'jupyter'),
    // Outside the home folder, as in Kubeflow's images, where that is a volume of its own.
    runtime: path.join(dataDir, 'jupyter-runtime')
  };
}

/** The environment that a notebook pod would have; PATH and what selects a Python are left out. */
export function productEnv(
  instance: Pick<Instance, 'dataDir' | 'apiServer' | 'namespace' | 's3'>,
  keys: S3Keys
): Record<string, string> {
  const { dataDir, namespace, s3 } = instance;
  const api = new URL(instance.apiServer);
  const jupyter = productJupyterDirs(dataDir);
  return {
    HOME: productHome(dataDir),
    USER: 'jovyan',
    LANG: 'C.UTF-8',
    NB_PREFIX: `/notebook/${namespace}/nb`,
    KUBERNETES_SERVICE_HOST: api.hostname,
    KUBERNETES_SERVICE_PORT: api.port,
    JUPYTER_DATA_DIR: jupyter.data,
    JUPYTER_RUNTIME_DIR: jupyter.runtime,
    JUPYTERLAB_BENTO_SERVICE_ACCOUNT_DIR: serviceAccountDir(dataDir),
    JUPYTERLAB_BENTO_S3_URL: `s3://${s3.bucket}/${s3.prefix}`,
    // Said outright: without it an address on loopback is refused, since no builder could reach it.
    JUPYTERLAB_BENTO_BUILDER_S3_ENDPOINT: s3.endpoint,
    AWS_ENDPOINT_URL_S3: s3.endpoint,
    AWS_REGION: s3.region,
    AWS_ACCESS_KEY_ID: keys.access,
    AWS_SECRET_ACCESS_KEY: keys.secret,
    BENTOML_DO_NOT_TRACK: 'True'
  };
}
