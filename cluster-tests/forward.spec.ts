// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as http from 'node:http';
import * as path from 'node:path';
import { RequestError } from '../playground/bridge';
import { waitFor } from '../playground/wait';
import type { Event, Forward, ServiceAnswer } from '../src/protocol';
import { writeEchoBento } from './echoBento';
import { asAdmin, kubectl } from './kubectl';
import { type Product, startProduct } from './product';

const name = 'reached';
let product: Product;

beforeAll(async () => {
  product = await startProduct();
  const { home, instance } = product;
  const tag = writeEchoBento({
    home,
    user: instance.user,
    name,
    version: 'v1'
  });
  const apiServer = { minReplicas: 2, maxReplicas: 2 };
  const { id } = await product.client.request('deploy.start', {
    tag,
    apiServer
  });
  await product.client.request('operation.follow', { id });
  await ready();
});

afterAll(async () => {
  await product.client
    .request('deployment.delete', { name })
    .catch(() => undefined);
  await product.stop();
});

async function ready(): Promise<void> {
  await product.client.request('deployment.wait', { name, timeout: 150_000 });
}

function ask(
  change: object = {},
  signal?: AbortSignal
): Promise<ServiceAnswer> {
  return product.client.request(
    'service.request',
    { name, path: '/livez', method: 'GET', ...change },
    { signal }
  );
}

function say(text: string): Promise<ServiceAnswer> {
  const body = { kind: 'inline', encoding: 'utf8' } as const;
  const data = JSON.stringify({ text });
  return ask({ path: '/say', method: 'POST', body: { ...body, data } });
}

async function errorOf(work: Promise<unknown>): Promise<RequestError> {
  const thrown = await work.then(
    () => undefined,
    (error: unknown) => error
  );
  expect(thrown).toBeInstanceOf(RequestError);
  return thrown as RequestError;
}

async function readyPods(): Promise<string[]> {
  const { pods } = await product.client.request('deployment.get', { name });
  return pods
    .filter(({ ready: isReady, terminating }) => isReady && !terminating)
    .map(pod => pod.name);
}

async function kill(...pods: string[]): Promise<void> {
  const how = ['--grace-period=0', '--force'];
  await kubectl(product.instance, 'delete', 'pod', ...pods, ...how);
}

/** Waits until both pods are ready and none of them is an old one. */
async function replaced(...old: string[]): Promise<void> {
  await waitFor(
    async () => {
      const pods = await readyPods();
      return pods.length === 2 && !pods.some(pod => old.includes(pod))
        ? true
        : undefined;
    },
    { what: 'two new pods', timeoutMs: 90_000 }
  );
}

function get(
  address: string,
  headers: Record<string, string> = {}
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    http
      .get(address, { agent: false, headers }, response => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text })
        );
      })
      .on('error', reject);
  });
}

describe('a service that is reached through the API server', () => {
  it('answers, is described, and is never asked by a name that is no deployment', async () => {
    const answer = await say('hi');
    expect(answer).toMatchObject({ status: 200, via: 'forward' });
    expect(await readyPods()).toContain(answer.pod);
    const { routes } = await product.client.request('service.routes', { name });
    expect(routes.map(({ path: route }) => route).sort()).toEqual([
      '/many',
      '/say'
    ]);
    const error = await errorOf(ask({ name: 'kubernetes' }));
    expect(error.code).toBe('notFound');
  });

  it('hands out what its service says, errors too', async () => {
    const answer = await ask({ path: '/say', method: 'POST' });
    expect(answer.status).toBe(400);
    expect(answer.contentType).toContain('application/json');
    expect((await ask({ path: '/nowhere' })).status).toBe(404);
  });

  it('is asked through another pod when one is killed, with no request lost', async () => {
    await replaced();
    const { pod } = await ask();
    const killed = kill(pod ?? '');
    let over = false;
    void killed.finally(() => (over = true));
    let last: ServiceAnswer | undefined;
    do {
      last = await ask();
      expect(last.status).toBe(200);
    } while (!over || last.pod === pod);
    expect((await say('still')).status).toBe(200);
  });

  it('that has no pod left says why at once, and answers when it has one again', async () => {
    const pods = await readyPods();
    await kill(...pods);
    await waitFor(
      async () => {
        const error = await ask().then(
          () => undefined,
          (thrown: RequestError) => thrown
        );
        return error?.code === 'serviceNotReady' ? error : undefined;
      },
      { what: 'the reason why no pod answers', timeoutMs: 10_000 }
    );
    await replaced(...pods);
    expect((await say('again')).status).toBe(200);
  });

  it('leaves nothing open after 100 requests of which 20 were cancelled', async () => {
    const port = new URL(product.instance.apiServer).port;
    const count = () => connectionsTo(product.bridge.process.pid ?? 0, port);
    // Keeps the watches running, so that only tunnels come and go.
    const topics = [`deployments/${product.instance.namespace}`];
    await product.client.request('subscribe', { topics });
    await say('warm');
    const body = {
      kind: 'inline',
      encoding: 'utf8',
      data: '{"count":10000000}'
    } as const;
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        if (index % 5 !== 0) {
          return (await say(String(index))).status;
        }
        const controller = new AbortController();
        const path = '/many';
        const method = 'POST';
        const asked = ask({ path, method, body }, controller.signal);
        // When this is answered, the other one has been sent.
        await say('between');
        controller.abort();
        return (await errorOf(asked)).code;
      })
    );
    expect(outcomes.filter(outcome => outcome === 200)).toHaveLength(80);
    expect(outcomes.filter(code => code === 'cancelled')).toHaveLength(20);
    // Left are the watches and one spare tunnel.
    await waitFor(() => (count() <= WATCHES + 1 ? true : undefined), {
      what: 'the tunnels to close',
      timeoutMs: 30_000
    });
    expect((await say('after')).status).toBe(200);
  });
});

