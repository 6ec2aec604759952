// SPDX-License-Identifier: BSD-3-Clause
import type { Stored } from '../kube/objects';
import { normalized } from '../testing/normalize';
import type { RecordedLine } from '../testing/recordings';
import {
  linesOf,
  recordedLines,
  recordingsAtHand
} from '../testing/recordings';
import { bentoFor } from './bentoRequest';
import { builderJob } from './builderJob';
import { imageNames } from './images';
import type { Bento, BentoDeployment, BentoRequest } from './types';
import { desiredObjects } from './workloads';

// Without recordings of the real operators there is nothing to compare with.
const describeRecorded = recordingsAtHand() ? describe : describe.skip;

const owned = ['Deployment', 'HorizontalPodAutoscaler', 'Service', 'ConfigMap'];

function added(lines: readonly RecordedLine[], kind: string): Stored<never>[] {
  return linesOf(lines, kind)
    .filter(({ verb }) => verb === 'ADDED')
    .map(({ object }) => object as unknown as Stored<never>);
}

describeRecorded('objects, against what the real operators made', () => {
  it.each(['01c', '03', '04', '10', '12', '14'])(
    'scenario %s: the builder Jobs of its requests',
    scenario => {
      const lines = recordedLines(scenario);
      const requests = linesOf(lines, 'BentoRequest');
      const jobs = added(lines, 'Job');
      expect(jobs.length).toBeGreaterThan(0);
      for (const job of jobs as Stored<BentoRequest>[]) {
        const owner = job.metadata.ownerReferences?.[0]?.uid;
        const before = requests.filter(
          line =>
            line.object.metadata.uid === owner &&
            lines.findIndex(({ object }) => object === line.object) <
              lines.findIndex(({ object }) => (object as unknown) === job)
        );
        const request = before.at(-1)?.object as Stored<BentoRequest>;
        const made = builderJob(request, {
          suffix: 'x',
          serviceAccount: 'default'
        });
        expect(normalized(made)).toEqual(normalized(job));
      }
    }
  );

  it.each(['01c', '03b', '04', '10', '12'])(
    'scenario %s: the Bento of a built request',
    scenario => {
      const lines = recordedLines(scenario);
      const [bento] = added(lines, 'Bento');
      const request = linesOf(lines, 'BentoRequest').at(-1)
        ?.object as Stored<BentoRequest>;
      const { bentoTag = '', image } = request.spec ?? {};
      const made = bentoFor(request, imageNames(bentoTag, image));
      expect(bento).toBeDefined();
      expect(normalized(made)).toEqual(
        normalized(bento as unknown as Stored<Bento>)
      );
    }
  );

  it.each(['01c', '02', '07', '12'])(
    'scenario %s: every object of a deployment, in order',
    scenario => {
      const lines = recordedLines(scenario);
      const deployment = linesOf(lines, 'BentoDeployment').at(-1)
        ?.object as Stored<BentoDeployment>;
      const [bento] = added(lines, 'Bento') as Stored<Bento>[];
      const recorded = lines.filter(
        ({ verb, object }) => verb === 'ADDED' && owned.includes(object.kind)
      );
      const made = desiredObjects(deployment, bento as Bento, 'default');
      expect(made.map(normalized)).toEqual(
        recorded.map(({ object }) => normalized(object))
      );
    }
  );

  it('scenario 08: another Bento changes objects by index and adds Services', () => {
    const lines = recordedLines('08');
    const bentos = added(lines, 'Bento') as Stored<Bento>[];
    const versions = linesOf(lines, 'BentoDeployment').filter(
      ({ object }, index, all) =>
        object.metadata.generation !==
        all[index - 1]?.object.metadata.generation
    );
    for (const [index, version] of versions.entries()) {
      const deployment = version.object as Stored<BentoDeployment>;
      const bento = bentos.find(
        ({ metadata }) => metadata.name === deployment.spec?.bento
      );
      if (!bento) {
        continue;
      }
      const from = lines.indexOf(version);
      const next = versions[index + 1];
      const written = lines.slice(from, next ? lines.indexOf(next) : undefined);
      for (const object of desiredObjects(deployment, bento, 'default')) {
        const { name } = object.metadata;
        const seen = linesOf(written, object.kind, name);
        // What stayed as it was shows no line.
        if (seen.length > 0) {
          expect(normalized(object)).toEqual(
            normalized(seen.at(-1)?.object as Stored<Bento>)
          );
        }
      }
    }
    expect(versions).toHaveLength(4);
  });

  it('scenario 09: all that went with a deployment is owned by it', () => {
    const lines = recordedLines('09');
    const deployment = linesOf(lines, 'BentoDeployment').at(-1)
      ?.object as Stored<BentoDeployment>;
    const gone = lines.filter(
      ({ verb, object }) => verb === 'DELETED' && owned.includes(object.kind)
    );
    const [bento] = recordedLines('09', 'initial.jsonl')
      .filter(({ object }) => object.kind === 'Bento')
      .map(({ object }) => object as Stored<Bento>);
    const made = desiredObjects(deployment, bento as Bento, 'default');
    const names = (objects: { kind: string; metadata: { name: string } }[]) =>
      objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort();
    expect(names(made)).toEqual(names(gone.map(({ object }) => object)));
    for (const object of made) {
      expect(object.metadata.ownerReferences).toEqual([
        expect.objectContaining({
          uid: deployment.metadata.uid,
          controller: true
        })
      ]);
    }
  });
});
