// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { LOCAL_REGISTRY } from '../../domain/bentoYaml';
import { parseTag } from '../../domain/tags';
import type { Bento, ModelReference } from '../../protocol';
import { readLatest } from './nameFolder';

/** A model on disk. */
export interface ModelFolder {
  name: string;
  version: string;
  folder: string;
}

/** The models of a bento that must lie on disk; those of other registries are fetched at image build. */
export function localModels(bento: Bento): ModelReference[] {
  return bento.models.filter(model => model.registry === LOCAL_REGISTRY);
}

/**
 * Finds a model in the model store of `home`, else inside the bento, where
 * releases before 1.0.16 kept a copy. Undefined when neither holds it whole.
 */
export async function findModel(
  tag: string,
  where: { home: string; bento: Bento }
): Promise<ModelFolder | undefined> {
  for (const root of [where.home, where.bento.path]) {
    const found = await findUnder(path.join(root, 'models'), tag);
    if (found !== undefined) {
      return found;
    }
  }
  return undefined;
}

async function findUnder(
  models: string,
  tag: string
): Promise<ModelFolder | undefined> {
  try {
    // The tag comes from a file: parsing it also keeps "../" out of the path.
    const { name, version: asked = 'latest' } = parseTag(tag);
    const version =
      asked === 'latest' ? await readLatest(path.join(models, name)) : asked;
    if (version === undefined) {
      return undefined;
    }
    const folder = path.join(models, name, version);
    const description = await fs.stat(path.join(folder, 'model.yaml'));
    return description.isFile() ? { name, version, folder } : undefined;
  } catch {
    return undefined;
  }
}
