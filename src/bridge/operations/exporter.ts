// SPDX-License-Identifier: BSD-3-Clause
import { BentoError } from '../../domain/errors';
import type { Bento, ExportSpec, Operation } from '../../protocol';
import type { Context } from '../context';
import { parseDestination } from '../storage/destination';
import type { Archive } from '../storage/destination';
import type { JournalEntry, OpenUpload } from './journal';
import type { OperationReport, Operations } from './operations';

/** Progress is shown at most this often. */
const PROGRESS_EVERY_MS = 150;

/** Content of an archive before it is sent. */
export interface Measured {
  digest: string;
  size: number;
}

/** Exports bentos to S3, by themselves or as a stage of a deploy. */
export class Exporter {
  constructor(
    private readonly context: Context,
    private readonly operations: Operations
  ) {}

  /** Starts an export; what is wrong with its input is thrown at once. */
  async start(spec: ExportSpec): Promise<Operation> {
    return this.begin(spec);
  }

  /** Goes on with an export that an earlier bridge began. */
  async resume(entry: JournalEntry & { kind: 'export' }): Promise<void> {
    await this.begin(entry.spec, entry);
  }

  /** Where exports of this call go; throws when nowhere is set. */
  destination(given?: string): ReturnType<typeof parseDestination> {
    const url = given ?? this.context.settings.destination;
    if (url === undefined) {
      throw new BentoError('destinationMissing');
    }
    return parseDestination(url);
  }

  /** Reads the whole content once for its digest, without sending anything. */
  async measure(
    bento: Bento,
    home: string | undefined,
    signal: AbortSignal
  ): Promise<Measured> {
    const store = this.context.store(home);
    return this.context.storage.digest({ bento, home: store.home, signal });
  }

  /** The export stage: removes what an earlier life left, then sends with progress. */
  async send(options: {
    bento: Bento;
    spec: ExportSpec;
    measured?: Measured;
    leftover?: OpenUpload;
    report: OperationReport;
  }): Promise<Archive> {
    const { bento, spec, report, leftover } = options;
    const { storage } = this.context;
    return report.stage('export', async () => {
      if (leftover) {
        await storage.abort(leftover);
        report.note('An upload that was cut short was removed first.');
      }
      const { digest, size } =
        options.measured ??
        (await this.measure(bento, spec.home, report.signal));
      report.update('export', { bytes: { done: 0, total: size } });
      const archive = await storage.upload({
        bento,
        home: this.context.store(spec.home).home,
        destination: this.destination(spec.destination),
        digest,
        size,
        signal: report.signal,
        onProgress: throttled((done, total) =>
          report.update('export', { bytes: { done, total } })
        ),
        onUpload: upload => report.upload(upload)
      });
      await report.upload(undefined);
      report.set({ location: archive.location });
      if (archive.skipped) {
        report.update('export', { note: 'already there, not sent again' });
      }
      return archive;
    });
  }

  private async begin(
    spec: ExportSpec,
    entry?: JournalEntry
  ): Promise<Operation> {
    this.destination(spec.destination);
    const bento = await this.context.store(spec.home).get(spec.tag);
    return this.operations.start({
      entry: { ...entry, kind: 'export', spec: { ...spec, tag: bento.tag } },
      stages: ['export'],
      show: { tag: bento.tag },
      work: async report => {
        await this.send({ bento, spec, report, leftover: entry?.upload });
      }
    });
  }
}

function throttled(
  show: (done: number, total: number) => void
): (done: number, total: number) => void {
  let last = 0;
  return (done, total) => {
    const now = Date.now();
    if (done === total || now - last >= PROGRESS_EVERY_MS) {
      last = now;
      show(done, total);
    }
  };
}
