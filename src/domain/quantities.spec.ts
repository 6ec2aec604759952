// SPDX-License-Identifier: BSD-3-Clause
import fc from 'fast-check';
import type { BentoError } from './errors';
import {
  BUILDER_DEFAULTS,
  fullResources,
  parseQuantity,
  SERVING_DEFAULTS
} from './quantities';
import type { Resources } from '../protocol';

function errorOf(call: () => unknown): BentoError {
  try {
    call();
  } catch (error) {
    return error as BentoError;
  }
  throw new Error('nothing was thrown');
}

describe('parseQuantity', () => {
  it.each<[string | number, number]>([
    ['500m', 0.5],
    ['1', 1],
    [1, 1],
    [0.5, 0.5],
    ['.5', 0.5],
    ['2.', 2],
    ['+1', 1],
    ['1Ki', 1024],
    ['1Gi', 1024 ** 3],
    ['1k', 1000],
    ['1G', 1e9],
    ['1e3', 1000],
    ['1E3', 1000],
    ['1E', 1e18],
    ['12e-2', 0.12]
  ])('%p is %p', (text, value) => {
    expect(parseQuantity(text, 'cpu')).toBeCloseTo(value, 12);
  });

  it.each([
    ['', 'empty'],
    ['-1', 'negative'],
    ['1 Gi', 'without a space'],
    ['lots', 'a number and a unit'],
    ['1GB', 'did you mean Gi?'],
    ['1gi', 'did you mean Gi?'],
    ['1K', 'did you mean Ki?'],
    ['1x', '"x" is no unit']
  ])('refuses %p', (value, reason) => {
    const error = errorOf(() => parseQuantity(value, 'limits.memory'));
    expect(error.code).toBe('quantityInvalid');
    expect(error.params).toMatchObject({ field: 'limits.memory', value });
    expect(error.params.reason).toContain(reason);
  });

  it('reads every number with every unit', () => {
    const units = ['n', 'u', 'm', '', 'k', 'M', 'G', 'Ki', 'Mi', 'Gi', 'Ti'];
    fc.assert(
      fc.property(fc.nat(100000), fc.constantFrom(...units), (number, unit) => {
        const value = parseQuantity(`${number}${unit}`, 'x');
        expect(value).toBeGreaterThanOrEqual(0);
        expect(parseQuantity(`${number * 2}${unit}`, 'x')).toBeCloseTo(
          value * 2,
          5
        );
      })
    );
  });
});

describe('fullResources', () => {
  it('names all four values', () => {
    expect(fullResources(undefined, SERVING_DEFAULTS, 'r')).toEqual({
      requests: { cpu: '300m', memory: '500Mi' },
      limits: { cpu: '500m', memory: '1Gi' }
    });
    expect(fullResources({}, BUILDER_DEFAULTS, 'r')).toEqual(BUILDER_DEFAULTS);
  });

  it('makes texts of numbers and leaves out what is empty', () => {
    const given = {
      limits: { cpu: 2, memory: '' }
    } as unknown as Resources;
    expect(fullResources(given, SERVING_DEFAULTS, 'r').limits).toEqual({
      cpu: '2',
      memory: '1Gi'
    });
  });

  it.each<[string, Resources, string]>([
    ['millibytes', { limits: { memory: '512m' } }, 'did you mean 512Mi?'],
    ['bare bytes', { requests: { memory: '512' } }, 'did you mean 512Mi?'],
    ['a unit of memory for CPU', { limits: { cpu: '500Mi' } }, 'not of CPU'],
    [
      'a limit below its request',
      { requests: { cpu: '2' }, limits: { cpu: '1' } },
      'the limit 1 is below the request 2'
    ],
    [
      'a limit below the default request',
      { limits: { cpu: '200m' } },
      'the limit 200m is below the default request 300m'
    ],
    [
      'a limit below the default request of memory',
      { limits: { memory: '256Mi' } },
      'below the default request 500Mi'
    ],
    [
      'a request above the default limit',
      { requests: { memory: '4Gi' } },
      'the limit 1Gi is below the request 4Gi'
    ],
    ['half a GPU', { limits: { gpu: '0.5' } }, 'whole number'],
    [
      'two numbers of GPUs',
      { requests: { gpu: '2' }, limits: { gpu: '1' } },
      'must be equal'
    ]
  ])('refuses %s', (_what, given, reason) => {
    const error = errorOf(() => fullResources(given, SERVING_DEFAULTS, 'api'));
    expect(error.code).toBe('resourcesInvalid');
    expect(error.params.field).toMatch(/^api\.(limits|requests)\./);
    expect(error.params.reason).toContain(reason);
  });

  it('puts a request for GPUs where the operator reads it', () => {
    const { requests, limits } = fullResources(
      { requests: { gpu: '1' } },
      SERVING_DEFAULTS,
      'r'
    );
    expect(limits.gpu).toBe('1');
    expect(requests).not.toHaveProperty('gpu');
  });

  it('never returns a limit below its request', () => {
    const cpu = fc.option(
      fc.nat(4000).map(n => `${n}m`),
      { nil: undefined }
    );
    const memory = fc.option(
      fc.integer({ min: 1, max: 9000 }).map(n => `${n}Mi`),
      { nil: undefined }
    );
    const list = fc.record({ cpu, memory });
    fc.assert(
      fc.property(list, list, (requests, limits) => {
        let full;
        try {
          full = fullResources({ requests, limits }, SERVING_DEFAULTS, 'r');
        } catch {
          return;
        }
        for (const key of ['cpu', 'memory'] as const) {
          expect(parseQuantity(full.limits[key], key)).toBeGreaterThanOrEqual(
            parseQuantity(full.requests[key], key)
          );
        }
      })
    );
  });
});
