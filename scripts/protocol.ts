// SPDX-License-Identifier: BSD-3-Clause
// Writes jupyterlab_bento/protocol.json: the JSON Schema of every message and the
// text, hint and exit code of every error, for clients that are not written in TypeScript.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { format } from 'prettier';
import { ERROR_TEXTS } from '../src/domain/errorTexts';
import {
  errorData,
  event,
  MAX_MESSAGE_BYTES,
  methods,
  PROTOCOL,
  snapshotChunk,
  storeRows
} from '../src/protocol';

const file = join(__dirname, '..', 'jupyterlab_bento', 'protocol.json');

/** The protocol as JSON text, formatted. */
async function describe(): Promise<string> {
  const schema = (type: z.ZodMiniType): unknown =>
    z.toJSONSchema(type, { io: 'input' });
  const document = {
    version: PROTOCOL,
    maxMessageBytes: MAX_MESSAGE_BYTES,
    methods: Object.fromEntries(
      Object.entries(methods).map(([name, { params, result }]) => [
        name,
        { params: schema(params), result: schema(result) }
      ])
    ),
    event: schema(event),
    snapshotChunk: schema(snapshotChunk),
    storeRows: schema(storeRows),
    error: schema(errorData),
    errors: ERROR_TEXTS
  };
  return format(JSON.stringify(document), { parser: 'json' });
}

async function main(): Promise<void> {
  const text = await describe();
  if (process.argv.includes('--check')) {
    if (readFileSync(file, 'utf8') !== text) {
      console.error(`${file} is out of date: run "npm run protocol".`);
      process.exitCode = 1;
    }
    return;
  }
  writeFileSync(file, text);
}

void main();
