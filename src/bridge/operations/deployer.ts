// SPDX-License-Identifier: BSD-3-Clause
import { dump } from 'js-yaml';
import { BentoError } from '../../domain/errors';
import type { ArchiveFacts, KubeObject } from '../../domain/objects';
import type { DeploySpec, Operation, Result, StageName } from '../../protocol';
import { type Preflight, runPreflight } from '../cluster/preflight';
import { scrub } from '../log';
import type { Context } from '../context';
import { archiveKey, locationOf } from '../storage/destination';
import { type DeployPlan, planDeploy } from './deployPlan';
import type { Exporter, Measured } from './exporter';
import type { JournalEntry } from './journal';
import { ObjectWriter } from './objectWriter';
import type { OperationReport, Operations } from './operations';

/** Stands in the YAML where the presigned address will be: that one is a secret. */
const ADDRESS_LATER = 'https://presigned.invalid/when-it-is-sent';

type DeployEntry = JournalEntry & { kind: 'deploy' };

/** What the checks before a deploy have found. */
interface Checked {
  preflight: Preflight;
  measured?: Measured;
}

/** Takes a bento from the store, or an image, to a BentoDeployment. */
export class Deployer {
  constructor(
    private readonly parts: {
      context: Context;
      operations: Operations;
      exporter: Exporter;
    }
  ) {}

  /** Starts a deploy; what is wrong with its input is thrown at once. */
  async start(spec: DeploySpec): Promise<Operation> {
    return this.begin(spec);
  }

  /** Goes on with a deploy that an earlier bridge began. */
  async resume(entry: DeployEntry): Promise<void> {
    await this.begin(entry.spec, entry);
  }

  /**
   * The objects that a deploy would send, checked by the API server; nothing
   * is uploaded or changed. The presigned address is left out: it is a secret
   * and made only when it is sent.
   */
  async plan(spec: DeploySpec): Promise<Result<'deploy.plan'>> {
    const plan = await planDeploy(this.parts.context, spec);
    if (plan.prebuilt === undefined) {
      this.parts.exporter.destination(spec.destination);
    }
    const signal = new AbortController().signal;
    const { preflight, measured } = await this.check(plan, signal);
    const objects = [
      ...(plan.prebuilt ? [plan.prebuilt] : []),
      ...(plan.prebuilt || preflight.reuseRequest
        ? []
        : [
            plan.request(
              await this.archiveFacts(plan, measured, signal),
              ADDRESS_LATER
            )
          ]),
      plan.deployment
    ];
    const yaml = objects
      .map(object => dump(object, { noRefs: true, lineWidth: -1 }))
      .join('---\n')
      .replace(ADDRESS_LATER, "'<presigned when it is sent>'");
    return {
      yaml: scrub(yaml),
      notes: [...plan.notes, ...preflight.notes]
    };
  }

  private async begin(
    given: DeploySpec,
    entry?: DeployEntry
  ): Promise<Operation> {
    const { context, operations, exporter } = this.parts;
    const plan = await planDeploy(context, given);
    if (plan.prebuilt === undefined) {
      exporter.destination(given.destination);
    }
    const stages: StageName[] = ['preflight', 'export', 'request'];
    return operations.start({
      entry: { ...entry, kind: 'deploy', spec: plan.spec },
      stages,
      show: {
        tag: plan.facts.tag,
        namespace: plan.namespace,
        name: plan.name
      },
      work: report => this.work(plan, report, entry)
    });
  }

  private async work(
    plan: DeployPlan,
    report: OperationReport,
    entry?: DeployEntry
  ): Promise<void> {
    plan.notes.forEach(note => report.note(note));
    const checked = await report.stage('preflight', () =>
      this.check(plan, report.signal)
    );
    checked.preflight.notes.forEach(note => report.note(note));
    const request = await this.export(plan, checked, report, entry);
    await report.stage('request', () =>
      this.submit(plan, checked, request, report)
    );
  }

