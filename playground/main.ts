// SPDX-License-Identifier: BSD-3-Clause
import { parseArgs } from 'node:util';

import { ensureEnv, envNames } from './envs';
import { faultNames, faults, parseFault } from './faults';
import { generateCrds } from './crds';
import type { InstanceStatus } from './instance';
import {
  down,
  readFaults,
  readInstance,
  setFaults,
  status,
  up
} from './instance';
import { ensureServers } from './servers';

const usage = `A real cluster, an S3 server and stand-ins for BentoML's operators on this machine.

  npm run playground -- up      [--name N] [--fault F]... [--speed X] [--domain-suffix-hang]
  npm run playground -- down    [--name N]
  npm run playground -- status  [--name N]
  npm run playground -- fault   set F... | clear | list   [--name N]
  npm run playground -- build   builds the servers, which up does by itself
  npm run playground -- envs    makes the Python environments that pods and kernels run in
  npm run playground -- crds    writes playground/servers/crds/yaml anew from its Go types

--json prints one object to standard output; progress goes to standard error.
Faults: ${faultNames.join(', ')}`;

/** A mistake in the command line: the usage is shown, exit 2. */
class UsageError extends Error {}

interface Command {
  verb: string;
  words: string[];
  name: string;
  json: boolean;
  faults?: string[];
  speed?: string;
  domainSuffixHang: boolean;
}

interface Outcome {
  /** What `--json` prints beside `ok`. */
  data: Record<string, unknown>;
  /** What a person reads. */
  text: string;
  ok?: boolean;
}

function parse(args: string[]): Command {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        name: { type: 'string', default: 'default' },
        json: { type: 'boolean', default: false },
        fault: { type: 'string', multiple: true },
        speed: { type: 'string' },
        'domain-suffix-hang': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false, short: 'h' }
      }
    });
    const [verb = 'help', ...words] = positionals;
    return {
      verb: values.help ? 'help' : verb,
      words,
      name: values.name,
      json: values.json,
      faults: values.fault,
      speed: values.speed,
      domainSuffixHang: values['domain-suffix-hang']
    };
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function parseSpeed(text: string | undefined): number | undefined {
  const speed = text === undefined ? undefined : Number(text);
  if (speed !== undefined && !(speed > 0 && Number.isFinite(speed))) {
    throw new UsageError(
      `--speed takes a number above 0, not "${String(text)}".`
    );
  }
  return speed;
}

function parseFaults(
  names: readonly string[]
): ReturnType<typeof parseFault>[] {
  try {
    return names.map(parseFault);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function megabytes(bytes: number | undefined): string {
  return bytes === undefined
    ? ''
    : `${String(Math.round(bytes / 1024 / 1024))} MB`;
}

function describeStatus(found: InstanceStatus): string {
  const { instance } = found;
  const lines = [
    `playground ${found.name}: ${found.state}`,
    ...found.reasons.map(r => `  ${r}`)
  ];
  if (instance) {
    const { options } = instance;
    lines.push(
      `  API server  ${instance.apiServer}, namespace ${instance.namespace}`,
      `  S3          ${instance.s3.endpoint}/${instance.s3.bucket}/${instance.s3.prefix}`,
      `  kubectl     ${instance.programsDir}/kubectl --kubeconfig ${instance.productKubeconfig}`,
      `  logs        ${instance.logsDir}`,
      `  controllers ${options.controllers ? `at speed ${String(options.speed)}` : 'left out'}`,
      `  faults      ${found.faults.join(', ') || 'none'}`
    );
  }
  for (const { name, pid, running, residentBytes } of found.servers) {
    const how = running ? megabytes(residentBytes) : 'ended';
    lines.push(`  ${name.padEnd(24)} pid ${String(pid).padEnd(8)} ${how}`);
  }
  if (found.otherPids.length > 0) {
    lines.push(
      `  ${String(found.otherPids.length)} more processes, of the controllers and of pods`
    );
  }
  return lines.join('\n');
}

async function runUp(command: Command): Promise<Outcome> {
  const begun = Date.now();
  const instance = await up({
    name: command.name,
    faults: command.faults && parseFaults(command.faults),
    speed: parseSpeed(command.speed),
    domainSuffixHang: command.domainSuffixHang,
    onProgress: line => {
      console.error(line);
    }
  });
  const readyMs = Date.now() - begun;
  const found = await status(command.name);
  return {
    data: { readyMs, instance, servers: found.servers, faults: found.faults },
    text: `${describeStatus(found)}\nready after ${(readyMs / 1000).toFixed(1)} s`
  };
}

function runFault(command: Command): Outcome {
  const [action, ...names] = command.words;
  if (action === 'list') {
    const text = faultNames
      .map(name => `${name.padEnd(24)} ${faults[name]}`)
      .join('\n');
    const instance = readInstance(command.name);
    const active = instance ? readFaults(instance) : [];
    return {
      data: { faults, active },
      text: `${text}\nactive in ${command.name}: ${active.join(', ') || 'none'}`
    };
  }
  if (action !== 'set' && action !== 'clear') {
    throw new UsageError('fault takes set, clear or list.');
  }
  const active = action === 'set' ? parseFaults(names) : [];
  const instance = readInstance(command.name);
  if (!instance) {
    throw new Error(
      `No playground ${command.name} runs; start it with npm run playground -- up.`
    );
  }
  setFaults(instance, active);
  return {
    data: { active },
    text: `active in ${command.name}: ${active.join(', ') || 'none'}`
  };
}

async function runEnvs(): Promise<Outcome> {
  const dirs: Record<string, string> = {};
  for (const name of envNames) {
    const { dir } = await ensureEnv(name, {
      onProgress: line => {
        console.error(line);
      }
    });
    dirs[name] = dir;
  }
  return { data: { envs: dirs }, text: Object.values(dirs).join('\n') };
}

async function runCommand(command: Command): Promise<Outcome> {
  switch (command.verb) {
    case 'up':
      return runUp(command);
    case 'down':
      await down(command.name);
      return {
        data: { name: command.name },
        text: `playground ${command.name} is down`
      };
    case 'status': {
      const found = await status(command.name);
      return {
        data: { ...found },
        text: describeStatus(found),
        ok: found.state === 'ready'
      };
    }
    case 'fault':
      return runFault(command);
    case 'build': {
      const { dir } = await ensureServers(line => {
        console.error(line);
      });
      return { data: { dir }, text: dir };
    }
    case 'envs':
      return runEnvs();
    case 'crds': {
      const files = await generateCrds();
      return { data: { files }, text: files.join('\n') };
    }
    case 'help':
      return { data: { usage }, text: usage };
    default:
      throw new UsageError(`There is no command "${command.verb}".`);
  }
}

async function main(args: string[]): Promise<void> {
  const json = args.includes('--json');
  try {
    const { ok = true, data, text } = await runCommand(parse(args));
    console.log(json ? JSON.stringify({ ok, ...data }) : text);
    process.exitCode = ok ? 0 : 1;
  } catch (error) {
    const message = (error as Error).message;
    const cause = (error as Error).cause;
    const full =
      cause instanceof Error ? `${message}\n${cause.message}` : message;
    if (json) {
      console.log(JSON.stringify({ ok: false, error: full }));
    }
    console.error(error instanceof UsageError ? `${full}\n\n${usage}` : full);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}

void main(process.argv.slice(2)).then(() => {
  // Whatever still waits for a server that failed to start must not hold the command up.
  process.stdout.write('', () => process.exit());
});
