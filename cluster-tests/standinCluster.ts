// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

import {
  GetObjectCommand,
  PutObjectCommand,
  S3Client
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';

import { adminClient } from '../playground/controllers/adminClient';
import type {
  KubeClient,
  Selection
} from '../playground/controllers/kube/client';
import type {
  Kind,
  KubeObject,
  Stored
} from '../playground/controllers/kube/objects';
import { Reflector } from '../playground/controllers/kube/reflector';
import type { Condition } from '../playground/controllers/operators/types';
import type { Pod } from '../playground/controllers/runner/types';
import { type Instance, setFaults } from '../playground/instance';
import { waitFor } from '../playground/wait';
import { writeEchoBento } from './echoBento';
import { sharedPlayground } from './product';

/** What one update changed of an object's conditions. */
export interface Update {
  /** `Type=Status message` of each condition that changed, joined by `; `. */
  text: string;
  /** The API server's own count: a larger one was written later, whatever the object. */
  resourceVersion: number;
}

/** Updates as they are seen, until the watch is stopped. */
export interface Follower {
  updates: Update[];
  stop(): Promise<void>;
}

type Conditioned = KubeObject<unknown, { conditions?: Condition[] }>;

/** What containers may use; the quota wants both sides of it. */
export const resources = {
  requests: { cpu: '100m', memory: '200Mi' },
  limits: { cpu: '500m', memory: '1Gi' }
};

/** The profile's namespace, in which every test works. */
export const namespace = 'ds';

/** The shared playground as the stand-in's tests use it: objects made by hand, with every right. */
export class StandinCluster {
  /** New for each run, since a playground that goes on has the images of the last one. */
  readonly version = `v${randomBytes(4).toString('hex')}`;
  private readonly home = fs.mkdtempSync(path.join(os.tmpdir(), 'standin-'));

  private constructor(
    readonly instance: Instance,
    readonly client: KubeClient
  ) {}

  /** Starts the playground if nobody has, without faults. */
  static async open(): Promise<StandinCluster> {
    const instance = await sharedPlayground();
    return new StandinCluster(instance, adminClient(instance));
  }

  /** Ends all faults and connections. */
  close(): void {
    setFaults(this.instance, []);
    this.client.close();
    fs.rmSync(this.home, { recursive: true });
  }

  /** Asks for the image of a small bento that is put into S3 under the same name. */
  async request(name: string): Promise<void> {
    await this.client.create({
      apiVersion: 'resources.yatai.ai/v1alpha1',
      kind: 'BentoRequest',
      metadata: { name, namespace },
      spec: {
        bentoTag: `${name}:${this.version}`,
        downloadUrl: await this.upload(name),
        imageBuilderContainerResources: resources
      }
    });
  }

  /** Deploys the bento of the same name, which need not be there yet. */
  async deploy(name: string): Promise<void> {
    await this.client.create({
      apiVersion: 'serving.yatai.ai/v2alpha1',
      kind: 'BentoDeployment',
      metadata: { name, namespace },
      spec: { bento: name, resources, ingress: { enabled: false } }
    });
  }

  async remove(kind: Kind, name: string): Promise<void> {
    await this.client.delete({ kind, namespace, name });
  }

  /** Waits until an object is as wanted, and returns it. */
  until<T extends KubeObject>(
    kind: Kind,
    name: string,
    wanted: (object: Stored<T>) => boolean
  ): Promise<Stored<T>> {
    return waitFor(
      async () => {
        const found = await this.client.get<T>(kind, namespace, name);
        return found && wanted(found) ? found : undefined;
      },
      { what: `${kind} ${name} to be as wanted`, timeoutMs: 90_000 }
    );
  }

  /** Waits until the pods with a label are as wanted, and returns them. */
  untilPods(
    labelSelector: string,
    wanted: (pods: Stored<Pod>[]) => boolean
  ): Promise<Stored<Pod>[]> {
    return waitFor(
      async () => {
        const pods = await this.list<Pod>('Pod', labelSelector);
        return wanted(pods) ? pods : undefined;
      },
      { what: `the pods ${labelSelector} to be as wanted`, timeoutMs: 90_000 }
    );
  }

  async list<T extends KubeObject>(
    kind: Kind,
    labelSelector: string
  ): Promise<Stored<T>[]> {
    const { items } = await this.client.list<T>(kind, {
      namespace,
      labelSelector
    });
    return items;
  }

  /** Follows objects from now on; resolves once no update can be missed. */
  async follow(
    kind: Kind,
    selection: Pick<Selection, 'fieldSelector' | 'labelSelector'>
  ): Promise<Follower> {
    const updates: Update[] = [];
    const reflector = new Reflector<Conditioned>({
      client: this.client,
      kind,
      selection: { namespace, ...selection },
      onChange: ({ type, object, previous }) => {
        const text = type === 'deleted' ? '' : changes(object, previous);
        if (text) {
          const resourceVersion = Number(object.metadata.resourceVersion);
          updates.push({ text, resourceVersion });
        }
      }
    });
    await reflector.ready();
    return { updates, stop: () => reflector.stop() };
  }

  /** Puts a small bento into S3 and returns an address that needs no keys. */
  private async upload(name: string): Promise<string> {
    const { home, version, instance } = this;
    writeEchoBento({ home, name, version, user: null });
    const folder = path.join(home, 'bentos', name, version);
    const { endpoint, region, bucket, prefix } = instance.s3;
    const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = instance.productEnv;
    const s3 = new S3Client({
      endpoint,
      region,
      forcePathStyle: true,
      credentials: {
        accessKeyId: String(AWS_ACCESS_KEY_ID),
        secretAccessKey: String(AWS_SECRET_ACCESS_KEY)
      }
    });
    const object = { Bucket: bucket, Key: `${prefix}/standin/${name}.tar` };
    const Body = execFileSync('tar', ['-cf', '-', '-C', folder, '.']);
    await s3.send(new PutObjectCommand({ ...object, Body }));
    const url = await getSignedUrl(s3, new GetObjectCommand(object), {
      expiresIn: 3600
    });
    s3.destroy();
    return url;
  }
}

function changes(object: Conditioned, previous?: Conditioned): string {
  const before = previous?.status?.conditions ?? [];
  return (object.status?.conditions ?? [])
    .filter(
      now =>
        !before.some(
          old =>
            old.type === now.type &&
            old.message === now.message &&
            old.status === now.status
        )
    )
    .map(now => `${now.type}=${now.status} ${now.message}`)
    .join('; ');
}

/** The message of an object's condition if it has that status. */
export function saying(
  object: Conditioned,
  type: string,
  status: string
): string | undefined {
  return object.status?.conditions?.find(
    condition => condition.type === type && condition.status === status
  )?.message;
}

/** Whether an object has a condition with that status. */
export function says(type: string, status: string) {
  return (object: Conditioned): boolean =>
    saying(object, type, status) !== undefined;
}

/** Whether the first of the pods is ready. */
export function readyOf([pod]: Stored<Pod>[]): boolean {
  return (
    pod?.status?.conditions?.some(
      ({ type, status }) => type === 'Ready' && status === 'True'
    ) ?? false
  );
}

/** The processes of a pod, found by what the runner writes into their environment. */
export function pidsOf(uid: string): number[] {
  const marker = `BENTO_PLAYGROUND_CONTAINER=${uid}/`;
  return fs.readdirSync('/proc').flatMap(entry => {
    try {
      const file = `/proc/${entry}/environ`;
      const environment = fs.readFileSync(file, 'utf8').split('\0');
      const found = environment.some(variable => variable.startsWith(marker));
      return found ? [Number(entry)] : [];
    } catch {
      return [];
    }
  });
}
