// SPDX-License-Identifier: BSD-3-Clause
import fc from 'fast-check';
import type { BentoError } from './errors';
import {
  checkDeploymentName,
  checkRunnerNames,
  DEPLOYMENT_NAME_LIMIT,
  deploymentName,
  requestName
} from './names';

const DNS_LABEL = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;

/** What BentoML accepts as a name or a version. */
const part = fc
  .stringMatching(/^[a-z0-9]([-._a-z0-9]{0,61}[a-z0-9])?$/)
  .filter(text => text.length <= 63);
const tag = fc.tuple(part, part).map(parts => parts.join(':'));

function paramsOf(call: () => void): Record<string, string | number> {
  try {
    call();
  } catch (error) {
    return (error as BentoError).params;
  }
  throw new Error('nothing was thrown');
}

describe('requestName', () => {
  it.each([
    ['iris:1', 'iris--1'],
    ['support-ticket:v2', 'support-ticket--v2'],
    ['credit:l652ugcqkgefhd7k', 'credit--l652ugcqkgefhd7k'],
    // The plain form, then a hash wherever something was replaced or cut.
    ['fraud_detection:o5smnagbncigycvj', 'fraud-detection--o5smnagbncigycvj-'],
    ['a.b_c:v1.2.3', 'a-b-c--v1-2-3-'],
    ['9lives:x', 'b-9lives--x-'],
    ['1-tf-mnist-svc--v-1-2-3:x', 'b-1-tf-mnist-svc--v-1-2-3--x-'],
    ['a:b--c', 'a--b--c-']
  ])('%s → %s', (text, start) => {
    const name = requestName(text);
    expect(name.startsWith(start)).toBe(true);
    expect(name.slice(start.length)).toMatch(
      start.endsWith('-') ? /^[0-9a-f]{8}$/ : /^$/
    );
  });

  it('tells apart what would look the same', () => {
    const tags = ['a-b:c', 'a_b:c', 'a.b:c', 'a--b:c', 'a:b--c'];
    expect(new Set(tags.map(requestName)).size).toBe(tags.length);
  });

  it('is lower-case like the tag that BentoML makes of it', () => {
    expect(requestName('MyModel:V1')).toBe('mymodel--v1');
  });

  it('needs a version', () => {
    expect(() => requestName('iris')).toThrow('it has no version');
  });

  it('is a DNS label and a label value for every tag', () => {
    fc.assert(
      fc.property(tag, text => {
        const name = requestName(text);
        expect(name).toMatch(DNS_LABEL);
        expect(name.length).toBeLessThanOrEqual(63);
        expect(requestName(text)).toBe(name);
      })
    );
  });

  it('never gives two tags one name', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(tag, { minLength: 2, maxLength: 20 }),
        tags => {
          expect(new Set(tags.map(requestName)).size).toBe(tags.length);
        }
      )
    );
  });
});

describe('deploymentName', () => {
  it.each([
    ['iris', 'iris'],
    ['fraud_detection', 'fraud-detection'],
    ['9lives', 'b-9lives'],
    ['a.b', 'a-b']
  ])('%s → %s', (bento, name) => {
    expect(deploymentName(bento)).toBe(name);
  });

  it('can always be used', () => {
    fc.assert(
      fc.property(part, name => {
        expect(() => checkDeploymentName(deploymentName(name))).not.toThrow();
      })
    );
  });

  it('keeps long names apart when they are cut', () => {
    const stem = 'x'.repeat(55);
    expect(deploymentName(`${stem}1`)).not.toBe(deploymentName(`${stem}2`));
  });
});

describe('checkDeploymentName', () => {
  it.each([
    ['', 'empty'],
    ['has.dot', 'it holds "."'],
    ['has_underscore', 'it holds "_"'],
    ['Upper', 'begin with a lower-case letter'],
    ['9lives', 'begin with a lower-case letter'],
    ['ends-', 'ends with "-"'],
    ['a'.repeat(51), '51 characters']
  ])('refuses %p', (name, reason) => {
    const params = paramsOf(() => checkDeploymentName(name));
    expect(params).toMatchObject({ name, limit: DEPLOYMENT_NAME_LIMIT });
    expect(params.reason).toContain(reason);
  });

  it('leaves room for everything that the operator makes of a name', () => {
    const longest = 'a'.repeat(DEPLOYMENT_NAME_LIMIT);
    checkDeploymentName(longest);
    for (const suffix of ['-envoy-config', '-runner-999', '-runner-d-99']) {
      expect(`${longest}${suffix}`.length).toBeLessThanOrEqual(63);
    }
  });
});

describe('checkRunnerNames', () => {
  it('takes what can be a label value, and refuses what cannot', () => {
    const check = (name: string) => () => checkRunnerNames('a:b', [{ name }]);
    expect(check('Iris_CLF')).not.toThrow();
    expect(check('x'.repeat(64))).toThrow('at most 63');
    expect(check('a/b')).toThrow('runner name "a/b"');
  });
});
