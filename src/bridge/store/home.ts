// SPDX-License-Identifier: BSD-3-Clause
import * as os from 'node:os';
import * as path from 'node:path';

/**
 * The absolute folder that holds `bentos` and `models`: the given one, else
 * `BENTOML_HOME`, else `~/bentoml`. A leading `~` is expanded as BentoML does.
 */
export function storeHome(
  home: string | undefined,
  env: NodeJS.ProcessEnv
): string {
  const user = env.HOME ?? os.homedir();
  const chosen =
    firstText(home, env.BENTOML_HOME) ?? path.join(user, 'bentoml');
  return path.resolve(chosen.replace(/^~(?=\/|$)/, user));
}

function firstText(...texts: (string | undefined)[]): string | undefined {
  return texts.find(text => text !== undefined && text.trim() !== '');
}
