// SPDX-License-Identifier: BSD-3-Clause
import fc from 'fast-check';
import { BentoError } from './errors';
import { formatTag, isTagPart, parseTag } from './tags';

function failure(text: string): BentoError {
  try {
    parseTag(text);
  } catch (error) {
    if (error instanceof BentoError) {
      return error;
    }
  }
  throw new Error(`"${text}" was accepted`);
}

const edge = fc.constantFrom(...'abcxyz0189');
const inner = fc.string({
  unit: fc.constantFrom(...'abcxyz0189-._'),
  maxLength: 61
});
const part = fc
  .tuple(edge, fc.option(fc.tuple(inner, edge)))
  .map(([first, rest]) => first + (rest ?? []).join(''));

describe('parseTag', () => {
  it.each([
    ['iris', { name: 'iris' }],
    ['iris:latest', { name: 'iris', version: 'latest' }],
    [
      'iris_classifier:3oevmqfvnkvwvuqj',
      { name: 'iris_classifier', version: '3oevmqfvnkvwvuqj' }
    ],
    ['MyModel:V1', { name: 'mymodel', version: 'v1' }],
    ['a.b_c-d:v1.2.3', { name: 'a.b_c-d', version: 'v1.2.3' }],
    ['9lives:1.10', { name: '9lives', version: '1.10' }],
    [' iris:1 ', { name: 'iris', version: '1' }]
  ])('reads %s', (text, tag) => {
    expect(parseTag(text)).toEqual(tag);
  });

  it.each([
    ['', 'the name is empty'],
    [':1', 'the name is empty'],
    ['iris:', 'did you mean "iris:latest"?'],
    ['a:b:c', 'more than one ":"'],
    ['_svc:1', 'name "_svc"'],
    ['x.:1', 'name "x."'],
    ['x:1-', 'version "1-"'],
    ['x y', 'name "x y"'],
    ['../x:1', 'name "../x"'],
    ['x'.repeat(64), '64 characters'],
    ['x:' + 'y'.repeat(64), '64 characters']
  ])('refuses "%s"', (text, reason) => {
    const error = failure(text);
    expect(error.code).toBe('invalidTag');
    expect(error.message).toContain(reason);
  });

  it('reads back what formatTag writes', () => {
    fc.assert(
      fc.property(
        part,
        fc.option(part, { nil: undefined }),
        (name, version) => {
          const tag = version === undefined ? { name } : { name, version };
          expect(parseTag(formatTag(tag))).toEqual(tag);
        }
      )
    );
  });

  it('either refuses a text or yields parts that are safe as folder names', () => {
    fc.assert(
      fc.property(fc.string(), text => {
        let tag;
        try {
          tag = parseTag(text);
        } catch (error) {
          expect(error).toBeInstanceOf(BentoError);
          return;
        }
        expect(isTagPart(tag.name)).toBe(true);
        expect(tag.name).not.toMatch(/[/\\]|^\.+$/);
      })
    );
  });
});
