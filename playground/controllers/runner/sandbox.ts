// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as path from 'node:path';

import type { Instance } from '../../instance';
import { instanceMarker } from '../../instance';
import { freePorts } from '../../ports';
import type { Stored } from '../kube/objects';
import type { ContainerSpec, Pod } from './types';

/** Where root runs pods: a user who owns nothing else, so the product's home stays closed to them. */
const podUser =
  process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined;

const promised = new Set<number>();

/** Gives a folder to the user that pods run as. */
export function giveToPods(folder: string): void {
  fs.mkdirSync(folder, { recursive: true });
  fs.chmodSync(folder, 0o755);
  if (podUser) {
    fs.chownSync(folder, podUser.uid, podUser.gid);
  }
}

/**
 * What a pod has of this machine: a folder of its own for volumes and home, ports of 127.0.0.1 for
 * its ports, and the user it runs as. There is no wall around it but that user's rights.
 */
export class PodSandbox {
  readonly dir: string;
  readonly user = podUser;
  private readonly ports = new Map<number, number>();

  constructor(
    private readonly instance: Instance,
    private readonly pod: Stored<Pod>
  ) {
    this.dir = path.join(instance.dataDir, 'pods', pod.metadata.uid);
  }

  /** Makes the folders, empty, and chooses the ports. */
  async prepare(): Promise<void> {
    fs.rmSync(this.dir, { recursive: true, force: true });
    const all = path.dirname(this.dir);
    fs.mkdirSync(all, { recursive: true });
    fs.chmodSync(all, 0o755);
    giveToPods(this.dir);
    giveToPods(this.home);
    const wanted = (this.pod.spec?.containers ?? []).flatMap(({ ports = [] }) =>
      ports.map(({ containerPort }) => containerPort)
    );
    const chosen = await freePorts(wanted.length, promised);
    wanted.forEach((port, index) => {
      const local = chosen[index] ?? 0;
      promised.add(local);
      this.ports.set(port, local);
    });
  }

  get home(): string {
    return path.join(this.dir, 'home');
  }

  /** The port of 127.0.0.1 that stands for a port of the pod. */
  localPort(port: number): number | undefined {
    return this.ports.get(port);
  }

  get localPorts(): ReadonlyMap<number, number> {
    return this.ports;
  }

  /** Folders as the container sees them, and where they are; made if need be. */
  folders(container: ContainerSpec): Map<string, string> {
    const mounts = (container.volumeMounts ?? [])
      .filter(({ mountPath }) => !mountPath.startsWith('/var/run/'))
      .map(
        ({ name, mountPath }) =>
          [mountPath, path.join(this.dir, 'volumes', name)] as const
      );
    const own = ['/tmp', path.join(this.dir, 'tmp', container.name)] as const;
    const folders = new Map([...mounts, own]);
    for (const folder of folders.values()) {
      giveToPods(path.dirname(folder));
      giveToPods(folder);
    }
    return folders;
  }

  /** Where a container's log goes, one file for each start of it. */
  logFile(container: string, restart: number): string {
    const { name, namespace, uid } = this.pod.metadata;
    const folder = `${namespace}_${name}_${uid}`;
    return path.join(
      this.instance.podLogsDir,
      folder,
      container,
      `${String(restart)}.log`
    );
  }

  /** The environment of every process; nothing of the product's, no keys. */
  baseEnv(): Record<string, string> {
    return {
      PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
      HOME: this.home,
      LANG: 'C.UTF-8',
      BENTOML_HOME: path.join(this.home, 'bentoml'),
      BENTOML_DO_NOT_TRACK: 'True',
      [instanceMarker]: this.instance.dataDir
    };
  }

  /** Gives the ports back and removes the folders; logs stay. */
  remove(): void {
    this.ports.forEach(port => promised.delete(port));
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}
