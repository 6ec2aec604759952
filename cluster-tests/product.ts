// SPDX-License-Identifier: BSD-3-Clause
import * as path from 'node:path';
import {
  type Bridge,
  type BridgeClient,
  connectBridge,
  startBridge
} from '../playground/bridge';
import { ensureEnv } from '../playground/envs';
import { type Instance, setFaults, up } from '../playground/instance';

/**
 * Name of the playground that all cluster tests share; the end of the run takes
 * it down. Another name lets two runs go on side by side.
 */
export const SHARED = process.env.BENTO_TEST_PLAYGROUND ?? 'cluster-tests';

/** A bridge on the shared playground, as the product runs there. */
export interface Product {
  instance: Instance;
  bridge: Bridge;
  client: BridgeClient;
  /** BENTOML_HOME of the product's user. */
  home: string;
  stop(): Promise<void>;
}

/** The playground that all cluster tests share, started by whoever asks first. */
export async function sharedPlayground(): Promise<Instance> {
  await ensureEnv('current');
  const instance = await up({ name: SHARED });
  setFaults(instance, []);
  return instance;
}

/** Starts a bridge with the product's own environment, rights and user. */
export async function startProduct(
  env: Record<string, string> = {}
): Promise<Product> {
  const instance = await sharedPlayground();
  const bridge = await startBridge({
    env: { ...instance.productEnv, ...env },
    user: instance.user
  });
  const client = await connectBridge(bridge.socketPath);
  return {
    instance,
    bridge,
    client,
    home: path.join(instance.productEnv.HOME ?? '', 'bentoml'),
    stop: async () => {
      client.close();
      await bridge.stop();
    }
  };
}
