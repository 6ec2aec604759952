// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

import { repositoryRoot } from './paths';
import { run } from './run';
import { runGo } from './servers';

const serversModule = path.join(repositoryRoot, 'playground', 'servers');

/** The checked-in definitions of the three kinds. */
export const crdDir = path.join(serversModule, 'crds', 'yaml');

/**
 * Writes the definitions of the three kinds from the Go types beside them, with controller-gen.
 * @param output the folder to write to; its other files stay.
 * @returns the files written.
 * @throws Error when Go is missing or the types do not compile.
 */
export async function generateCrds(output = crdDir): Promise<string[]> {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'bento-crds-'));
  try {
    const generator = path.join(scratch, 'controller-gen');
    const source = 'sigs.k8s.io/controller-tools/cmd/controller-gen';
    await runGo({
      args: ['build', '-o', generator, source],
      cwd: serversModule
    });
    // Descriptions would make up nine tenths of the files, and nobody reads them here.
    const what = 'crd:maxDescLen=0,allowDangerousTypes=false';
    await run(generator, [what, 'paths=./...', `output:crd:dir=${output}`], {
      cwd: path.join(serversModule, 'crds')
    });
    return fs.readdirSync(output).map(file => path.join(output, file));
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}
