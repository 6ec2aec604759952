// SPDX-License-Identifier: BSD-3-Clause
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import fc from 'fast-check';
import type { Bento } from '../../protocol';
import { type ArchiveEntry, archiveEntries } from '../store/archiveEntries';
import { partPlan } from './parts';
import { TAR_BLOCK, tarHeader } from './tarHeader';
import { tarSize, TarSource } from './tarSource';

// Each run of a property unpacks an archive with GNU tar.
jest.setTimeout(60_000);

let folder: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tar-'));
});

afterEach(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

/** A file, a folder or a link to a sibling. */
type Node =
  | { kind: 'file'; content: Buffer; mode: number }
  | { kind: 'folder'; children: Record<string, Node>; mode: number }
  | { kind: 'link'; target: string };

const byProduct = /^(?:__pycache__|\.ipynb_checkpoints|\.DS_Store)$/;
const nodeName = fc
  .oneof(
    fc.string({
      unit: fc.constantFrom(...'aB0-._ äß漢🍱\n\\\'"$*'),
      minLength: 1,
      maxLength: 20
    }),
    fc.constantFrom('x'.repeat(99), 'y'.repeat(100), 'z'.repeat(200), 'models')
  )
  .filter(name => !['.', '..'].includes(name) && !byProduct.test(name));

// Group bits follow those of others: only such modes come back as they were.
const fileMode = fc.constantFrom(0o644, 0o600, 0o755, 0o700, 0o444);
const folderMode = fc.constantFrom(0o755, 0o700);
const file = fc.record({
  kind: fc.constant('file' as const),
  content: fc
    .tuple(fc.constantFrom(0, 1, 511, 512, 513, 5000), fc.nat(255))
    .map(([length, byte]) => Buffer.alloc(length, byte)),
  mode: fileMode
});
const link = fc.record({
  kind: fc.constant('link' as const),
  target: fc.constantFrom('nowhere', 'a', 'x'.repeat(150), 'ü')
});
const { tree } = fc.letrec<{ tree: Node; node: Node }>(tie => ({
  node: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    file,
    link,
    tie('tree')
  ),
  tree: fc.record({
    kind: fc.constant('folder' as const),
    children: fc.dictionary(nodeName, tie('node'), { maxKeys: 5 }),
    mode: folderMode
  })
}));

function write(place: string, node: Node): void {
  if (node.kind === 'file') {
    fs.writeFileSync(place, node.content);
    fs.chmodSync(place, node.mode);
  } else if (node.kind === 'link') {
    fs.symlinkSync(node.target, place);
  } else {
    fs.mkdirSync(place, { recursive: true });
    for (const [name, child] of Object.entries(node.children)) {
      write(path.join(place, name), child);
    }
    fs.chmodSync(place, node.mode);
  }
}

function read(place: string): Node {
  const stat = fs.lstatSync(place);
  const mode = stat.mode & 0o7777;
  if (stat.isSymbolicLink()) {
    return { kind: 'link', target: fs.readlinkSync(place) };
  }
  if (stat.isFile()) {
    return { kind: 'file', content: fs.readFileSync(place), mode };
  }
  const names = fs.readdirSync(place);
  const children = names.map(name => [name, read(path.join(place, name))]);
  return { kind: 'folder', children: Object.fromEntries(children), mode };
}

/** The archive's own folder has no entry, and a bento's own `models` are left out. */
function expected(node: Node): Record<string, Node> {
  const { models: _models, ...children } =
    node.kind === 'folder' ? node.children : {};
  return children;
}

function bentoAt(place: string): Bento {
  return {
    ...{ tag: 'a:1', name: 'a', version: '1', path: place, service: '' },
    ...{ labels: {}, services: [], runners: [], models: [], notes: [] },
    latest: true
  };
}

async function archive(
  entries: ArchiveEntry[],
  piece = 64 * 1024
): Promise<Buffer> {
  const source = new TarSource(entries);
  const pieces: Buffer[] = [];
  for (;;) {
    const target = Buffer.alloc(piece);
    const count = await source.read(target);
    pieces.push(target.subarray(0, count));
    if (count < piece) {
      return Buffer.concat(pieces);
    }
  }
}

function unpack(tar: Buffer, into: string): void {
  fs.mkdirSync(into);
  execFileSync('tar', ['-xf', '-', '-C', into, '--no-same-owner', '-p'], {
    input: tar,
    stdio: ['pipe', 'pipe', 'pipe']
  });
}

