// SPDX-License-Identifier: BSD-3-Clause
import type { Instance } from '../instance';
import type { FaultSwitch } from './faultSwitch';
import type { KubeClient } from './kube/client';

/** What every part of the controllers is given. */
export interface ControllersContext {
  instance: Instance;
  client: KubeClient;
  faults: FaultSwitch;
  log: (line: string) => void;
}
