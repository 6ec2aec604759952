// SPDX-License-Identifier: BSD-3-Clause
import type { Pod, Snapshot } from '../../../domain/kube';
import type { NamespaceView } from '../target';

/** What to vary of a pod. */
export interface PodSketch {
  name: string;
  deployment?: string;
  ready?: boolean;
  terminating?: boolean;
  version?: string;
  component?: string;
  port?: number;
  created?: string;
}

function metadata(name: string, labels: Record<string, string> = {}) {
  return {
    name,
    namespace: 'ds',
    uid: `uid-${name}`,
    resourceVersion: '1',
    creationTimestamp: '2026-01-01T00:00:00Z',
    labels,
    annotations: {},
    ownerReferences: []
  };
}

/** A pod as the operator and a kubelet leave it. */
export function sketchPod(sketch: PodSketch): Pod {
  const { name, ready = true, version = 'v1', port = 3000 } = sketch;
  const base = metadata(name, {
    'yatai.ai/bento-deployment': sketch.deployment ?? 'demo',
    'yatai.ai/bento-deployment-component-type':
      sketch.component ?? 'api-server',
    'yatai.ai/bento-version': version
  });
  return {
    metadata: {
      ...base,
      creationTimestamp: sketch.created ?? base.creationTimestamp,
      ...(sketch.terminating === true
        ? { deletionTimestamp: '2026-01-02T00:00:00Z' }
        : {})
    },
    phase: 'Running',
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    containers: [
      {
        name: 'metrics-transformer',
        ports: [{ name: 'metrics', containerPort: 3003 }]
      },
      { name: 'main', ports: [{ name: 'http', containerPort: port }] }
    ],
    initStatuses: [],
    statuses: [{ name: 'main', ready, restartCount: 0, image: 'demo' }]
  };
}

/** A namespace whose content the test sets. */
export class FakeView implements NamespaceView {
  /** How many have acquired it. */
  held = 0;
  private readonly callbacks = new Set<() => void>();
  private content: Snapshot = {
    namespace: 'ds',
    bentoRequests: [],
    bentoes: [],
    bentoDeployments: [],
    jobs: [],
    pods: [],
    deployments: [],
    events: []
  };

  /** Puts deployments named so and these pods in place of what was there. */
  set(pods: PodSketch[], names: string[] = ['demo'], version = 'v1'): void {
    this.content = {
      ...this.content,
      pods: pods.map(sketchPod),
      bentoDeployments: names.map(name => ({
        metadata: metadata(name),
        spec: { bento: 'demo--v1', runners: [] },
        conditions: []
      })),
      deployments: names.map(name => ({
        metadata: metadata(name, { 'yatai.ai/bento-version': version }),
        replicas: 1,
        observedGeneration: 1,
        totalReplicas: 1,
        updatedReplicas: 1,
        readyReplicas: 1,
        availableReplicas: 1,
        conditions: []
      }))
    };
    for (const callback of this.callbacks) {
      callback();
    }
  }

  acquire(): () => void {
    this.held++;
    return () => {
      this.held--;
    };
  }

  synced(): Promise<void> {
    return Promise.resolve();
  }

  snapshot(): Snapshot {
    return this.content;
  }

  onChange(callback: () => void): () => void {
    this.callbacks.add(callback);
    return () => this.callbacks.delete(callback);
  }
}
