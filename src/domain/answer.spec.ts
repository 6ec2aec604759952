// SPDX-License-Identifier: BSD-3-Clause
import { decodeText, guessContentType, mediaType } from './answer';

const bytes = (...values: number[]) => Uint8Array.from(values);

it.each([
  'application/json',
  'text/plain',
  'text/event-stream',
  'application/problem+json; charset=utf-8',
  'Application/JSON',
  'image/svg+xml',
  'application/x-ndjson'
])('%s is text', type => {
  expect(decodeText(bytes(0xc3, 0xa9), type)).toBe('é');
});

it.each(['application/octet-stream', 'image/png', '', 'application/zip'])(
  '"%s" is not text',
  type => {
    expect(decodeText(bytes(65), type)).toBeUndefined();
  }
);

it.each([
  ['text/plain; charset=latin1', bytes(0xe9), 'é'],
  ['text/plain; charset="utf-16le"', bytes(0xe9, 0), 'é'],
  ['text/plain;charset=shift_jis; x=y', bytes(0x82, 0xa0), 'あ'],
  ['application/json', bytes(0xef, 0xbb, 0xbf, 0x31), '1']
])('%s is decoded', (type, given, expected) => {
  expect(decodeText(given, type)).toBe(expected);
});

it('leaves bytes alone that are not of their charset, or of an unknown one', () => {
  expect(decodeText(bytes(0xff, 0xfe, 0xfd), 'text/plain')).toBeUndefined();
  expect(decodeText(bytes(65), 'text/plain; charset=klingon')).toBeUndefined();
});

it('knows JSON when it sees it', () => {
  expect(guessContentType('{"a": [1]}')).toBe('application/json');
  expect(guessContentType('5.1')).toBe('application/json');
  expect(guessContentType('hello')).toBe('text/plain; charset=utf-8');
});

it('drops the parameters of a media type', () => {
  expect(mediaType(' Text/HTML ; charset=x')).toBe('text/html');
});
