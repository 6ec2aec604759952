// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as path from 'node:path';
import type { ProductUser } from '../playground/registry';
import { giveTo } from './echoBento';

const SERVICE = `# SPDX-License-Identifier: BSD-3-Clause
import bentoml
from bentoml.io import JSON


class Adder(bentoml.Runnable):
    SUPPORTED_RESOURCES = ("cpu",)
    SUPPORTS_CPU_MULTI_THREADING = True

    @bentoml.Runnable.method(batchable=False)
    def add(self, numbers):
        return sum(numbers)


adder = bentoml.Runner(Adder, name="adder")
svc = bentoml.Service("sums", runners=[adder])


@svc.api(input=JSON(), output=JSON())
async def total(numbers):
    return await adder.add.async_run(numbers)
`;

// As in every bento: the operator's command names modules that are gone since 1.0.
const ENTRYPOINT = `#!/bin/sh
case "$3" in
  *cli.runner) shift 3; exec bentoml start-runner-server "$@" ;;
  *cli.api_server) shift 3; exec bentoml start-http-server "$@" ;;
esac
exec "$@"
`;

/** Writes a bento of a service with one runner, as BentoML 1.1 makes them; returns its tag. */
export function writeRunnerBento(options: {
  home: string;
  user: ProductUser | null;
}): string {
  const { home, user } = options;
  const folder = path.join(home, 'bentos', 'sums', 'v1');
  const files: Record<string, string> = {
    'bento.yaml': `service: service:svc
name: sums
version: v1
bentoml_version: 1.1.11
creation_time: '2026-01-01T00:00:00.000000+00:00'
labels: {}
models: []
runners:
- name: adder
  runnable_type: Adder
  embedded: false
  models: []
  resource_config: null
apis:
- name: total
  input_type: JSON
  output_type: JSON
docker:
  distro: debian
  python_version: '3.11'
  cuda_version: null
  env: null
  system_packages: null
  setup_script: null
  base_image: null
  dockerfile_template: null
python:
  requirements_txt: null
  packages: null
  lock_packages: true
conda:
  environment_yml: null
  channels: null
  dependencies: null
  pip: null
`,
    'README.md': '# sums\n',
    'src/service.py': SERVICE,
    'env/docker/Dockerfile': 'FROM python:3.11-slim\n',
    'env/docker/entrypoint.sh': ENTRYPOINT,
    'env/python/version.txt': '3.11.2',
    'env/python/requirements.txt': 'bentoml==1.1.11\n'
  };
  for (const [file, text] of Object.entries(files)) {
    const target = path.join(folder, file);
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.writeFileSync(target, text, { mode: 0o755 });
  }
  fs.writeFileSync(path.join(path.dirname(folder), 'latest'), 'v1');
  if (user) {
    giveTo(home, user);
  }
  return 'sums:v1';
}
