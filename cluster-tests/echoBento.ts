// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as path from 'node:path';
import type { ProductUser } from '../playground/registry';

const SERVICE = `# SPDX-License-Identifier: BSD-3-Clause
import os
import bentoml

@bentoml.service(name="echo")
class Echo:
    @bentoml.api
    def say(self, text: str) -> dict:
        return {"said": text, "greeting": os.environ.get("GREETING", "")}

    @bentoml.api
    def many(self, count: int) -> str:
        return "x" * count
`;

/** What tells one test bento from another. */
export interface EchoBento {
  /** BENTOML_HOME. */
  home: string;
  name: string;
  version: string;
  user: ProductUser | null;
  /** Goes into a file, so that the same tag can have other content. */
  content?: string;
  /** Bytes of a file that makes the archive large. */
  ballast?: number;
}

/** Writes a small but real BentoML 1.4 bento into a store; returns its tag. */
export function writeEchoBento(options: EchoBento): string {
  const { home, name, version, content, ballast, user } = options;
  const tag = `${name}:${version}`;
  const folder = path.join(home, 'bentos', name, version);
  const files: Record<string, string | Buffer> = {
    'bento.yaml': `service: service:Echo
name: ${name}
version: ${version}
bentoml_version: 1.4.40
creation_time: '2026-01-01T00:00:00.000000+00:00'
labels: {}
models: []
entry_service: echo
services:
- name: echo
  service: ''
  models: []
  dependencies: []
  config: {}
envs: []
schema: {}
args: {}
spec: 2
image:
  base_image: python:3.11-slim
  python_version: '3.11'
  commands: []
  python_requirements: ''
  post_commands: []
`,
    'README.md': `# ${name}\n\n${content ?? ''}\n`,
    'src/service.py': SERVICE,
    'env/docker/Dockerfile': 'FROM python:3.11-slim\n',
    'env/docker/entrypoint.sh': '#!/bin/sh\nexec "$@"\n',
    'env/python/requirements.txt': 'bentoml==1.4.40\n'
  };
  if (ballast !== undefined) {
    files['src/ballast.bin'] = Buffer.alloc(ballast, 'ballast ');
  }
  fs.rmSync(folder, { recursive: true, force: true });
  for (const [file, text] of Object.entries(files)) {
    const target = path.join(folder, file);
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.writeFileSync(target, text);
  }
  fs.writeFileSync(path.join(path.dirname(folder), 'latest'), version);
  if (user) {
    giveTo(home, user);
  }
  return tag;
}

/** Gives a folder and all in it to a user. */
export function giveTo(folder: string, { uid, gid }: ProductUser): void {
  fs.chownSync(folder, uid, gid);
  for (const entry of fs.readdirSync(folder, {
    recursive: true,
    encoding: 'utf8'
  })) {
    fs.lchownSync(path.join(folder, entry), uid, gid);
  }
}
