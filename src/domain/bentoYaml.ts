// SPDX-License-Identifier: BSD-3-Clause
import { FAILSAFE_SCHEMA, load, Type, YAMLException } from 'js-yaml';
import type { Bento, ModelReference, Runner } from '../protocol';
import { BentoError } from './errors';

/** Registry of the models that lie in the local model store. */
export const LOCAL_REGISTRY = 'bentoml';

/** Values of `spec` that are understood; a missing one means 1. */
const KNOWN_LAYOUTS = ['1', '2'];

/**
 * Every scalar stays the text that was written: a version `1.10` must not turn
 * into a number, nor a label `yes` into a boolean. Explicit tags (`!!int`) are
 * read past.
 */
const TEXT_ONLY = FAILSAFE_SCHEMA.extend(
  (['scalar', 'sequence', 'mapping'] as const).map(
    kind => new Type('tag:yaml.org,2002:', { kind, multi: true })
  )
);

/**
 * Reads a `bento.yaml` of any BentoML from 1.0 to 1.4 (layouts 1 and 2, and
 * newer ones as far as they are alike). `latest` is false and the sizes are
 * absent: only the store knows them.
 *
 * @param text - The file; a byte order mark and CRLF are fine.
 * @param path - Folder of the bento, `…/<name>/<version>`. It gives name and
 * version, since BentoML looks bentos up by folder; a file that says otherwise
 * gets a note.
 * @throws BentoError `bentoUnreadable` with what is wrong, never with the text.
 */
export function parseBentoYaml(text: string, path: string): Bento {
  const raw = parseDocument(text, path);
  const named = { name: asText(raw.name), version: asText(raw.version) };
  if (named.name === undefined || named.version === undefined) {
    throw unreadable(path, missingIdentity(raw, named));
  }
  const [name = '', version = ''] = path.split('/').slice(-2);
  const services = asList(raw.services).map(asMap);
  const bentomlVersion = asText(raw.bentoml_version);
  const createdAt = asInstant(asText(raw.creation_time));
  const labels = readLabels(raw.labels);
  return {
    tag: `${name}:${version}`,
    name,
    version,
    path,
    ...(bentomlVersion === undefined ? {} : { bentomlVersion }),
    ...(createdAt === undefined ? {} : { createdAt }),
    labels: labels.texts,
    service: asText(raw.service) ?? '',
    services: readServices(services, asText(raw.entry_service)),
    runners: asList(raw.runners).flatMap(readRunner),
    models: readModels([raw, ...services]),
    latest: false,
    notes: [
      ...layoutNotes(asText(raw.spec)),
      ...identityNotes(`${named.name}:${named.version}`, `${name}:${version}`),
      ...labels.notes
    ]
  };
}

type Raw = Record<string, unknown>;

function parseDocument(text: string, path: string): Raw {
  const cut = cutUnused(text);
  const document =
    (cut === undefined ? undefined : tryLoad(cut)) ?? loadWhole(text, path);
  if (!isMap(document)) {
    throw unreadable(path, 'bento.yaml is empty or holds no keys');
  }
  return document;
}

/** Undefined where the cut text does not stand alone, for instance for want of an anchor. */
function tryLoad(text: string): Raw | undefined {
  try {
    const document = load(text, { schema: TEXT_ONLY, json: true });
    return isMap(document) ? document : undefined;
  } catch {
    return undefined;
  }
}

function loadWhole(text: string, path: string): unknown {
  try {
    return load(text, { schema: TEXT_ONLY, json: true });
  } catch (error) {
    const reason =
      error instanceof YAMLException
        ? `${error.reason}${lineOf(error)}`
        : 'it cannot be parsed';
    throw unreadable(path, `bento.yaml is not valid YAML: ${reason}`);
  }
}

function lineOf(error: YAMLException): string {
  // Errors of the whole stream ("expected a single document") come without a mark.
  const mark = error.mark as { line: number } | undefined;
  return mark === undefined ? '' : ` (line ${String(mark.line + 1)})`;
}

/** Top-level sections that describe the API or the image: by far the longest, and not shown. */
const UNUSED =
  /(?:^\uFEFF?|\n)(?:schema|apis|docker|python|conda|image|envs|args)[ \t]*:/g;
const INSIDE_SECTION = new Set([' ', '\t', '\r', '\n', '-', '#', '']);
const KEY = /[A-Za-z_]\w*[ \t]*:/y;

/**
 * Leaves out the sections that are not needed, which makes parsing several
 * times faster. Undefined when there is nothing to cut, or when the text is not
 * laid out as one key per line at the left margin.
 */
export function cutUnused(text: string): string | undefined {
  let kept = '';
  let position = 0;
  for (;;) {
    UNUSED.lastIndex = position;
    const section = UNUSED.exec(text);
    if (section === null) {
      break;
    }
    kept += text.slice(position, section.index);
    const end = nextTopLevel(text, UNUSED.lastIndex);
    KEY.lastIndex = end + 1;
    if (end < text.length && !KEY.test(text)) {
      return undefined;
    }
    position = end;
  }
  return position === 0 ? undefined : kept + text.slice(position);
}

