// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs/promises';
import * as path from 'node:path';

/** Words that the made-up bentos are composed of. */
const SUBJECTS = [
  'churn',
  'fraud',
  'price',
  'demand',
  'image',
  'text',
  'route'
];
const FIELDS = [
  'age',
  'amount',
  'country',
  'device',
  'history',
  'score',
  'tags'
];

/**
 * Writes a store of that many bentos under `home`, each with a name, labels,
 * models and an API of its own, as BentoML 1.4 writes them: `bento.yaml` with
 * the whole schema (about 12 KB), Dockerfile, source and a small model each.
 * The same number gives the same store.
 */
export async function writeStore(home: string, count: number): Promise<void> {
  for (let number = 0; number < count; number += 1) {
    const bento = describe(number);
    const folder = path.join(home, 'bentos', bento.name, bento.version);
    await writeFiles(folder, {
      'bento.yaml': bentoYaml(bento),
      'README.md': `# ${bento.service}\n`,
      'src/service.py': `# service ${bento.service}\n`,
      'env/docker/Dockerfile': 'FROM python:3.11-slim\n',
      'env/python/requirements.txt': 'bentoml==1.4.40\nscikit-learn\n'
    });
    await writeFiles(path.dirname(folder), { latest: bento.version });
    // What was written a moment ago is not trusted by any index.
    const then = new Date(bento.time);
    await fs.utimes(path.join(folder, 'bento.yaml'), then, then);
    await fs.utimes(path.dirname(folder), then, then);
    const model = path.join(home, 'models', bento.model);
    await writeFiles(path.join(model, bento.modelVersion), {
      'model.yaml': modelYaml(bento),
      'model.bin': `weights ${String(number)}\n`.repeat(20)
    });
    await writeFiles(model, { latest: bento.modelVersion });
  }
}

interface Made {
  number: number;
  name: string;
  version: string;
  service: string;
  model: string;
  modelVersion: string;
  time: string;
  routes: number;
}

function describe(number: number): Made {
  const subject = pick(SUBJECTS, number);
  const digits = String(number).padStart(4, '0');
  return {
    number,
    name: `${subject}_service_${digits}`,
    version: `v${code(number)}`,
    service: `${subject.charAt(0).toUpperCase()}${subject.slice(1)}Service${digits}`,
    model: `${subject}_model_${digits}`,
    modelVersion: `m${code(number + 7)}`,
    time: new Date(Date.UTC(2026, 0, 1) + number * 3_600_000).toISOString(),
    routes: 10 + (number % 5)
  };
}

/** Sixteen characters that look like the versions BentoML makes. */
function code(number: number): string {
  return ((number + 1) * 7_919_131).toString(36).padStart(15, 'k').slice(-15);
}

function pick(words: string[], number: number): string {
  return words[number % words.length] ?? '';
}

function bentoYaml(bento: Made): string {
  const { number, name, version, service, model, modelVersion } = bento;
  const time = bento.time.replace('Z', '000+00:00');
  return `service: service:${service}
name: ${name}
version: ${version}
bentoml_version: 1.4.40
creation_time: '${time}'
labels:
  owner: team-${String(number % 17)}
  stage: ${number % 2 === 0 ? 'dev' : 'prod'}
  run: '${String(number)}'
models: []
entry_service: ${service}
services:
- name: ${service}
  service: ''
  models:
  - tag: ${model}:${modelVersion}
    module: ''
    creation_time: '${time}'
  dependencies: []
  config:
    name: ${service}
    resources:
      cpu: ${String(200 + (number % 9) * 100)}m
      memory: 1Gi
    traffic:
      timeout: 60
envs:
- name: MODEL_STAGE
  value: stage-${String(number)}
schema:
  name: ${service}
  type: service
  routes:
${Array.from({ length: bento.routes }, (_, route) => routeYaml(number, route)).join('')}args: {}
spec: 2
image:
  base_image: python:3.11-slim
  python_version: '3.11'
  commands:
  - apt-get update && apt-get install -q -y --no-install-recommends ca-certificates
  python_requirements: 'scikit-learn

    bentoml==1.4.40

    '
  post_commands: []
`;
}

function routeYaml(number: number, route: number): string {
  const name = `${pick(FIELDS, number + route)}_${String(route)}`;
  const properties = FIELDS.map(
    (field, index) => `        ${field}_${String(route)}:
          title: ${field} of ${name}
          type: ${['string', 'number', 'integer'][(index + number) % 3] ?? 'string'}
          description: 'The ${field} as known at request ${String(number)}'
`
  ).join('');
  return `  - name: ${name}
    route: /${name}
    batchable: false
    input:
      properties:
${properties}      required:
${FIELDS.map(field => `      - ${field}_${String(route)}\n`).join('')}      title: Input
      type: object
    output:
      type: object
      title: Output
    is_task: ${route % 4 === 3 ? 'true' : 'false'}
`;
}

function modelYaml(bento: Made): string {
  return `name: ${bento.model}
version: ${bento.modelVersion}
module: ''
labels: {}
options: {}
metadata: {}
context:
  framework_name: ''
  framework_versions: {}
  bentoml_version: 1.4.40
  python_version: 3.11.2
signatures: {}
api_version: v1
creation_time: '${bento.time.replace('Z', '000+00:00')}'
`;
}

async function writeFiles(
  folder: string,
  files: Record<string, string>
): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name);
    await fs.mkdir(path.dirname(file), { recursive: true });
    await fs.writeFile(file, content);
  }
}
