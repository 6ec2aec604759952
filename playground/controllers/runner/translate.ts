// SPDX-License-Identifier: BSD-3-Clause

/** How names inside a container lead to places on this machine. */
export interface Translation {
  /** Folder in the container to folder here. */
  folders: ReadonlyMap<string, string>;
  /** Port in the container to port of 127.0.0.1. */
  ports: ReadonlyMap<number, number>;
  /** Name of a Service to `127.0.0.1:PORT`. */
  services: ReadonlyMap<string, string>;
}

const ownHosts = new Set(['0.0.0.0', '127.0.0.1', 'localhost']);

function translateFolders(
  text: string,
  folders: Translation['folders']
): string {
  const names = [...folders.keys()].map(inside =>
    inside.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  );
  // At the start of a word only, so that a URL's path is left alone; all at once, since a folder
  // here may lie in one that has a meaning there.
  const pattern = new RegExp(
    `(^|[\\s"'=])(${names.join('|')})(?=[/\\s"';]|$)`,
    'g'
  );
  return names.length === 0
    ? text
    : text.replace(
        pattern,
        (all, start: string, inside: string) =>
          start + (folders.get(inside) ?? all)
      );
}

const addressPattern = /\b([a-z]+:\/\/)([A-Za-z0-9.-]+):(\d+)/g;

/** The hosts in a text that are names of Services: those without a dot. */
export function serviceNames(text: string): string[] {
  const hosts = [...text.matchAll(addressPattern)].map(found => found[2] ?? '');
  return [
    ...new Set(hosts.filter(host => !host.includes('.') && !ownHosts.has(host)))
  ];
}

function translateAddresses(text: string, translation: Translation): string {
  return text.replace(
    addressPattern,
    (all, scheme: string, host: string, port: string) => {
      const own = ownHosts.has(host)
        ? translation.ports.get(Number(port))
        : undefined;
      const address =
        own === undefined
          ? translation.services.get(host)
          : `127.0.0.1:${String(own)}`;
      return address ? scheme + address : all;
    }
  );
}

/**
 * A container's command line or script as it works without a container: mounted folders, its own
 * ports and the names of Services replaced by where they are on this machine.
 */
export function translate(text: string, translation: Translation): string {
  return translateAddresses(
    translateFolders(text, translation.folders),
    translation
  );
}
