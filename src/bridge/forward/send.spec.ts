// SPDX-License-Identifier: BSD-3-Clause
import { Readable } from 'node:stream';
import { BentoError } from '../../domain/errors';
import { type Outgoing, send } from './send';
import type { Target } from './target';
import { ApiStub, passTo, type PodSide } from './testing/apiStub';
import { FakeView } from './testing/fakeView';
import { startServer, type TestServer, textOf } from './testing/http';
import { until } from './testing/until';
import { Tunnels } from './tunnels';

jest.setTimeout(30_000);

let stub: ApiStub;
let view: FakeView;
let app: TestServer;
let tunnels: Tunnels;
let target: Target;
/** Method and path of what reached the service. */
let seen: string[];

beforeEach(async () => {
  seen = [];
  stub = new ApiStub();
  await stub.start();
  view = new FakeView();
  app = await startServer((request, response) => {
    seen.push(`${request.method ?? ''} ${request.url ?? ''}`);
    if (request.url === '/big') {
      response.write(Buffer.alloc(8 * 1024 * 1024));
      return;
    }
    void textOf(request).then(body => response.end(`got ${body}`));
  });
  tunnels = new Tunnels({
    connection: () => Promise.resolve(connection),
    watch: () => Promise.resolve(view)
  });
  const connection = stub.connection();
  target = await tunnels.target('ds', 'demo');
});

afterEach(async () => {
  tunnels.close();
  await stub.stop();
  await app.stop();
});

afterEach(() => jest.useRealTimers());

/** Everything but timers. */
const real = [
  'Date',
  'hrtime',
  'nextTick',
  'performance',
  'queueMicrotask',
  'setImmediate',
  'clearImmediate'
] as const;

const signal = new AbortController().signal;

function outgoing(change: Partial<Outgoing> = {}): Outgoing {
  return {
    method: 'GET',
    path: '/',
    headers: { host: 'demo' },
    signal,
    ...change
  };
}

async function ask(change: Partial<Outgoing> = {}) {
  const { response, tunnel } = await send(target, 'demo', outgoing(change));
  return { text: await textOf(response), pod: tunnel?.pod };
}

async function failure(change: Partial<Outgoing> = {}): Promise<BentoError> {
  const thrown: unknown = await ask(change).then(
    () => undefined,
    (error: unknown) => error
  );
  expect(thrown).toBeInstanceOf(BentoError);
  return thrown as BentoError;
}

function serve(...names: string[]): void {
  names.forEach(name =>
    stub.pods.set(
      name,
      passTo(() => app.port)
    )
  );
}

/** A pod that takes the request and then breaks the tunnel. */
function breakAfterRequest(how: (side: PodSide) => void) {
  return (side: PodSide, port: number) => {
    side.begin(port);
    side.socket.on('message', () => how(side));
  };
}

const refuse = (side: PodSide, port: number) => {
  side.begin(port);
  side.socket.on('message', () =>
    side.error('failed to dial 127.0.0.1:3000: connection refused')
  );
};

describe('the pod', () => {
  it('is the ready one of two, and another as soon as that changes', async () => {
    serve('a', 'b');
    view.set([{ name: 'a', ready: false }, { name: 'b' }]);
    expect((await ask()).pod).toBe('b');
    view.set([{ name: 'a' }]);
    expect((await ask()).pod).toBe('a');
  });

  it('is not one that is going away', async () => {
    serve('a', 'b');
    view.set([{ name: 'a', terminating: true }, { name: 'b' }]);
    expect((await ask()).pod).toBe('b');
  });

  it('is passed over when it is gone before the watch tells', async () => {
    serve('b');
    view.set([
      { name: 'a', created: '2026-02-01T00:00:00Z' },
      { name: 'b', created: '2026-01-01T00:00:00Z' }
    ]);
    expect((await ask()).pod).toBe('b');
  });

  it('is each of several in turn under load', async () => {
    serve('a', 'b');
    view.set([{ name: 'a' }, { name: 'b' }]);
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => ask({ path: '/x' }))
    );
    expect(new Set(answers.map(({ pod }) => pod))).toEqual(new Set(['a', 'b']));
  });

  it('missing, the reason is told at once', async () => {
    view.set([{ name: 'a', ready: false }]);
    const error = await failure();
    expect(error.code).toBe('serviceNotReady');
    expect(error.message).toContain('container main of pod a is not ready');
  });

  it('is not asked for when the deployment does not exist', async () => {
    view.set([], []);
    expect((await failure()).code).toBe('notFound');
  });

  it('may not be forwarded to: said, and not tried on the next pod', async () => {
    view.set([{ name: 'a' }, { name: 'b' }]);
    stub.refusals.push({ status: 403, message: 'no' });
    expect((await failure()).code).toBe('forwardForbidden');
  });
});

