// SPDX-License-Identifier: BSD-3-Clause
import { randomInt } from 'node:crypto';
import * as net from 'node:net';

// Below the ports that systems hand out to outgoing connections, so that none of those takes a
// port between the moment it is chosen and the moment its server listens.
const lowest = 12_000;
const highest = 29_999;

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = net.createServer();
    server.once('error', () => {
      resolve(false);
    });
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}

/**
 * Chooses that many different ports of 127.0.0.1 on which nothing listens.
 * @param taken ports promised to others whose servers may not listen yet.
 * @throws Error when none can be found.
 */
export async function freePorts(
  count: number,
  taken: ReadonlySet<number>
): Promise<number[]> {
  const found = new Set<number>();
  for (let attempt = 0; attempt < 1_000 && found.size < count; attempt++) {
    const port = randomInt(lowest, highest + 1);
    if (!taken.has(port) && !found.has(port) && (await isFree(port))) {
      found.add(port);
    }
  }
  if (found.size < count) {
    throw new Error(
      `No free ports between ${String(lowest)} and ${String(highest)}.`
    );
  }
  return [...found];
}
