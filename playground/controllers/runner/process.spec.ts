// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

import { CriLog } from './criLog';
import { ContainerProcess } from './process';

let folder: string;
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'container-process-'));
});
afterAll(() => {
  fs.rmSync(folder, { recursive: true });
});

let count = 0;

/** Starts a shell script; `printed` resolves when it has printed a line. */
function start(script: string): {
  process: ContainerProcess;
  printed: Promise<void>;
  output: () => string;
} {
  count++;
  const file = path.join(folder, `${String(count)}.log`);
  const log = new CriLog(file, false);
  const write = log.write.bind(log);
  let output = '';
  const printed = new Promise<void>(resolve => {
    log.write = (stream, chunk) => {
      write(stream, chunk);
      output += chunk.toString();
      resolve();
    };
  });
  const process = new ContainerProcess(
    {
      command: 'sh',
      args: ['-c', script],
      cwd: folder,
      env: { PATH: '/usr/bin:/bin' }
    },
    log,
    `test/${String(count)}`
  );
  return { process, printed, output: () => output };
}

function isAlive(pid: number): boolean {
  try {
    return !fs
      .readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
      .includes(') Z ');
  } catch {
    return false;
  }
}

const onLinux = fs.existsSync('/proc/self/stat') ? it : it.skip;

describe('the processes of a container', () => {
  it('pass their exit code through', async () => {
    expect(await start('exit 42').process.exited).toEqual({ exitCode: 42 });
  });

  it('that are killed show it as 128 and the signal', async () => {
    expect(await start('kill -9 $$').process.exited).toEqual({
      exitCode: 137,
      signal: 9
    });
  });

  it('may end what they do when they are asked to end', async () => {
    const script =
      'trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.01; done';
    const { process, printed, output } = start(script);
    await printed;
    await process.stop(30_000);
    expect(await process.exited).toEqual({ exitCode: 3 });
    expect(output()).toContain('bye');
  });

  it('are killed when they do not end in time', async () => {
    const script = 'trap "" TERM; echo up; while :; do sleep 0.01; done';
    const { process, printed } = start(script);
    await printed;
    await process.stop(10);
    expect((await process.exited).exitCode).toBe(137);
  });

  // Elsewhere processes that left their group cannot be found.
  onLinux(
    'end with the first one, even in a session of their own',
    async () => {
      const { process, printed, output } = start(
        "setsid sh -c 'echo $$; exec sleep 600' & sleep 0.2; wait %1 2>/dev/null & kill -9 $$"
      );
      await printed;
      await process.exited;
      const pid = Number(output().trim());
      expect(pid).toBeGreaterThan(1);
      expect(isAlive(pid)).toBe(false);
    }
  );

  it('that cannot be started are told', async () => {
    const file = path.join(folder, 'none.log');
    const { exited } = new ContainerProcess(
      { command: '/no/such/program', args: [], cwd: folder, env: {} },
      new CriLog(file, false),
      'none'
    );
    expect((await exited).exitCode).toBe(128);
    expect(fs.readFileSync(file, 'utf8')).toContain('ENOENT');
  });
});