describe('connections', () => {
  it('are kept, and a spare waits for the next one', async () => {
    serve('a');
    view.set([{ name: 'a' }]);
    await ask();
    await ask();
    await until(() => stub.opened.length === 2);
    const [first, second] = await Promise.all([ask(), ask()]);
    expect(first.pod).toBe(second.pod);
    expect(app.sockets.size).toBeGreaterThanOrEqual(2);
  });

  it('to a pod that the Service has left are closed', async () => {
    serve('a', 'b');
    view.set([{ name: 'a' }]);
    await ask();
    await until(() => stub.tunnels.size === 2);
    view.set([{ name: 'b', version: 'v2' }], ['demo'], 'v2');
    await until(() => stub.tunnels.size === 0);
    expect((await ask()).pod).toBe('b');
  });

  it('that were cut while idle are not used again', async () => {
    serve('a');
    view.set([{ name: 'a' }]);
    await ask();
    await until(() => stub.tunnels.size === 2);
    for (const side of stub.tunnels) {
      side.socket.close(1000);
    }
    await until(() => stub.tunnels.size === 0);
    const posted = await ask({ method: 'POST', body: Buffer.from('data') });
    expect(posted.text).toBe('got data');
  });

  it('that were cut hard while idle are not used again', async () => {
    serve('a');
    view.set([{ name: 'a' }]);
    await ask();
    await until(() => stub.tunnels.size === 2);
    for (const side of stub.tunnels) {
      side.socket.terminate();
    }
    await until(() => stub.sockets.size === 0);
    await until(() => view.held === 0);
    expect((await ask()).text).toBe('got ');
  });

  it('opened beforehand are renewed before they are stale, and not for ever', async () => {
    jest.useFakeTimers({ doNotFake: [...real] });
    serve('a');
    view.set([{ name: 'a' }]);
    await ask();
    await until(() => stub.opened.length === 2);
    for (let renewals = 1; renewals <= 7; renewals++) {
      jest.advanceTimersByTime(4000);
      await until(() => stub.opened.length === 2 + renewals);
      await until(() => stub.tunnels.size === 1);
    }
    jest.advanceTimersByTime(4000);
    await until(() => stub.tunnels.size === 0);
    expect(stub.opened).toHaveLength(9);
    expect(view.held).toBe(0);
  });

  it('survive 100 requests of which 20 are aborted, and none is left over', async () => {
    jest.useFakeTimers({ doNotFake: [...real] });
    serve('a');
    view.set([{ name: 'a' }]);
    let answered = 0;
    let aborted = 0;
    const one = async (index: number) => {
      if (index % 5 !== 0) {
        await ask({ path: `/${index}` });
        answered++;
        return;
      }
      const controller = new AbortController();
      const { response } = await send(
        target,
        'demo',
        outgoing({ path: '/big', signal: controller.signal })
      );
      response.once('data', () => controller.abort());
      await new Promise(resolve => response.once('close', resolve));
      aborted++;
    };
    for (let index = 0; index < 100; index += 10) {
      await Promise.all(Array.from({ length: 10 }, (_, n) => one(index + n)));
    }
    expect({ answered, aborted }).toEqual({ answered: 80, aborted: 20 });
    // Kept connections and the spare run out by themselves.
    await until(() => {
      jest.advanceTimersByTime(1000);
      return stub.sockets.size === 0 && app.sockets.size === 0;
    });
    expect(stub.tunnels.size).toBe(0);
    expect(view.held).toBe(0);
  });
});

