// SPDX-License-Identifier: BSD-3-Clause
import { planDeletion } from './deletion';
import type { Snapshot } from './kube';
import { ANNOTATIONS } from './objects';
import {
  aBento,
  aDeployment,
  aJob,
  APPLIED,
  aRequest,
  BENTO,
  BUILDING,
  IMAGE,
  meta,
  NAME,
  servingParts,
  snapshotOf,
  WAITING
} from './testObjects';

const OURS = { 'app.kubernetes.io/managed-by': 'jupyterlab-bento' };
const ARCHIVE = 's3://b/p/x.tar';

function plan(parts: Partial<Snapshot>, name = NAME): string[] {
  return planDeletion(snapshotOf(parts), name).map(
    ({ fate, kind, name: item, note }) =>
      `${fate} ${kind} ${item}${note === undefined ? '' : ` (${note})`}`
  );
}

const request = aRequest(BUILDING, {
  labels: OURS,
  annotations: { [ANNOTATIONS.archive]: ARCHIVE }
});
const whole: Partial<Snapshot> = {
  ...servingParts('complete'),
  bentoRequests: [request],
  jobs: [aJob()]
};

describe('planDeletion', () => {
  it('lists all that goes and what stays', () => {
    expect(plan(whole)).toEqual([
      `explicit BentoDeployment ${NAME}`,
      `owned Deployment ${NAME} (with its pods)`,
      `owned HorizontalPodAutoscaler ${NAME}`,
      `owned Deployment ${NAME}-runner-0 (with its pods)`,
      `owned HorizontalPodAutoscaler ${NAME}-runner-0`,
      `owned Deployment ${NAME}-runner-1 (with its pods)`,
      `owned HorizontalPodAutoscaler ${NAME}-runner-1`,
      `owned Service ${NAME} (and the Services of its runners)`,
      `owned ConfigMap ${NAME}-envoy-config`,
      `explicit BentoRequest ${BENTO}`,
      `owned Bento ${BENTO}`,
      `owned Job job-1 (with its pods)`,
      `kept S3 object ${ARCHIVE}`,
      `kept Image ${IMAGE}`
    ]);
  });

  it('is short while the image is being built', () => {
    expect(
      plan({
        bentoRequests: [request],
        bentoDeployments: [aDeployment(WAITING)],
        jobs: [aJob()]
      })
    ).toEqual([
      `explicit BentoDeployment ${NAME}`,
      `explicit BentoRequest ${BENTO}`,
      'owned Job job-1 (with its pods)',
      `kept S3 object ${ARCHIVE}`
    ]);
  });

  it('keeps a Bento that another deployment uses', () => {
    const other = {
      ...aDeployment(APPLIED),
      metadata: meta('BentoDeployment', 'other')
    };
    const items = plan({
      ...whole,
      bentoDeployments: [...(whole.bentoDeployments ?? []), other]
    });
    expect(items).toContain(`kept BentoRequest ${BENTO} (used by other)`);
    expect(items.join()).not.toMatch(
      /(owned|explicit) (Bento|Job|BentoRequest) /
    );
  });

  it('keeps what was not made here', () => {
    const items = plan({
      ...whole,
      bentoRequests: [aRequest(BUILDING, { labels: {} })]
    });
    expect(items).toContain(`kept BentoRequest ${BENTO} (was not made here)`);
    expect(items[0]).toBe(`explicit BentoDeployment ${NAME}`);
  });

  it('warns of a deployment that was not made here', () => {
    const [first] = plan({
      bentoDeployments: [aDeployment(WAITING, { labels: {} })]
    });
    expect(first).toBe(`explicit BentoDeployment ${NAME} (was not made here)`);
  });

  it.each([
    [OURS, `explicit Bento ${BENTO}`],
    [{}, `kept Bento ${BENTO} (was not made here)`]
  ])('the Bento of a given image, with labels %p', (labels, line) => {
    const bento = aBento(['a', 'b'], { ownerReferences: [], labels });
    const items = plan({
      ...whole,
      bentoRequests: [],
      bentoes: [bento],
      jobs: []
    });
    expect(items).toContain(line);
    expect(items).toContain(`kept Image ${IMAGE}`);
  });

  it('knows a BentoRequest without a deployment', () => {
    expect(plan({ bentoRequests: [request] }, BENTO)).toEqual([
      `explicit BentoRequest ${BENTO}`,
      `kept S3 object ${ARCHIVE}`
    ]);
  });

  it('names what there is when the name is unknown', () => {
    expect(() => plan(whole, 'nope')).toThrow(/nope in namespace ds/);
    try {
      plan(whole, 'nope');
    } catch (error) {
      expect((error as { hint: string }).hint).toContain(NAME);
    }
  });
});
