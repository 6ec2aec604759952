// SPDX-License-Identifier: BSD-3-Clause
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';

import type { ProcessRecord } from './processes';
import { startProcess } from './processes';
import type { Programs } from './servers';

/** Ports of the servers of one playground, all on 127.0.0.1. */
export interface ServerPorts {
  etcd: number;
  etcdPeer: number;
  api: number;
  kwok: number;
  s3: number;
}

/** What the command lines of the servers are made from. */
export interface ServerContext {
  dataDir: string;
  programs: Programs;
  ports: ServerPorts;
  adminToken: string;
  s3Root: { access: string; secret: string };
}

/** The folder in which the API server makes its certificate. */
export function certDir(dataDir: string): string {
  return path.join(dataDir, 'certs');
}

/**
 * The API server's certificate with the one-off authority that signed it; verifies the server.
 * The API server makes both itself when it starts.
 */
export function caFile(dataDir: string): string {
  return path.join(certDir(dataDir), 'apiserver.crt');
}

/** The kubeconfig with every right. */
export function adminKubeconfig(dataDir: string): string {
  return path.join(dataDir, 'admin.kubeconfig');
}

function serviceAccountKey(dataDir: string): string {
  return path.join(dataDir, 'service-account.key');
}

/** A kubeconfig of one cluster and one user; JSON, which is YAML too. */
export function kubeconfig(options: {
  apiServer: string;
  caFile: string;
  user: { token: string } | { tokenFile: string };
  namespace?: string;
}): string {
  return JSON.stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'playground',
      clusters: [
        {
          name: 'playground',
          cluster: {
            server: options.apiServer,
            'certificate-authority': options.caFile
          }
        }
      ],
      users: [{ name: 'playground', user: options.user }],
      contexts: [
        {
          name: 'playground',
          context: {
            cluster: 'playground',
            user: 'playground',
            namespace: options.namespace
          }
        }
      ]
    },
    null,
    2
  );
}

/** Makes the secrets that the servers read at their start. */
export function prepareControlPlane(context: ServerContext): void {
  const { dataDir, adminToken, ports } = context;
  const pair = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'sec1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' }
  });
  const secret = { mode: 0o600 };
  fs.writeFileSync(serviceAccountKey(dataDir), pair.privateKey, secret);
  const row = `${adminToken},playground-admin,playground-admin,"system:masters"\n`;
  fs.writeFileSync(path.join(dataDir, 'tokens.csv'), row, secret);
  const config = kubeconfig({
    apiServer: `https://127.0.0.1:${String(ports.api)}`,
    caFile: caFile(dataDir),
    user: { token: adminToken }
  });
  fs.writeFileSync(adminKubeconfig(dataDir), config, secret);
}

/** A token that cannot be guessed. */
export function newSecret(): string {
  return randomBytes(24).toString('hex');
}

function start(
  context: ServerContext,
  name: Parameters<Programs['path']>[0],
  args: readonly string[]
): Promise<ProcessRecord> {
  const command = context.programs.path(name);
  return startProcess({ dataDir: context.dataDir, name, command, args });
}

/** Starts etcd, which forgets safety for speed: its data never outlives a playground. */
export function startEtcd(context: ServerContext): Promise<ProcessRecord> {
  const client = `http://127.0.0.1:${String(context.ports.etcd)}`;
  const peer = `http://127.0.0.1:${String(context.ports.etcdPeer)}`;
  return start(context, 'etcd', [
    `--data-dir=${path.join(context.dataDir, 'etcd')}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    '--unsafe-no-fsync',
    '--log-level=warn'
  ]);
}

/** Starts the API server; it waits for etcd by itself. */
export function startApiServer(context: ServerContext): Promise<ProcessRecord> {
  const { dataDir, ports } = context;
  const key = serviceAccountKey(dataDir);
  return start(context, 'kube-apiserver', [
    `--etcd-servers=http://127.0.0.1:${String(ports.etcd)}`,
    '--bind-address=127.0.0.1',
    // Else it looks for a default route, which a machine without a network lacks.
    '--advertise-address=127.0.0.1',
    `--secure-port=${String(ports.api)}`,
    `--cert-dir=${certDir(dataDir)}`,
    `--token-auth-file=${path.join(dataDir, 'tokens.csv')}`,
    '--authorization-mode=Node,RBAC',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-signing-key-file=${key}`,
    `--service-account-key-file=${key}`,
    '--service-cluster-ip-range=10.96.0.0/16',
    // Loopback is no address for the Service `kubernetes`, which nothing here uses.
    '--endpoint-reconciler-type=none',
    '--kubelet-preferred-address-types=InternalIP',
    '--allow-privileged=true'
  ]);
}

/** Starts the controllers of Kubernetes itself and the scheduler. */
export async function startControllersAndScheduler(
  context: ServerContext
): Promise<ProcessRecord[]> {
  const common = [
    `--kubeconfig=${adminKubeconfig(context.dataDir)}`,
    '--leader-elect=false',
    '--secure-port=0',
    '--kube-api-qps=200',
    '--kube-api-burst=400'
  ];
  return Promise.all([
    start(context, 'kube-controller-manager', [
      ...common,
      `--service-account-private-key-file=${serviceAccountKey(context.dataDir)}`,
      `--root-ca-file=${caFile(context.dataDir)}`
    ]),
    start(context, 'kube-scheduler', common)
  ]);
}

/**
 * Starts KWOK as the node's kubelet. It plays nothing of a pod's life, but for its removal where no
 * controllers run: those let a pod's processes end before they remove it.
 */
export function startKwok(
  context: ServerContext,
  controllers: boolean
): Promise<ProcessRecord> {
  const { dataDir, ports, programs } = context;
  const stages = [
    'node-initialize',
    'node-heartbeat-with-lease',
    ...(controllers ? [] : ['pod-delete'])
  ];
  return start(context, 'kwok', [
    `--kubeconfig=${adminKubeconfig(dataDir)}`,
    '--manage-all-nodes=true',
    '--node-ip=127.0.0.1',
    `--node-port=${String(ports.kwok)}`,
    `--server-address=127.0.0.1:${String(ports.kwok)}`,
    `--tls-cert-file=${caFile(dataDir)}`,
    `--tls-private-key-file=${path.join(certDir(dataDir), 'apiserver.key')}`,
    // Without it the node's lease ran out between two heartbeats.
    '--node-lease-duration-seconds=40',
    '--enable-crds=PortForward,Logs',
    ...stages.map(stage => `--config=${programs.kwokFile(`${stage}.yaml`)}`)
  ]);
}

/** The path that versitygw answers on without a signature. */
export const s3HealthPath = '/playground-health';

/** Starts versitygw on a folder; metadata lies beside it, since not every disk takes attributes. */
export function startS3(context: ServerContext): Promise<ProcessRecord> {
  const { dataDir, ports, s3Root } = context;
  const folders = ['buckets', 'metadata', 'accounts'].map(name =>
    path.join(dataDir, 's3', name)
  );
  const [buckets, metadata, accounts] = folders.map(folder => {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    return folder;
  }) as [string, string, string];
  return startProcess({
    dataDir,
    name: 'versitygw',
    command: context.programs.path('versitygw'),
    // In the environment, not in the arguments, which any user can list.
    env: { ROOT_ACCESS_KEY: s3Root.access, ROOT_SECRET_KEY: s3Root.secret },
    args: [
      `--port=127.0.0.1:${String(ports.s3)}`,
      `--iam-dir=${accounts}`,
      `--health=${s3HealthPath}`,
      'posix',
      `--sidecar=${metadata}`,
      buckets
    ]
  });
}
