// SPDX-License-Identifier: BSD-3-Clause

const WORDS: Record<string, string> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOENT: 'it does not exist',
  ENOTDIR: 'it is not a folder',
  EISDIR: 'it is a folder',
  ELOOP: 'its symbolic links run in a circle',
  EIO: 'the disk reports an error',
  ESTALE: 'the network disk has lost it'
};

/** The code of a file system error, for instance `ENOENT`. */
export function errorCode(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error
    ? String(error.code)
    : undefined;
}

/** A file system error in a few words, without the path. */
export function fileProblem(error: unknown): string {
  const code = errorCode(error);
  return (
    (code === undefined ? undefined : (WORDS[code] ?? code)) ??
    (error instanceof Error ? error.message : String(error))
  );
}