/** One connection for each kind that is watched, and one for single requests. */
const WATCHES = 7;

/** Established connections of a process to a port, as Linux tells them. */
function connectionsTo(pid: number, port: string): number {
  const folder = `/proc/${pid}/fd`;
  const own = new Set(
    fs.readdirSync(folder).flatMap(fd => {
      try {
        return [fs.readlinkSync(path.join(folder, fd))];
      } catch {
        // Closed meanwhile.
        return [];
      }
    })
  );
  const remote = `:${Number(port).toString(16).toUpperCase().padStart(4, '0')}`;
  return fs
    .readFileSync(`/proc/${pid}/net/tcp`, 'utf8')
    .split('\n')
    .map(line => line.trim().split(/\s+/))
    .filter(
      fields =>
        fields[2]?.endsWith(remote) === true &&
        fields[3] === '01' &&
        own.has(`socket:[${fields[9] ?? ''}]`)
    ).length;
}

describe('a user who may look but not forward', () => {
  it('is told which right is missing', async () => {
    const { instance } = product;
    const { namespace, user, productEnv } = instance;
    const within = (...args: string[]) =>
      asAdmin(instance, [...args, '--namespace', namespace]);
    await within('create', 'serviceaccount', 'onlooker');
    await within(
      ...['create', 'role', 'onlooker', '--verb=get,list,watch'],
      '--resource=bentorequests.resources.yatai.ai,bentoes.resources.yatai.ai,bentodeployments.serving.yatai.ai,jobs.batch,pods,deployments.apps'
    );
    await within(
      ...['create', 'rolebinding', 'onlooker', '--role=onlooker'],
      `--serviceaccount=${namespace}:onlooker`
    );
    const given = productEnv.JUPYTERLAB_BENTO_SERVICE_ACCOUNT_DIR ?? '';
    const folder = path.join(path.dirname(given), 'onlooker');
    fs.cpSync(given, folder, { recursive: true });
    const token = await within('create', 'token', 'onlooker');
    fs.writeFileSync(path.join(folder, 'token'), token.trim());
    if (user) {
      for (const file of [folder, ...fs.readdirSync(folder)]) {
        fs.chownSync(path.resolve(folder, file), user.uid, user.gid);
      }
    }
    const onlooker = await startProduct({
      JUPYTERLAB_BENTO_SERVICE_ACCOUNT_DIR: folder
    });
    try {
      const error = await errorOf(
        onlooker.client.request('service.request', { name, path: '/livez' })
      );
      expect(error.code).toBe('forwardForbidden');
      expect(error.message).toContain(namespace);
      expect(error.message).toContain('pods/portforward');
      expect(error.message).not.toContain(token.trim());
    } finally {
      await onlooker.stop();
      await within('delete', 'serviceaccount,role,rolebinding', 'onlooker');
      fs.rmSync(folder, { recursive: true });
    }
  });
});

describe('a listener', () => {
  it('passes local callers on and refuses everybody else', async () => {
    const forward = await product.client.request('forward.open', { name });
    expect(forward.address).toBe(`http://127.0.0.1:${forward.port}`);
    const page = await get(`${forward.address}/`);
    expect(page.status).toBe(200);
    expect(page.text).toContain('<html');
    const foreign = await get(forward.address, { host: 'kubeflow.example' });
    expect(foreign.status).toBe(403);
    expect(foreign.text).not.toContain('<html');
    const { forwards } = await product.client.request('forward.list', {});
    expect(forwards.map(({ id }) => id)).toEqual([forward.id]);

    const taken = await errorOf(
      product.client.request('forward.open', { name, port: forward.port })
    );
    expect(taken.code).toBe('portTaken');

    const { id } = forward;
    const closed = await product.client.request('forward.close', { id });
    expect(closed.state).toBe('closed');
    await expect(get(forward.address)).rejects.toThrow('ECONNREFUSED');
  });

  it('outlives the pods and closes with the deployment', async () => {
    await product.client.request('subscribe', { topics: ['forwards'] });
    const forward = await product.client.request('forward.open', { name });
    const pods = await readyPods();
    await kill(...pods);
    await replaced(...pods);
    expect((await get(`${forward.address}/livez`)).status).toBe(200);

    const gone = new Promise<Event>(resolve =>
      product.client.onEvent(event => {
        if (event.topic === 'forwards' && event.value === null) {
          resolve(event);
        }
      })
    );
    await product.client.request('deployment.delete', { name });
    expect((await gone).key).toBe(forward.id);
    const list = await product.client.request('forward.list', {});
    expect(list.forwards).toEqual<Forward[]>([]);
    await expect(get(forward.address)).rejects.toThrow('ECONNREFUSED');
  });
});
