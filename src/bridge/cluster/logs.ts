// SPDX-License-Identifier: BSD-3-Clause
import { stripVTControlCharacters } from 'node:util';
import { scrub } from '../log';
import { apiFailure } from './apiErrors';
import type { KubeClient } from './client';
import { KINDS } from './kinds';
import { resourcePath } from './target';

/** Which container's log, and how much of it. */
export interface PodLogOptions {
  namespace: string;
  pod: string;
  container: string;
  /** How many of the last lines. */
  tailLines: number;
  /** The log of the run before the last restart. */
  previous?: boolean;
  signal?: AbortSignal;
}

const LONGEST_LINE = 4096;

/**
 * The last lines of a container's log as a terminal would show them: without
 * colours, a line that was written over and over only as it was last. Without
 * secrets, since builders print the address that they download from. Empty
 * while the container has not started, or has not run before.
 *
 * @throws BentoError as the client does, `notFound` when there is no such pod.
 */
export async function podLog(
  client: KubeClient,
  options: PodLogOptions
): Promise<string[]> {
  const { namespace, pod, container, tailLines, previous, signal } = options;
  const path = resourcePath({
    ...KINDS.pods,
    namespace,
    name: pod,
    subresource: 'log'
  });
  const lines: string[] = [];
  const add = (line: string) => {
    lines.push(plainLine(line));
    // The server counts too; an old line of an endless log must not pile up here.
    if (lines.length > tailLines) {
      lines.shift();
    }
  };
  try {
    const last = await client.stream(
      path,
      { container, tailLines, previous: previous === true || undefined },
      { signal, onLine: add }
    );
    if (last !== '') {
      add(last);
    }
  } catch (error) {
    // "waiting to start" and "previous terminated container not found".
    if (apiFailure(error)?.status === 400) {
      return [];
    }
    throw error;
  }
  return lines;
}

function plainLine(line: string): string {
  const shown = stripVTControlCharacters(line)
    .replace(/\r+$/, '')
    .split('\r')
    .at(-1);
  return scrub(shown ?? '').slice(0, LONGEST_LINE);
}
