// SPDX-License-Identifier: BSD-3-Clause

/** Parameters of a query; undefined ones are left out. */
export type Query = Record<string, string | number | boolean | undefined>;

/** What a request is about, in the words of Kubernetes' authorisation. */
export interface Target {
  /** `get`, `list`, `watch`, `create`, `update`, `patch` or `delete`. */
  verb: string;
  /** Empty for the core group. */
  group: string;
  /** Plural, with `/subresource`; empty for anything but a resource. */
  resource: string;
  /** Empty for what has none. */
  namespace: string;
  name: string;
}

const VERBS: Record<string, string> = {
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete'
};

/** Reads a request's target from its method, path and query (Kubernetes API conventions, "resource paths"). */
export function targetOf(
  method: string,
  path: string,
  query: Query = {}
): Target {
  const parts = path.split('/').filter(part => part !== '');
  const [root] = parts;
  const group = root === 'apis' ? (parts[1] ?? '') : '';
  let rest = parts.slice(root === 'apis' ? 3 : 2).map(decodeURIComponent);
  let namespace = '';
  if (rest[0] === 'namespaces' && rest.length > 2) {
    namespace = rest[1] ?? '';
    rest = rest.slice(2);
  }
  const [plural = '', name = '', ...subresource] = rest;
  const reading = name === '' ? 'list' : 'get';
  const watching = query.watch === true || query.watch === 'true';
  return {
    verb: watching ? 'watch' : (VERBS[method] ?? reading),
    group,
    resource: [plural, ...subresource].join('/'),
    namespace,
    name
  };
}

/** `bentorequests.resources.yatai.ai`, as a CRD is named; the plural alone for the core group. */
export function resourceName({ resource, group }: Target): string {
  return group === '' || resource === ''
    ? resource || group
    : `${resource}.${group}`;
}

/** `pods/name in namespace ns`: how messages call the object. */
export function objectName(target: Target): string {
  const { resource, name, namespace } = target;
  const [plural = '', ...subresource] = resource.split('/');
  const path = [plural, name, ...subresource]
    .filter(part => part !== '')
    .join('/');
  return namespace === '' ? path : `${path} in namespace ${namespace}`;
}

/** The path with its query, both escaped. */
export function pathWithQuery(path: string, query: Query = {}): string {
  const given = Object.entries(query).filter(
    (entry): entry is [string, string | number | boolean] =>
      entry[1] !== undefined
  );
  const text = new URLSearchParams(
    given.map(([key, value]): [string, string] => [key, String(value)])
  ).toString();
  return text === '' ? path : `${path}?${text}`;
}

/** Group, version and plural of a kind, with the namespace and object to address. */
export interface ResourceAddress {
  group?: string;
  version: string;
  resource: string;
  namespace?: string;
  name?: string;
  subresource?: string;
}

/** The API path of a resource; names are escaped, so that none can leave its place. */
export function resourcePath(address: ResourceAddress): string {
  const { group, version, resource, namespace, name, subresource } = address;
  return [
    group ? `/apis/${group}/${version}` : `/api/${version}`,
    namespace === undefined
      ? ''
      : `/namespaces/${encodeURIComponent(namespace)}`,
    `/${resource}`,
    name === undefined ? '' : `/${encodeURIComponent(name)}`,
    subresource === undefined ? '' : `/${subresource}`
  ].join('');
}
