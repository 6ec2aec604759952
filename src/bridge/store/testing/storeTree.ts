// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs/promises';
import * as os from 'node:os';
import * as path from 'node:path';

/** A store in a temporary folder, for tests. */
export class StoreTree {
  private constructor(readonly home: string) {}

  static async make(): Promise<StoreTree> {
    const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'store-'));
    // The product's user may look into it, whoever made it.
    await fs.chmod(folder, 0o755);
    return new StoreTree(await fs.realpath(folder));
  }

  /** Absolute path of a place below the store. */
  at(...parts: string[]): string {
    return path.join(this.home, ...parts);
  }

  async write(place: string, content: string | Buffer): Promise<void> {
    const file = this.at(place);
    await fs.mkdir(path.dirname(file), { recursive: true });
    await fs.writeFile(file, content);
  }

  /** A bento with a source file; `yaml` comes after name and version. */
  async bento(tag: string, yaml = ''): Promise<string> {
    const [name = '', version = ''] = tag.split(':');
    const folder = `bentos/${name}/${version}`;
    await this.write(
      `${folder}/bento.yaml`,
      `name: ${name}\nversion: '${version}'\n${yaml}`
    );
    await this.write(`${folder}/src/service.py`, `# ${tag}\n`);
    await this.write(
      `${folder}/env/docker/Dockerfile`,
      'FROM python:3.11-slim\n'
    );
    return this.at(folder);
  }

  /** A model of a few bytes, or of the given ones. */
  async model(tag: string, weights: string | Buffer = tag): Promise<string> {
    const folder = `models/${tag.replace(':', '/')}`;
    const [name = '', version = ''] = tag.split(':');
    await this.write(
      `${folder}/model.yaml`,
      `name: ${name}\nversion: ${version}\ncreation_time: '2026-01-01T00:00:00.000000+00:00'\n`
    );
    await this.write(`${folder}/weights.bin`, weights);
    return this.at(folder);
  }

  async remove(): Promise<void> {
    await fs.rm(this.home, { recursive: true, force: true });
  }
}

/** The `models` section that names these models. */
export function modelsYaml(...tags: string[]): string {
  return `models:\n${tags.map(tag => `- tag: ${tag}\n  module: ''\n`).join('')}`;
}
