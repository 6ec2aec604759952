// SPDX-License-Identifier: BSD-3-Clause
import type { Stored } from '../kube/objects';
import type { RecordedLine } from '../testing/recordings';
import {
  recordedActions,
  recordedLines,
  recordingsAtHand
} from '../testing/recordings';
import type { ReplayMoment } from '../testing/replay';
import { replayConditions } from '../testing/replay';
import { reconcileDeployment } from './bentoDeployment';
import { reconcileRequest } from './bentoRequest';
import type { Bento, BentoDeployment, BentoRequest, Job } from './types';

// Without recordings of the real operators there is nothing to compare with.
const describeRecorded = recordingsAtHand() ? describe : describe.skip;

/** What stands at a line under a kind, by name. */
function stateAt<T>(
  lines: readonly RecordedLine[],
  at: number,
  kind: string
): Map<string, T> {
  const found = new Map<string, T>();
  for (const { object, verb } of lines.slice(0, at + 1)) {
    if (object.kind === kind && verb === 'DELETED') {
      found.delete(object.metadata.name);
    } else if (object.kind === kind) {
      found.set(object.metadata.name, object as unknown as T);
    }
  }
  return found;
}

/** The jobs of a request, their hashes replaced by whether they are of the request's present form. */
function jobsOf(
  lines: readonly RecordedLine[],
  at: number,
  request: Stored<BentoRequest>
): Stored<Job>[] {
  const jobs = [...stateAt<Stored<Job>>(lines, at, 'Job').values()];
  return jobs.filter(
    ({ metadata }) =>
      metadata.ownerReferences?.[0]?.uid === request.metadata.uid
  );
}

function namesOf(lines: readonly RecordedLine[], kind: string): string[] {
  const all = lines.filter(({ object }) => object.kind === kind);
  return [...new Set(all.map(({ object }) => object.metadata.name))];
}

const nothing = (): Promise<void> => Promise.resolve();

jest.mock('./builderJob', () => ({
  ...jest.requireActual<object>('./builderJob'),
  // The real hash cannot be had again: a Job is of the present spec when it was made after it.
  requestHash: (request: Stored<BentoRequest>) => hashOf(request)
}));
let hashOf: (request: Stored<BentoRequest>) => string = () => '';

describeRecorded('conditions, against what the real operators wrote', () => {
  it.each(['01c', '03', '03b', '04', '10', '11', '12', '14'])(
    'scenario %s: every update of every request, in order',
    async scenario => {
      const lines = recordedLines(scenario);
      const pushed = recordedActions(scenario).filter(
        ({ action }) => action === 'played: image pushed to registry'
      );
      for (const name of namesOf(lines, 'BentoRequest')) {
        const pass = async (moment: ReplayMoment): Promise<void> => {
          const request = moment.object as Stored<BentoRequest>;
          const jobs = jobsOf(lines, moment.lookAt, request);
          hashOf = ({ metadata }) =>
            currentHash(lines, metadata.uid, metadata.generation ?? 1);
          await reconcileRequest({
            request: () => Promise.resolve(request),
            write: moment.write,
            event: () => undefined,
            imageExists: ({ push }) =>
              Promise.resolve(
                pushed.some(
                  ({ image, t_ms }) => image === push && t_ms <= moment.nextAt()
                )
              ),
            jobs: () => Promise.resolve(jobs),
            createJob: nothing,
            deleteJob: nothing,
            serviceAccount: () => Promise.resolve('default'),
            bento: () => Promise.resolve(undefined),
            createBento: nothing,
            updateBento: nothing
          });
        };
        const explained = await replayConditions({
          lines,
          kind: 'BentoRequest',
          name,
          pass,
          matters: ({ object }) => object.kind === 'Job'
        });
        expect(explained).toBeGreaterThan(0);
      }
    }
  );

  it.each(['01c', '02', '03', '03b', '04', '06', '07', '08', '12'])(
    'scenario %s: every update of every deployment, in order',
    async scenario => {
      const lines = recordedLines(scenario);
      for (const name of namesOf(lines, 'BentoDeployment')) {
        const pass = async (moment: ReplayMoment): Promise<void> => {
          const deployment = moment.object as Stored<BentoDeployment>;
          const bentos = stateAt<Stored<Bento>>(lines, moment.lookAt, 'Bento');
          const requests = stateAt<Stored<BentoRequest>>(
            lines,
            moment.lookAt,
            'BentoRequest'
          );
          await reconcileDeployment({
            deployment: () => Promise.resolve(deployment),
            write: moment.write,
            event: () => undefined,
            bento: bento => Promise.resolve(bentos.get(bento)),
            request: request => Promise.resolve(requests.get(request)),
            serviceAccount: () => Promise.resolve('default'),
            domainSuffix: () => Promise.resolve('example.com'),
            get: () => Promise.resolve(undefined),
            create: nothing,
            replace: nothing
          });
        };
        const explained = await replayConditions({
          lines,
          kind: 'BentoDeployment',
          name,
          pass,
          matters: ({ object }) =>
            ['Bento', 'BentoRequest'].includes(object.kind)
        });
        expect(explained).toBeGreaterThan(0);
      }
    }
  );
});

/** The hash on the Job that was made for that generation of the request. */
function currentHash(
  lines: readonly RecordedLine[],
  uid: string,
  generation: number
): string {
  let seen = 1;
  const hashes = new Map<number, string>();
  for (const { object } of lines) {
    const { metadata } = object;
    if (metadata.uid === uid) {
      seen = metadata.generation ?? seen;
    } else if (
      object.kind === 'Job' &&
      metadata.ownerReferences?.[0]?.uid === uid
    ) {
      const hash = metadata.annotations?.['yatai.ai/bento-request-hash'] ?? '';
      const known = [...hashes.values()].includes(hash);
      if (!known) {
        hashes.set(seen, hash);
      }
    }
  }
  return hashes.get(generation) ?? '';
}