describe('an archive', () => {
  it('is unpacked by GNU tar to the same tree', async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(tree, async node => {
        run += 1;
        const from = path.join(folder, `from-${String(run)}`);
        const to = path.join(folder, `to-${String(run)}`);
        write(from, node);
        const entries = await archiveEntries(bentoAt(from), folder);
        const tar = await archive(entries);
        expect(tar).toHaveLength(tarSize(entries));
        unpack(tar, to);
        const back = read(to);
        expect(back.kind === 'folder' && back.children).toEqual(expected(node));
      }),
      { numRuns: 40 }
    );
  });

  it('has the same bytes for the same content, wherever, whenever and by whomever it was written', async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(tree, fc.nat(3), async (node, extra) => {
        run += 1;
        const places = ['one', 'other'].map(name =>
          path.join(folder, `${name}-${String(run)}`)
        );
        places.forEach(place => {
          write(place, node);
        });
        const [one = '', other = ''] = places;
        age(other, extra);
        const tars = await Promise.all(
          [one, other].map(async (place, index) =>
            archive(
              await archiveEntries(bentoAt(place), folder),
              // Nor does it matter in what pieces it is read.
              index === 0 ? 64 * 1024 : 1000 + extra
            )
          )
        );
        expect(tars[0]?.equals(tars[1] ?? Buffer.alloc(0))).toBe(true);
      }),
      { numRuns: 30 }
    );
  });

  it('keeps its bytes from release to release, so that what was sent before is found again', async () => {
    const long = 'ü'.repeat(60);
    fs.mkdirSync(path.join(folder, 'src'), { mode: 0o755 });
    fs.writeFileSync(path.join(folder, 'src', long), 'x'.repeat(600));
    fs.symlinkSync(long, path.join(folder, 'src', 'link'));
    fs.writeFileSync(path.join(folder, 'run.sh'), '', { mode: 0o755 });
    const tar = await archive(await archiveEntries(bentoAt(folder), folder));
    expect(createHash('sha256').update(tar).digest('hex')).toBe(
      '2658f391f4de9e7fe90ac3378c98f260c8f68eb7b4d924b10633190e524ece53'
    );
  });

  it('carries no names, times or owners', async () => {
    fs.writeFileSync(path.join(folder, 'a'), 'x');
    const tar = await archive(await archiveEntries(bentoAt(folder), folder));
    const listing = execFileSync(
      'tar',
      ['-tvf', '-', '--numeric-owner', '--utc'],
      {
        input: tar
      }
    ).toString();
    expect(listing).toMatch(/^-rw-r--r-- 0\/0 +1 1980-01-02 00:00 a$/m);
  });

  it.each([
    ['grew', 'x'.repeat(20)],
    ['shrank', 'x'],
    ['vanished', undefined]
  ])('is not made of a file that %s meanwhile', async (_how, content) => {
    const place = path.join(folder, 'a');
    fs.writeFileSync(place, 'x'.repeat(10));
    const entries = await archiveEntries(bentoAt(folder), folder);
    fs.rmSync(place);
    if (content !== undefined) {
      fs.writeFileSync(place, content);
    }
    await expect(archive(entries)).rejects.toMatchObject({
      code: 'sourceChanged',
      params: { path: place }
    });
  });

  it('does not follow a link that was put in place of a file', async () => {
    const place = path.join(folder, 'a');
    fs.writeFileSync(place, 'root');
    const entries = await archiveEntries(bentoAt(folder), folder);
    fs.rmSync(place);
    fs.symlinkSync('/etc/hostname', place);
    await expect(archive(entries)).rejects.toMatchObject({
      code: 'sourceChanged'
    });
  });
});

/** Another time, group bits as another umask or a volume's group would set them, by-products of use. */
function age(place: string, extra: number): void {
  for (const name of fs.readdirSync(place)) {
    const inner = path.join(place, name);
    const stat = fs.lstatSync(inner);
    if (!stat.isSymbolicLink()) {
      fs.chmodSync(inner, stat.mode | (extra << 3));
      fs.utimesSync(inner, extra, extra);
    }
    if (stat.isDirectory()) {
      age(inner, extra);
    }
  }
  fs.mkdirSync(path.join(place, '__pycache__'));
  fs.writeFileSync(path.join(place, '__pycache__', 'service.pyc'), 'x');
}

describe('tarHeader', () => {
  const plain = { type: 'file' as const, size: 0, mode: 0o644 };

  it('writes sizes from 8 GiB on so that GNU tar reads them', () => {
    const size = 9 * 2 ** 30;
    const header = tarHeader({ ...plain, path: 'big', size });
    // It fails for want of the content, after it has told what it read.
    const { stdout } = spawnSync('tar', ['-tvf', '-'], {
      input: Buffer.concat([header, Buffer.alloc(TAR_BLOCK)])
    });
    expect(stdout.toString()).toContain(String(size));
  });

  it.each([89, 90, 95, 96, 97, 98, 99, 100, 101, 990, 991, 992, 993])(
    'counts a pax record of %d bytes right',
    length => {
      const name = 'ä'.repeat(5) + 'x'.repeat(length);
      const header = tarHeader({ ...plain, path: name });
      const records = header.subarray(TAR_BLOCK).toString('utf8');
      const [record = '', digits] = /^(\d+) path=[^\n]*\n/.exec(records) ?? [];
      expect(Buffer.byteLength(record)).toBe(Number(digits));
    }
  );
});

describe('partPlan', () => {
  it.each([1, 2 ** 30, 60 * 2 ** 30, 200 * 2 ** 30, 5 * 2 ** 40])(
    'cuts %d bytes into parts that S3 takes and memory holds',
    size => {
      const { bytes, inFlight } = partPlan(size);
      expect(Math.ceil(size / bytes)).toBeLessThanOrEqual(10_000);
      expect(bytes).toBeGreaterThanOrEqual(8 * 2 ** 20);
      expect(inFlight).toBeGreaterThanOrEqual(1);
      expect(bytes * inFlight).toBeLessThanOrEqual(
        Math.max(24 * 2 ** 20, bytes)
      );
    }
  );
});
