// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as path from 'node:path';

import { repositoryRoot } from '../../paths';
import type { KubeObject, Stored } from '../kube/objects';

/** One line of what a watch on everything delivered, in the order of resource versions. */
export interface RecordedLine {
  t_ms: number;
  verb: 'ADDED' | 'MODIFIED' | 'DELETED';
  object: Stored<KubeObject> & Record<string, unknown>;
}

/** Something the recorder did itself. */
export interface RecordedAction {
  t_ms: number;
  action: string;
  image?: string;
}

const root =
  process.env.BENTO_REFERENCE_DIR ?? path.join(repositoryRoot, '..', 'shared');

function folderOf(scenario: string): string | undefined {
  const recordings = path.join(root, 'recordings');
  if (!fs.existsSync(recordings)) {
    return undefined;
  }
  const name = fs
    .readdirSync(recordings)
    .find(entry => entry.startsWith(`${scenario}-`));
  return name && path.join(recordings, name);
}

function readLines<T>(file: string): T[] {
  return fs
    .readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line) as T);
}

/** Whether recordings of the real operators are at hand. */
export function recordingsAtHand(): boolean {
  return folderOf('01c') !== undefined;
}

/** What was seen in a scenario; a spec that a line says is unchanged is filled in. */
export function recordedLines(
  scenario: string,
  file = 'watch.jsonl'
): RecordedLine[] {
  const specs = new Map<string, unknown>();
  return readLines<RecordedLine>(path.join(folderOf(scenario) ?? '', file)).map(
    line => {
      const { uid } = line.object.metadata;
      const spec =
        line.object.spec === '$prev' ? specs.get(uid) : line.object.spec;
      specs.set(uid, spec);
      return { ...line, object: { ...line.object, spec } };
    }
  );
}

/** What the recorder did in a scenario. */
export function recordedActions(scenario: string): RecordedAction[] {
  return readLines(path.join(folderOf(scenario) ?? '', 'actions.jsonl'));
}

/** The lines of one kind, and of one name where it is given. */
export function linesOf(
  lines: readonly RecordedLine[],
  kind: string,
  name?: string
): RecordedLine[] {
  return lines.filter(
    ({ object }) =>
      object.kind === kind && (!name || object.metadata.name === name)
  );
}
