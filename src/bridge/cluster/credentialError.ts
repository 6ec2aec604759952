// SPDX-License-Identifier: BSD-3-Clause
import { BentoError } from '../../domain/errors';
import { scrub } from '../log';

/** What the message of a failed credential needs to know. */
export interface CredentialContext {
  userName: string;
  user: Record<string, unknown>;
  /** PATH that programs are looked for in. */
  searchPath: string;
}

/**
 * Turns what the kubeconfig library threw into `execPluginMissing` or
 * `credentialFailed`. A program's output is never quoted where it should have
 * been a credential; of its complaints the last line is.
 */
export function credentialError(
  thrown: unknown,
  { userName, user, searchPath }: CredentialContext
): BentoError {
  const { command } = (user.exec ?? {}) as { command?: string };
  const error = (thrown ?? {}) as NodeJS.ErrnoException;
  const fromProgram = error.syscall?.startsWith('spawn') === true;
  if (fromProgram && error.code === 'ENOENT') {
    return new BentoError('execPluginMissing', {
      params: { user: userName, command: command ?? '', path: searchPath },
      cause: thrown
    });
  }
  const reason = () => {
    if (fromProgram) {
      return `"${command ?? ''}" cannot be run (${error.code ?? 'unknown'}).`;
    }
    if (error.code !== undefined && error.path !== undefined) {
      return `${error.path} cannot be read (${error.code}).`;
    }
    if (command === undefined) {
      return `user "${userName}": ${lastLine(error.message)}`;
    }
    if (thrown instanceof SyntaxError || thrown instanceof TypeError) {
      return `"${command}" did not print an ExecCredential.`;
    }
    return `"${command}" failed: ${lastLine(error.message)}`;
  };
  return new BentoError('credentialFailed', { params: { reason: reason() } });
}

function lastLine(text: string | undefined): string {
  const lines = (text ?? '').split('\n').filter(line => line.trim() !== '');
  return scrub(lines.at(-1)?.trim() ?? 'no reason given').slice(0, 300);
}
