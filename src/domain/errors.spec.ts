// SPDX-License-Identifier: BSD-3-Clause
import type * as errors from './errors';
import { BentoError, fill, toBentoError } from './errors';
import { ERROR_TEXTS } from './errorTexts';

describe('BentoError', () => {
  it('fills text and hint from its parameters', () => {
    const error = new BentoError('bentoNotFound', {
      params: { tag: 'iris:9', home: '/home/u/bentoml', known: 'iris:1' }
    });
    expect(error.toData()).toEqual({
      code: 'bentoNotFound',
      params: { tag: 'iris:9', home: '/home/u/bentoml', known: 'iris:1' },
      message: 'There is no bento iris:9 in /home/u/bentoml.',
      hint: 'Known: iris:1',
      retryable: false,
      details: []
    });
  });

  it('shows a gap that nobody filled', () => {
    expect(fill('{a} and {b}', { a: 1 })).toBe('1 and {b}');
  });

  it('does not fill a gap that a value brings along', () => {
    expect(fill('{a} {b}', { a: '{b}', b: 'x' })).toBe('{b} x');
  });

  it('keeps a known error and wraps an unknown one', () => {
    const known = new BentoError('cancelled');
    expect(toBentoError(known)).toBe(known);
    expect(toBentoError(new Error('boom')).message).toBe(
      'Unexpected error: boom'
    );
    expect(toBentoError('boom').code).toBe('internal');
  });

  it('is known across bundles, which have classes of their own', () => {
    jest.isolateModules(() => {
      const other = jest.requireActual<typeof errors>('./errors');
      const error = new other.BentoError('cancelled');
      expect(other.BentoError).not.toBe(BentoError);
      expect(error instanceof BentoError).toBe(true);
      expect(toBentoError(error)).toBe(error);
    });
    expect(new Error('x') instanceof BentoError).toBe(false);
  });

  it.each(Object.entries(ERROR_TEXTS))('%s ends its sentences', (_, text) => {
    expect(text.message).toMatch(/[.}]$|\)\.$/);
    expect(text.hint === '' || /[.}]$/.test(text.hint)).toBe(true);
  });
});