/** Where the next line begins that belongs to the root: not indented, no list item, no comment. */
function nextTopLevel(text: string, from: number): number {
  let end = text.indexOf('\n', from);
  while (end >= 0 && INSIDE_SECTION.has(text.charAt(end + 1))) {
    end = text.indexOf('\n', end + 1);
  }
  return end < 0 ? text.length : end;
}

function missingIdentity(
  raw: Raw,
  named: { name?: string | undefined; version?: string | undefined }
): string {
  const missing = (['name', 'version'] as const)
    .filter(key => named[key] === undefined)
    .map(key => `"${key}"`)
    .join(' and ');
  const recipe = asText(raw.service) !== undefined && 'include' in raw;
  return recipe
    ? `bento.yaml lacks ${missing}; it looks like a build recipe (bentofile.yaml) under another name`
    : `bento.yaml lacks ${missing}`;
}

function layoutNotes(layout: string | undefined): string[] {
  return layout === undefined || KNOWN_LAYOUTS.includes(layout)
    ? []
    : [
        `Its bento.yaml has layout ${layout}, newer than the known 1 and 2: something may be missing here.`
      ];
}

function identityNotes(inFile: string, inFolder: string): string[] {
  return inFile.toLowerCase() === inFolder.toLowerCase()
    ? []
    : [`Its bento.yaml calls it ${inFile}.`];
}

function readLabels(raw: unknown): {
  texts: Record<string, string>;
  notes: string[];
} {
  const entries = Object.entries(asMap(raw));
  const isNested = (value: unknown) => isMap(value) || Array.isArray(value);
  return {
    texts: Object.fromEntries(
      entries.flatMap(([key, value]) =>
        isNested(value) ? [] : [[key, typeof value === 'string' ? value : '']]
      )
    ),
    notes: entries
      .filter(([, value]) => isNested(value))
      .map(([key]) => `Its label "${key}" is not a text; left out.`)
  };
}

function readServices(services: Raw[], entry: string | undefined): string[] {
  const names = services.flatMap(service => asText(service.name) ?? []);
  return entry === undefined
    ? names
    : [entry, ...names.filter(name => name !== entry)];
}

function readRunner(raw: unknown): Runner[] {
  const map = asMap(raw);
  const name = asText(map.name);
  // Before 1.0.0rc1 the key was `runner_type`.
  const runnableType = asText(map.runnable_type) ?? asText(map.runner_type);
  const models = asList(map.models).flatMap(model => tagOf(model) ?? []);
  return name === undefined
    ? []
    : [
        {
          name,
          ...(runnableType === undefined ? {} : { runnableType }),
          models
        }
      ];
}

/** Models of the top level and of every service; from 1.2 on only services name them. */
function readModels(owners: Raw[]): ModelReference[] {
  const byTag = new Map<string, ModelReference>();
  for (const raw of owners.flatMap(owner => asList(owner.models))) {
    const tag = tagOf(raw);
    if (tag === undefined) {
      continue;
    }
    const map = asMap(raw);
    const alias = byTag.get(tag)?.alias ?? asText(map.alias);
    const module = byTag.get(tag)?.module ?? asText(map.module);
    byTag.set(tag, {
      tag,
      ...(alias === undefined ? {} : { alias }),
      registry: asText(map.registry) ?? LOCAL_REGISTRY,
      ...(module === undefined ? {} : { module })
    });
  }
  return [...byTag.values()];
}

/** Before 1.0.0a7 a model was written as its tag alone. */
function tagOf(raw: unknown): string | undefined {
  return asText(raw) ?? asText(asMap(raw).tag);
}

const TIMESTAMP =
  /^(\d{4}-\d\d-\d\d)(?:[Tt]|\s+)(\d\d:\d\d:\d\d(?:\.\d+)?)\s*(Z|[+-]\d\d(?::?\d\d)?)?$/;

/** 1.0.0a6 wrote the time as a bare YAML timestamp, with a space in it. */
function asInstant(text: string | undefined): string | undefined {
  const [, day, time, zone = 'Z'] = TIMESTAMP.exec(text ?? '') ?? [];
  if (day === undefined || time === undefined) {
    return undefined;
  }
  const offset = /^[+-]\d\d$/.test(zone) ? `${zone}:00` : zone;
  const moment = new Date(`${day}T${time}${offset}`);
  return Number.isNaN(moment.getTime()) ? undefined : moment.toISOString();
}

function asText(value: unknown): string | undefined {
  return typeof value !== 'string' || ['', '~', 'null'].includes(value)
    ? undefined
    : value;
}

function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function isMap(value: unknown): value is Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asMap(value: unknown): Raw {
  return isMap(value) ? value : {};
}

function unreadable(path: string, reason: string): BentoError {
  return new BentoError('bentoUnreadable', { params: { path, reason } });
}
