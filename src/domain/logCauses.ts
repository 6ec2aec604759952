// SPDX-License-Identifier: BSD-3-Clause
import type { ErrorParams } from './errors';

/** What one line of a container's log says about why it failed. */
interface LogCause {
  pattern: RegExp;
  /** What happened; `$1` and so on are filled from the pattern. */
  reason: string;
  /** What to do. */
  action: string;
}

const DEPLOY_AGAIN = 'Deploy again to upload the archive and sign it anew.';

/** First match of the newest line wins, so the more telling texts come first. */
const CAUSES: LogCause[] = [
  {
    pattern: /The requested URL returned error: (403)/,
    reason: 'the object store refused the download with status $1',
    action: `The address has expired, or was signed for another host than the one the builder calls. ${DEPLOY_AGAIN}`
  },
  {
    pattern: /The requested URL returned error: (404)/,
    reason: 'the archive is not in the object store (status $1)',
    action: DEPLOY_AGAIN
  },
  {
    pattern: /The requested URL returned error: (5\d\d)/,
    reason: 'the object store failed with status $1',
    action:
      'The build tries again by itself for about eleven minutes: wait again with "%bento deploy TAG --wait", which sends nothing twice.'
  },
  {
    pattern: /An error occurred \((403|404|\w+)\) when calling the (\w+)/,
    reason: 'S3 answered $1 to $2',
    action: 'Check that the builder has credentials that may read the archive.'
  },
  {
    pattern: /Unable to locate credentials/,
    reason: 'the builder has no S3 credentials',
    action: 'Deploy with a presigned address (the default).'
  },
  {
    pattern: /Could not resolve host:? (\S+)/,
    reason: 'the builder does not know the host $1',
    action:
      'Set JUPYTERLAB_BENTO_BUILDER_S3_ENDPOINT to the address that pods of the cluster use.'
  },
  {
    pattern: /does not look like a tar archive|Unrecognized archive format/,
    reason: 'the archive is no tar file',
    action: DEPLOY_AGAIN
  },
  {
    pattern: /No space left on device/,
    reason: 'the disk of the node is full',
    action: 'Ask an administrator, or make the bento smaller.'
  },
  {
    pattern: /error resolving dockerfile path/,
    reason: 'the archive holds no env/docker/Dockerfile',
    action: 'Build the bento again; it must be a bento, not its sources.'
  },
  {
    pattern: /error checking push permissions[^:]*: (.+)/,
    reason: 'the registry refuses the push: $1',
    action: 'Ask an administrator to check the registry of yatai-image-builder.'
  },
  {
    pattern: /No matching distribution found for (\S+)/,
    reason: 'no version of the Python package $1 fits',
    action: 'Correct the packages of the bento and build it again.'
  },
  {
    pattern: /Could not find a version that satisfies the requirement (\S+)/,
    reason: 'no version of the Python package $1 fits',
    action: 'Correct the packages of the bento and build it again.'
  },
  {
    pattern: /Runner (\S+) not found in the service/,
    reason: 'the service has no runner $1',
    action: 'Deploy again from here, so that the runners come from the bento.'
  },
  {
    pattern: /No module named '?([\w.]+)'?/,
    reason: 'the Python module $1 is missing',
    action: 'Add it to the packages of the bento and build it again.'
  },
  {
    pattern: /(?:No|no) Models? with name '?([\w.:-]+)'? exist/,
    reason: 'the model $1 is not in the image',
    action: 'Build the bento again with its models in the store.'
  }
];

/**
 * Looks for the cause in the last lines of a failed container's log.
 * @param lines - Oldest first.
 * @returns `reason` and `action` that say more than the container's exit code,
 *   or undefined.
 */
export function logCause(lines: readonly string[]): ErrorParams | undefined {
  for (const line of [...lines].reverse()) {
    for (const { pattern, reason, action } of CAUSES) {
      const match = pattern.exec(line);
      if (match) {
        const filled = reason.replace(/\$(\d)/g, (_gap, index: string) =>
          (match[Number(index)] ?? '').slice(0, 200)
        );
        return { reason: `${filled}.`, action };
      }
    }
  }
  return undefined;
}