describe('healing', () => {
  it('asks another pod when the tunnel dies before the answer', async () => {
    serve('b');
    stub.pods.set(
      'a',
      breakAfterRequest(side => side.socket.terminate())
    );
    view.set([
      { name: 'a', created: '2026-02-01T00:00:00Z' },
      { name: 'b', created: '2026-01-01T00:00:00Z' }
    ]);
    expect(await ask()).toEqual({ text: 'got ', pod: 'b' });
    expect(stub.opened[0]).toBe('a');
  });

  it('asks the same pod again when there is no other', async () => {
    let tunnelsSoFar = 0;
    stub.pods.set('a', (side, port) =>
      tunnelsSoFar++ === 0
        ? breakAfterRequest(broken => broken.end())(side, port)
        : passTo(() => app.port)(side, port)
    );
    view.set([{ name: 'a' }]);
    expect((await ask()).text).toBe('got ');
  });

  it('does not silently repeat what may have acted, and the next one works', async () => {
    serve('b');
    stub.pods.set(
      'a',
      breakAfterRequest(side => side.socket.terminate())
    );
    view.set([
      { name: 'a', created: '2026-02-01T00:00:00Z' },
      { name: 'b', created: '2026-01-01T00:00:00Z' }
    ]);
    const post = { method: 'POST', body: Buffer.from('data') };
    const error = await failure(post);
    expect(error.code).toBe('serviceUnreachable');
    expect(error.message).toContain('pod a');
    expect(error.message).toContain('was not sent again');
    expect(seen).toEqual([]);
    expect(await ask(post)).toEqual({ text: 'got data', pod: 'b' });
  });

  it('repeats what surely never arrived, with its body', async () => {
    serve('b');
    stub.pods.set('a', refuse);
    view.set([
      { name: 'a', created: '2026-02-01T00:00:00Z' },
      { name: 'b', created: '2026-01-01T00:00:00Z' }
    ]);
    const body = () => Promise.resolve(Readable.from(['from a stream']));
    expect(await ask({ method: 'POST', body })).toEqual({
      text: 'got from a stream',
      pod: 'b'
    });
  });

  it('cannot repeat a body that came only once', async () => {
    serve('b');
    stub.pods.set('a', refuse);
    view.set([
      { name: 'a', created: '2026-02-01T00:00:00Z' },
      { name: 'b', created: '2026-01-01T00:00:00Z' }
    ]);
    const body = Readable.from(['once']);
    const error = await failure({ method: 'POST', body });
    expect(error.code).toBe('forwardFailed');
    expect(error.message).toContain('connection refused');
  });

  it('does not wait for a pod that went away without closing anything', async () => {
    serve('b');
    stub.pods.set('a', (side, port) => side.begin(port));
    view.set([{ name: 'a' }]);
    const lost = ask();
    const lostPost = failure({ method: 'POST', body: Buffer.from('data') });
    await until(
      () => [...stub.tunnels].filter(({ size }) => size > 0).length === 2
    );
    view.set([{ name: 'b' }]);
    expect(await lost).toEqual({ text: 'got ', pod: 'b' });
    const error = await lostPost;
    expect(error.message).toContain('pod a broke before the answer');
    expect(error.message).toContain('the pod is gone');
    expect(error.message).toContain('was not sent again');
    await until(() => [...stub.opened].pop() === 'b');
  });

  it('gives up after the second try', async () => {
    stub.pods.set(
      'a',
      breakAfterRequest(side => side.end())
    );
    view.set([{ name: 'a' }]);
    const error = await failure();
    expect(error.code).toBe('serviceUnreachable');
    expect(error.message).not.toContain('sent again');
    expect(seen).toEqual([]);
  });

  it('fails with the reason of the body when that cannot be opened', async () => {
    serve('a');
    view.set([{ name: 'a' }]);
    const gone = new BentoError('notFound', { params: { what: 'Blob 1' } });
    const error = await failure({
      method: 'POST',
      body: () => Promise.reject(gone)
    });
    expect(error).toBe(gone);
  });

  it('fails with the reason of the body when that breaks', async () => {
    serve('a');
    view.set([{ name: 'a' }]);
    const broken = new Readable({
      read() {
        this.destroy(new Error('disk is gone'));
      }
    });
    await expect(ask({ method: 'POST', body: broken })).rejects.toThrow(
      'disk is gone'
    );
  });
});

it('answers again after a download was aborted', async () => {
  serve('a');
  view.set([{ name: 'a' }]);
  const controller = new AbortController();
  const { response } = await send(
    target,
    'demo',
    outgoing({ path: '/big', signal: controller.signal })
  );
  response.once('data', () => controller.abort());
  await new Promise(resolve => response.once('close', resolve));
  expect((await ask()).text).toBe('got ');
});
