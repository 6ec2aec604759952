// SPDX-License-Identifier: BSD-3-Clause
import type { Json, Operation } from '../protocol';
import type { Context } from './context';
import type { Deleter } from './operations/deleter';
import type { Deployer } from './operations/deployer';
import type { Deployments } from './operations/deployments';
import type { Exporter } from './operations/exporter';
import type { Operations } from './operations/operations';
import type { Reach } from './reach';
import type { Blobs } from './rpc/blobs';
import type { Handlers } from './rpc/session';
import { withTimeout } from './timeout';

/** The parts of the bridge that requests reach. */
export interface Parts {
  context: Context;
  blobs: Blobs;
  operations: Operations;
  deployments: Deployments;
  exporter: Exporter;
  deployer: Deployer;
  deleter: Deleter;
  reach: Reach;
}

/** The table of all requests. */
export function createHandlers(parts: Parts): Handlers {
  return {
    environment: () => parts.context.environment(),
    'blob.create': () => Promise.resolve({ id: parts.blobs.create() }),
    ...storeHandlers(parts),
    ...operationHandlers(parts),
    ...deploymentHandlers(parts),
    ...reachHandlers(parts)
  };
}

type Some<P extends string> = Pick<
  Handlers,
  Extract<keyof Handlers, `${P}.${string}`>
>;

function storeHandlers({ context }: Parts): Some<'store'> {
  return {
    'store.list': ({ home, sizes }, { signal, progress }) =>
      context.store(home).list({
        sizes,
        signal,
        onRows: rows => progress(rows as unknown as Json)
      }),
    'store.get': ({ tag, home }) => context.store(home).get(tag)
  };
}

function operationHandlers(
  parts: Parts
): Some<'export'> & Some<'deploy'> & Some<'operation'> {
  const { exporter, deployer, operations } = parts;
  const show = (operation: Operation): Json => operation as unknown as Json;
  return {
    'export.start': spec => exporter.start(spec),
    'deploy.plan': spec => deployer.plan(spec),
    'deploy.start': spec => deployer.start(spec),
    'operation.list': () => Promise.resolve({ operations: operations.list() }),
    'operation.follow': ({ id }, { signal, progress }) =>
      operations.follow(id, signal, operation => progress(show(operation))),
    'operation.cancel': ({ id }) => operations.cancel(id)
  };
}

function deploymentHandlers({
  context,
  deployments,
  deleter
}: Parts): Some<'deployment'> {
  return {
    'deployment.list': async params => {
      const namespace = await context.namespace(params.namespace);
      return { namespace, deployments: await deployments.list(namespace) };
    },
    'deployment.get': async params =>
      deployments.get(await context.namespace(params.namespace), params.name),
    'deployment.wait': async (params, { signal, progress }) => {
      const namespace = await context.namespace(params.namespace);
      return withTimeout(
        { signal, ms: params.timeout, what: `Deployment ${params.name}` },
        waitSignal =>
          deployments.wait({
            namespace,
            name: params.name,
            signal: waitSignal,
            onChange: deployment => progress(deployment as unknown as Json)
          })
      );
    },
    'deployment.planDelete': async params => ({
      items: await deleter.plan({
        ...params,
        namespace: await context.namespace(params.namespace)
      })
    }),
    'deployment.delete': async (params, { signal }) =>
      deleter.delete({
        ...params,
        namespace: await context.namespace(params.namespace),
        signal
      })
  };
}

function reachHandlers({
  context,
  reach
}: Parts): Some<'service'> & Some<'forward'> {
  return {
    'service.routes': async ({ name, ...params }, { signal }) =>
      reach.routes({
        name,
        namespace: await context.namespace(params.namespace),
        signal
      }),
    'service.request': async (params, { signal }) =>
      reach.request(
        { ...params, namespace: await context.namespace(params.namespace) },
        signal
      ),
    'forward.open': async params =>
      reach.open({
        ...params,
        namespace: await context.namespace(params.namespace)
      }),
    'forward.close': ({ id }) => reach.closeForward(id),
    'forward.list': () => Promise.resolve({ forwards: reach.forwards() })
  };
}
