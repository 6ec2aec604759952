// SPDX-License-Identifier: BSD-3-Clause
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';

import { allAnswer, probeAddresses, ReadinessProbe } from './probes';
import type { ContainerSpec } from './types';

const container: ContainerSpec = {
  name: 'main',
  image: 'i',
  ports: [{ name: 'http', containerPort: 3000 }]
};
const translation = {
  folders: new Map<string, string>(),
  ports: new Map([[3000, 1234]]),
  services: new Map([['r', '127.0.0.1:99']])
};

describe('what a probe asks', () => {
  it('is its address, by the port’s name or number', () => {
    for (const port of ['http', 3000]) {
      const probe = { httpGet: { path: '/readyz', port } };
      expect(probeAddresses(probe, container, translation)).toEqual([
        'http://127.0.0.1:1234/readyz'
      ]);
    }
  });

  it('is what stands in its script', () => {
    const script =
      'get(["http://localhost:3000/readyz", "http://r:3000/readyz"])';
    const probe = { exec: { command: ['python3', '-c', script] } };
    expect(probeAddresses(probe, container, translation)).toEqual([
      'http://127.0.0.1:1234/readyz',
      'http://127.0.0.1:99/readyz'
    ]);
  });

  it('is nothing without a probe', () => {
    expect(probeAddresses(undefined, container, translation)).toEqual([]);
  });
});

describe('readiness', () => {
  let server: http.Server;
  let status = 200;
  let address = '';

  beforeAll(async () => {
    server = http.createServer((_request, response) => {
      response.statusCode = status;
      response.end();
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    address = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/readyz`;
  });

  afterAll(() => {
    server.close();
  });

  it.each([
    [200, true],
    [302, true],
    [404, false],
    [503, false]
  ])('by status %d', async (answer, expected) => {
    status = answer;
    expect(await allAnswer([address])).toBe(expected);
  });

  it('needs every address', async () => {
    status = 200;
    const closed = 'http://127.0.0.1:1/readyz';
    expect(await allAnswer([address, closed])).toBe(false);
  });

  it('comes with the first answer and goes with the second refusal', async () => {
    const seen: boolean[] = [];
    let asked = 0;
    server.on('request', () => asked++);
    status = 503;
    const pace = { untilReadyMs: 1, afterwardsMs: 1, failures: 2 };
    await new Promise<void>(resolve => {
      const probe = new ReadinessProbe(
        [address],
        ready => {
          seen.push(ready);
          status = 503;
          if (!ready) {
            probe.stop();
            resolve();
          }
        },
        pace
      );
      server.once('request', () => {
        status = 200;
      });
    });
    expect(seen).toEqual([true, false]);
    expect(asked).toBeGreaterThanOrEqual(3);
  });
});
