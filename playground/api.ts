// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as https from 'node:https';

/** Who asks which API server. */
export interface ApiAccess {
  apiServer: string;
  caFile: string;
  token: string;
}

/** An answer of the API server; `body` is parsed when it is JSON, else text. */
export interface ApiAnswer {
  status: number;
  body: unknown;
}

/**
 * One request to the API server, its certificate verified.
 * @throws Error when no answer comes within five seconds. An answer of any status is returned.
 */
export function askApi(
  access: ApiAccess,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: unknown
): Promise<ApiAnswer> {
  return new Promise((resolve, reject) => {
    const request = https.request(new URL(path, access.apiServer), {
      method,
      agent: false,
      ca: fs.readFileSync(access.caFile),
      timeout: 5_000,
      headers: {
        authorization: `Bearer ${access.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' })
      }
    });
    request.on('timeout', () => {
      request.destroy(
        new Error(`${method} ${path} took longer than five seconds.`)
      );
    });
    request.on('error', reject);
    request.on('response', response => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => {
        const json =
          response.headers['content-type']?.startsWith('application/json');
        resolve({
          status: response.statusCode ?? 0,
          body: json ? (JSON.parse(text) as unknown) : text
        });
      });
    });
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
