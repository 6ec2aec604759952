// SPDX-License-Identifier: BSD-3-Clause
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { S3Client } from '@aws-sdk/client-s3';

interface Response {
  statusCode: number;
  headers: Record<string, string>;
  body: Readable;
}

interface Answer {
  response: Response;
}

type Next = (args: unknown) => Promise<Answer>;

/**
 * Recognises what is no answer of S3 although the status says so: a proxy's
 * HTML, and an error inside a 200, which S3 gives when joining the parts fails
 * after the first byte was sent.
 */
export function refuseForeignAnswers(client: S3Client): void {
  const { middlewareStack: stack } = client;
  const middleware =
    (next: Next, context: { commandName?: string }) =>
    async (args: unknown): Promise<Answer> => {
      const result = await next(args);
      const { response } = result;
      if (/^text\/html/i.test(response.headers['content-type'] ?? '')) {
        response.body.resume();
        throw answerError(
          'HTML',
          'a web page came instead of an answer of S3; a proxy or a login page stands in between',
          response
        );
      }
      if (context.commandName === 'CompleteMultipartUploadCommand') {
        const bytes = await buffer(response.body);
        refuseErrorInside(bytes.toString('utf8'), response);
        response.body = Readable.from([bytes]);
      }
      return result;
    };
  stack.addRelativeTo(middleware as Parameters<typeof stack.addRelativeTo>[0], {
    relation: 'after',
    toMiddleware: 'deserializerMiddleware',
    name: 'foreignAnswers'
  });
}

function refuseErrorInside(text: string, response: Response): void {
  if (response.statusCode === 200 && /<\/Error>\s*$/.test(text)) {
    const field = (name: string) =>
      new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1] ?? '';
    throw answerError(field('Code'), field('Message'), {
      statusCode: 500,
      headers: { 'x-amz-request-id': field('RequestId'), ...response.headers }
    });
  }
}

function answerError(
  name: string,
  message: string,
  response: Pick<Response, 'statusCode' | 'headers'>
): Error {
  return Object.assign(new Error(message), {
    name,
    $metadata: {
      httpStatusCode: response.statusCode,
      requestId: response.headers['x-amz-request-id']
    }
  });
}
