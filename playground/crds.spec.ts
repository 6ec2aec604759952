// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as path from 'node:path';

import { loadAll } from 'js-yaml';

import { crdDir } from './crds';
import { repositoryRoot } from './paths';

interface Schema {
  type?: string;
  properties?: Record<string, Schema>;
  items?: Schema;
  additionalProperties?: Schema;
  required?: string[];
  [key: string]: unknown;
}

interface Version {
  name: string;
  served: boolean;
  storage: boolean;
  subresources?: unknown;
  schema: { openAPIV3Schema: Schema };
}

interface Definition {
  kind: string;
  metadata: { name: string };
  spec: { names: unknown; scope: string; versions: Version[] };
}

function read(folder: string): Map<string, Definition> {
  const documents = fs
    .readdirSync(folder)
    .flatMap(
      file =>
        loadAll(
          fs.readFileSync(path.join(folder, file), 'utf8')
        ) as Definition[]
    );
  const found = documents.filter(
    document => document?.kind === 'CustomResourceDefinition'
  );
  return new Map(
    found.map(definition => [definition.metadata.name, definition])
  );
}

/** What decides whether an object is accepted and which of its keys are kept, one line a fact. */
function facts(schema: Schema, at = ''): string[] {
  const rules = [
    'type',
    'format',
    'enum',
    'pattern',
    'minimum',
    'minLength',
    'maxLength',
    'anyOf'
  ];
  const kept = [
    'x-kubernetes-int-or-string',
    'x-kubernetes-preserve-unknown-fields'
  ];
  const here = [...rules, ...kept]
    .filter(key => schema[key] !== undefined)
    .map(key => `${at} ${key} ${JSON.stringify(schema[key])}`);
  const required = (schema.required ?? []).map(
    key => `${at}.${key} is required`
  );
  const inner = [
    ...Object.entries(schema.properties ?? {}).map(([key, value]) => [
      `${at}.${key}`,
      value
    ]),
    ...(schema.items ? [[`${at}[]`, schema.items]] : []),
    ...(schema.additionalProperties
      ? [[`${at}{}`, schema.additionalProperties]]
      : [])
  ] as [string, Schema][];
  return [
    `${at} exists`,
    ...here,
    ...required,
    ...inner.flatMap(([where, value]) => facts(value, where))
  ];
}

const kinds = [
  ['bentorequests.resources.yatai.ai', 'v1alpha1'],
  ['bentoes.resources.yatai.ai', 'v1alpha1'],
  ['bentodeployments.serving.yatai.ai', 'v2alpha1']
] as const;

const referenceDir = path.join(
  process.env.BENTO_REFERENCE_DIR ?? path.join(repositoryRoot, '..', 'shared'),
  'crds'
);
const withReference = fs.existsSync(referenceDir);

describe('the definitions of the three kinds', () => {
  test.each(kinds)(
    '%s serves and stores %s with a status of its own',
    (name, version) => {
      const definition = read(crdDir).get(name);
      expect(definition?.spec).toMatchObject({
        scope: 'Namespaced',
        versions: [
          {
            name: version,
            served: true,
            storage: true,
            subresources: { status: {} }
          }
        ]
      });
    }
  );

  // Skipped where the operators' own definitions are not at hand: set BENTO_REFERENCE_DIR.
  (withReference ? test : test.skip).each(kinds)(
    '%s accepts and prunes as the operators’ own does',
    (name, version) => {
      const [ours, theirs] = [read(crdDir), read(referenceDir)].map(found => {
        const definition = found.get(name);
        const schema = definition?.spec.versions.find(
          ({ name }) => name === version
        )?.schema;
        if (!definition || !schema) {
          throw new Error(`${name} ${version} is missing`);
        }
        return {
          names: definition.spec.names,
          facts: facts(schema.openAPIV3Schema).sort()
        };
      });
      expect(ours).toEqual(theirs);
      expect(ours?.facts.length).toBeGreaterThan(20);
    }
  );
});
