// SPDX-License-Identifier: BSD-3-Clause
import type { IncomingMessage } from 'node:http';
import { BentoError } from '../../domain/errors';

const MAX_TEXT_BYTES = 16 * 1024;

/**
 * The error behind an upgrade that the API server answered with something else
 * than 101. Its body is a Kubernetes Status, or the text of a proxy before it.
 * Never rejects.
 */
export async function refusedUpgrade(
  response: IncomingMessage,
  namespace: string,
  pod: string
): Promise<BentoError> {
  const text = await readText(response);
  const reason = statusMessage(text) || (response.statusMessage ?? '');
  switch (response.statusCode) {
    case 401:
      return new BentoError('unauthorized');
    case 403:
      return new BentoError('forwardForbidden', {
        params: { namespace },
        details: [reason]
      });
    default:
      return new BentoError('forwardFailed', {
        params: { pod, reason: `${response.statusCode ?? 0} ${reason}` }
      });
  }
}

async function readText(response: IncomingMessage): Promise<string> {
  let text = '';
  try {
    for await (const chunk of response) {
      text += String(chunk);
      if (text.length > MAX_TEXT_BYTES) {
        break;
      }
    }
  } catch {
    // A cut body still has its beginning.
  }
  response.destroy();
  return text;
}

function statusMessage(text: string): string {
  try {
    const status = JSON.parse(text) as { message?: unknown } | null;
    if (typeof status?.message === 'string') {
      return status.message;
    }
  } catch {
    // Not a Status: the text itself.
  }
  return text.trim().slice(0, 300);
}