  /** Everything that can be known to fail is found here, before anything is sent. */
  private async check(plan: DeployPlan, signal: AbortSignal): Promise<Checked> {
    const { context, exporter } = this.parts;
    const { client } = await context.cluster();
    const { namespace, name, facts, bento } = plan;
    let measured: Measured | undefined;
    const preflight = await runPreflight({
      client,
      namespace,
      name,
      bento: facts,
      deployment: plan.deployment,
      image: plan.spec.image,
      builder: plan.spec.builder,
      digest: async () => {
        if (!bento) {
          return undefined;
        }
        measured = await exporter.measure(bento, plan.spec.home, signal);
        return measured.digest;
      }
    });
    signal.throwIfAborted();
    if (!plan.prebuilt && !preflight.reuseRequest) {
      // Whether the builder can be given an address at all, before the upload.
      const { bucket } = exporter.destination(plan.spec.destination);
      await context.storage.presign({ bucket, key: 'trial' });
    }
    const writer = new ObjectWriter(client);
    await writer.tryDeployment(plan.deployment);
    if (plan.prebuilt) {
      await writer.tryNew(plan.prebuilt);
    } else if (!preflight.reuseRequest) {
      const facts = { digest: '0'.repeat(64), location: 's3://bucket/key' };
      await writer.tryNew(plan.request(facts, ADDRESS_LATER));
    }
    return { preflight, measured };
  }

  /** Returns the BentoRequest to create, if any. */
  private async export(
    plan: DeployPlan,
    checked: Checked,
    report: OperationReport,
    entry?: DeployEntry
  ): Promise<KubeObject<object> | undefined> {
    const { context, exporter } = this.parts;
    if (plan.prebuilt) {
      report.skip('export', 'the image exists');
      return undefined;
    }
    if (checked.preflight.reuseRequest) {
      report.skip('export', 'the same content was requested before');
      return undefined;
    }
    if (!plan.bento) {
      throw new BentoError('internal', { params: { reason: 'no bento' } });
    }
    const archive = await exporter.send({
      bento: plan.bento,
      spec: plan.spec,
      measured: checked.measured,
      leftover: entry?.upload,
      report
    });
    const { url, notes } = await context.storage.presign(archive);
    notes.forEach(note => report.note(note));
    return plan.request(archive, url);
  }

  private async submit(
    plan: DeployPlan,
    checked: Checked,
    request: KubeObject<object> | undefined,
    report: OperationReport
  ): Promise<void> {
    const { client } = await this.parts.context.cluster();
    const writer = new ObjectWriter(client);
    const first = plan.prebuilt ?? request;
    if (request && checked.preflight.replaceRequest) {
      report.note(
        'Its build had failed before; the old BentoRequest was deleted.'
      );
      await writer.removeAndWait(request, report.signal);
    }
    const created = first ? await writer.createNew(first) : false;
    if (request && !created) {
      throw new BentoError('apiConflict', {
        params: { object: `The BentoRequest ${request.metadata.name}` }
      });
    }
    try {
      const note = await writer.applyDeployment(plan.deployment);
      if (note !== undefined) {
        report.note(note);
      }
    } catch (error) {
      // Half a deploy would build an image that nobody asked to serve.
      if (first && created) {
        await writer.remove(first);
      }
      throw error;
    }
    if (checked.preflight.reuseRequest) {
      report.update('request', {
        note: 'its image is built already or under way'
      });
    }
  }

  private async archiveFacts(
    plan: DeployPlan,
    measured: Measured | undefined,
    signal: AbortSignal
  ): Promise<ArchiveFacts> {
    const { exporter } = this.parts;
    const { bento, spec } = plan;
    if (!bento) {
      throw new BentoError('internal', { params: { reason: 'no bento' } });
    }
    const { digest } =
      measured ?? (await exporter.measure(bento, spec.home, signal));
    const destination = exporter.destination(spec.destination);
    return {
      digest,
      location: locationOf({
        bucket: destination.bucket,
        key: archiveKey(destination.prefix, bento, digest)
      })
    };
  }
}
