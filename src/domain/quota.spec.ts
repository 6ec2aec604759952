// SPDX-License-Identifier: BSD-3-Clause
import { buildBentoDeployment } from './objects';
import { deployNeeds, quotaProblems } from './quota';

const { spec } = buildBentoDeployment({
  namespace: 'ds',
  name: 'x',
  bento: {
    tag: 'x:1',
    name: 'x',
    services: [],
    runners: [
      { name: 'a', models: [] },
      { name: 'b', models: [] }
    ],
    models: []
  },
  runners: { b: { minReplicas: 2, resources: { limits: { gpu: '1' } } } }
});

function quota(
  hard: Record<string, string>,
  used: Record<string, string> = {}
) {
  return [{ name: 'kf-resource-quota', hard, used }];
}

describe('deployNeeds', () => {
  it('counts containers, sidecars and replicas', () => {
    const needs = deployNeeds(spec, 'none');
    // Four pods, each with its own 300m and 10m, and the proxy's 100m.
    expect(needs['requests.cpu']).toBeCloseTo(4 * 0.31 + 0.1);
    expect(needs['limits.memory']).toBe((4 * (1024 + 100) + 1000) * 1024 ** 2);
    expect(needs).toMatchObject({
      pods: 4,
      services: 3,
      'count/deployments.apps': 3,
      'limits.nvidia.com/gpu': 2
    });
  });

  it('takes the build where that is the larger', () => {
    const needs = deployNeeds(spec, { limits: { cpu: '16' } });
    expect(needs['limits.cpu']).toBe(16);
    expect(needs.pods).toBe(4);
  });
});

describe('quotaProblems', () => {
  const needs = deployNeeds(spec, 'none');

  it.each([
    ['enough is free', quota({ cpu: '4', pods: '10' }, { cpu: '2' }), []],
    ['what it does not limit', quota({ 'requests.storage': '5Gi' }), []],
    [
      'too little is free now',
      quota({ cpu: '4' }, { cpu: '3' }),
      [[false, '1340m of cpu are needed, 1000m of 4000m are free.']]
    ],
    [
      'it can never fit',
      quota({ 'limits.memory': '4Gi' }),
      [[true, '5496Mi of limits.memory are needed, 4096Mi of 4096Mi are free.']]
    ],
    [
      'too many pods',
      quota({ 'count/pods': '3' }, { 'count/pods': '5' }),
      [[true, '4 of count/pods are needed, 0 of 3 are free.']]
    ]
  ])('%s', (_what, quotas, expected) => {
    expect(
      quotaProblems(quotas, needs).map(({ certain, text }) => [certain, text])
    ).toEqual(expected);
  });
});
