// SPDX-License-Identifier: BSD-3-Clause
import { accessReview, rightInWords } from './access';
import { KubeClient } from './client';
import { crdsInstalled } from './discovery';
import { fetchEvents } from './events';
import { podLog } from './logs';
import {
  sendJson,
  sendStatus,
  StubServer,
  type StubHandler
} from './testing/stubServer';

let server: StubServer;
let client: KubeClient;

async function start(handler: StubHandler): Promise<void> {
  server = await StubServer.start(handler);
  client = new KubeClient(server.connection());
}

afterEach(async () => {
  client.close();
  await server.close();
});

describe('the log of a container', () => {
  const options = {
    namespace: 'ns',
    pod: 'demo-1',
    container: 'main',
    tailLines: 3
  };

  it('is plain text, the last lines of it', async () => {
    await start((_request, response) =>
      response.end(
        [
          'old',
          'older than asked for',
          '\u001b[31mred\u001b[0m\r',
          'Collecting 10%\rCollecting 99%\rCollecting done\r',
          'from http://s3/x.tar?X-Amz-Signature=abcdef0123'
        ].join('\n')
      )
    );
    expect(await podLog(client, options)).toEqual([
      'red',
      'Collecting done',
      'from http://s3/x.tar?X-Amz-Signature=***'
    ]);
    expect(server.requests[0]).toMatchObject({
      path: '/api/v1/namespaces/ns/pods/demo-1/log'
    });
    expect(Object.fromEntries(server.requests[0]?.query ?? [])).toEqual({
      container: 'main',
      tailLines: '3'
    });
  });

  it('of the run before', async () => {
    await start((_request, response) => response.end('boom\n'));
    expect(await podLog(client, { ...options, previous: true })).toEqual([
      'boom'
    ]);
    expect(server.requests[0]?.query.get('previous')).toBe('true');
  });

  it('is empty while there is none, an error when the pod is gone', async () => {
    let status = 400;
    await start((_request, response) =>
      sendStatus(response, status, {
        message: 'container "main" in pod "demo-1" is waiting to start',
        details: { kind: 'pods', name: 'demo-1' }
      })
    );
    expect(await podLog(client, options)).toEqual([]);
    status = 404;
    await expect(podLog(client, options)).rejects.toMatchObject({
      code: 'notFound'
    });
  });

  it('a line of any length and a name with a slash do no harm', async () => {
    await start((_request, response) => response.end('x'.repeat(100_000)));
    const [line] = await podLog(client, { ...options, pod: '../secrets/a' });
    expect(line).toHaveLength(4096);
    expect(server.requests[0]?.path).toBe(
      '/api/v1/namespaces/ns/pods/..%2Fsecrets%2Fa/log'
    );
  });
});

it('events come oldest first, of one object when asked for', async () => {
  const named = (name: string, lastTimestamp: string) => ({
    metadata: { name },
    reason: name,
    lastTimestamp
  });
  await start((_request, response) =>
    sendJson(response, 200, {
      items: [named('late', '2026-01-02'), named('early', '2026-01-01')]
    })
  );
  const events = await fetchEvents(client, 'ns', { kind: 'Pod', name: 'p' });
  expect(events.map(({ reason }) => reason)).toEqual(['early', 'late']);
  await fetchEvents(client, 'ns');
  expect(
    server.requests.map(({ query }) => query.get('fieldSelector'))
  ).toEqual(['involvedObject.kind=Pod,involvedObject.name=p', null]);
});

describe('rights', () => {
  const right = (verb: string, subresource?: string) => ({
    group: '',
    resource: 'pods',
    subresource,
    verb
  });

  it('are asked for a few at a time; the missing ones come in order', async () => {
    let now = 0;
    let most = 0;
    await start(({ body }, response) => {
      now += 1;
      most = Math.max(most, now);
      const { spec } = JSON.parse(body) as {
        spec: { resourceAttributes: { verb: string } };
      };
      setImmediate(() => {
        now -= 1;
        const allowed = !spec.resourceAttributes.verb.startsWith('no');
        sendJson(response, 201, { status: { allowed } });
      });
    });
    const wanted = Array.from({ length: 30 }, (_, index) =>
      right(index % 10 === 3 ? `no-${index}` : 'get')
    );
    const missing = await accessReview(client, 'ns', wanted);
    expect(missing.map(({ verb }) => verb)).toEqual(['no-3', 'no-13', 'no-23']);
    expect(server.requests).toHaveLength(30);
    expect(most).toBeLessThanOrEqual(8);
    expect(JSON.parse(server.requests[0]?.body ?? '')).toMatchObject({
      kind: 'SelfSubjectAccessReview',
      spec: {
        resourceAttributes: {
          namespace: 'ns',
          group: '',
          resource: 'pods',
          verb: 'get'
        }
      }
    });
  });

  it('that nobody answers for are an error, not missing', async () => {
    await start((_request, response) => sendStatus(response, 503));
    await expect(
      accessReview(client, 'ns', [right('get')])
    ).rejects.toMatchObject({ code: 'clusterUnreachable' });
  });

  it('in words', () => {
    expect(rightInWords(right('create', 'portforward'))).toBe(
      'create pods/portforward'
    );
    expect(
      rightInWords({
        group: 'resources.yatai.ai',
        resource: 'bentoes',
        verb: 'get'
      })
    ).toBe('get bentoes.resources.yatai.ai');
  });
});

describe('custom resources', () => {
  const RESOURCES = '/apis/resources.yatai.ai/v1alpha1';
  const SERVING = '/apis/serving.yatai.ai/v2alpha1';
  const names = (...list: string[]) => ({
    resources: list.map(name => ({ name }))
  });
  const serve =
    (answers: Record<string, object>): StubHandler =>
    ({ path }, response) => {
      const answer = answers[path];
      if (answer) {
        sendJson(response, 200, answer);
      } else {
        response.writeHead(404, { 'content-type': 'text/plain' });
        response.end('404 page not found\n');
      }
    };

  it.each([
    [
      'all there',
      {
        [RESOURCES]: names('bentorequests', 'bentoes', 'bentoes/status'),
        [SERVING]: names('bentodeployments')
      },
      []
    ],
    [
      'one group absent',
      { [RESOURCES]: names('bentorequests', 'bentoes') },
      ['bentodeployments.serving.yatai.ai']
    ],
    [
      'one resource and one version absent',
      { [RESOURCES]: names('bentorequests'), '/apis/serving.yatai.ai': {} },
      [
        'bentoes.resources.yatai.ai',
        'bentodeployments.serving.yatai.ai in version v2alpha1'
      ]
    ]
  ])('%s', async (_name, answers, missing) => {
    await start(serve(answers));
    const found = await crdsInstalled(client);
    expect(found.map(({ crd }) => crd)).toEqual(missing);
  });
});
