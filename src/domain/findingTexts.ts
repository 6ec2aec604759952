// SPDX-License-Identifier: BSD-3-Clause
import type { Finding } from '../protocol';

/** Text and weight of one finding; `{name}` gaps are filled from what was found. */
export interface FindingText {
  severity: Finding['severity'];
  who: Finding['who'];
  message: string;
  hint: string;
  /**
   * Seconds that it must last before it ends a wait: 0 when it cannot heal by
   * itself, more when its evidence may be a moment old or is tried again.
   * Absent when it heals often enough, or does not stop anything.
   */
  endsWait?: number;
}

const RETRIED =
  'The build tries again by itself, seven times within about eleven minutes.';

const operators = {
  requestNotPickedUp: {
    severity: 'error',
    who: 'admin',
    message: 'No image builder has looked at the BentoRequest for {seconds} s.',
    hint: 'It may not watch namespace {namespace}, be down, or be busy. Ask an administrator whether yatai-image-builder runs and watches this namespace.',
    endsWait: 0
  },
  deploymentNotPickedUp: {
    severity: 'error',
    who: 'admin',
    message:
      'No deployment operator has looked at the BentoDeployment for {seconds} s.',
    hint: 'It may not watch namespace {namespace}, be down, or be busy. Ask an administrator whether yatai-deployment runs and watches this namespace.',
    endsWait: 0
  },
  namespaceNotWatched: {
    severity: 'error',
    who: 'admin',
    message:
      'The image builder has built here, but the deployment operator has not looked at the BentoDeployment for {seconds} s: it does not watch namespace {namespace}, or does not run.',
    hint: 'Ask an administrator to add {namespace} to BENTO_DEPLOYMENT_NAMESPACES of yatai-deployment, or to set BENTO_DEPLOYMENT_ALL_NAMESPACES=true there.',
    endsWait: 0
  },
  operatorBusy: {
    severity: 'error',
    who: 'admin',
    message:
      'The deployment operator has looked at other deployments of this namespace, but not at this one for {seconds} s.',
    hint: 'It is down or busy: it handles one at a time, and one that waits for an ingress address blocks it for up to 20 minutes. Ask an administrator to set domain-suffix in its ConfigMap "network".',
    endsWait: 0
  },
  deploymentStalled: {
    severity: 'warning',
    who: 'admin',
    message:
      'The Bento has existed for {seconds} s, but the deployment operator has created nothing yet.',
    hint: 'It handles one deployment at a time, and one that waits for an ingress address blocks it for up to 20 minutes. Ask an administrator whether yatai-deployment runs.'
  },
  waitsForIngress: {
    severity: 'info',
    who: 'admin',
    message:
      'All pods are ready, but the operator does not call the deployment available: it waits for an ingress address.',
    hint: 'The service can be used. Ask an administrator to set domain-suffix (any value) in the ConfigMap "network" of yatai-deployment; until then a change can take 20 minutes.'
  },
  deployRefused: {
    severity: 'error',
    who: 'user',
    message: 'The operator could not create the deployment: {text}',
    hint: 'Correct what it names and deploy again; the operator does not try again by itself.',
    endsWait: 5
  },
  bentoMissing: {
    severity: 'error',
    who: 'user',
    message: 'There is neither a Bento nor a BentoRequest named {bento}.',
    hint: 'Deploy the bento again, or correct spec.bento.',
    endsWait: 10
  },
  bentoGone: {
    severity: 'error',
    who: 'user',
    message:
      'The image was built, but its Bento is gone; image builders since 1.2.43 do not make it anew.',
    hint: 'Delete the BentoRequest and deploy again: kubectl delete bentorequest {bento}',
    endsWait: 10
  },
  imageReused: {
    severity: 'info',
    who: 'user',
    message:
      'An image of this tag was in the registry already and was taken instead of building one.',
    hint: 'Image tags carry no namespace: if it may come from elsewhere, build the bento again to get a new version.'
  }
} satisfies Record<string, FindingText>;

const builder = {
  registryUnset: {
    severity: 'error',
    who: 'admin',
    message: 'The image builder has no registry to push to: {text}',
    hint: 'Ask an administrator to configure the registry of yatai-image-builder.',
    endsWait: 5
  },
  registryDenied: {
    severity: 'error',
    who: 'admin',
    message: 'The registry refused the image builder: {text}',
    hint: 'Ask an administrator to check the registry credentials of yatai-image-builder.',
    endsWait: 5
  },
  registryUnreachable: {
    severity: 'error',
    who: 'admin',
    message: 'The image builder does not reach the registry: {text}',
    hint: 'It tries again by itself. Ask an administrator to check the registry and its address.'
  },
  pullSecretInvalid: {
    severity: 'error',
    who: 'user',
    message: 'The registry secret cannot be used: {text}',
    hint: 'It must be of type kubernetes.io/dockerconfigjson, in this namespace, and hold a base64 "auth" for the registry.',
    endsWait: 5
  },
  downloadUrlMissing: {
    severity: 'error',
    who: 'user',
    message:
      'The BentoRequest has no download address, and the image builder has no Yatai server to ask: {text}',
    hint: 'Delete the BentoRequest and deploy the bento from here.',
    endsWait: 5
  },
  jobRejected: {
    severity: 'error',
    who: 'user',
    message: 'The build Job was refused: {text}',
    hint: 'Correct what it names and deploy again.',
    endsWait: 5
  },
  builderError: {
    severity: 'error',
    who: 'admin',
    message: 'The image builder reports an error: {text}',
    hint: 'It tries again by itself. If it stays, show this text to an administrator.'
  },
  downloadRefused: {
    severity: 'error',
    who: 'user',
    message:
      'The object store refused the download of the archive (curl exit code 22: an HTTP status of 400 or above).',
    hint: 'The log shows the status. 403: the address has expired, or was signed for another host than the one the builder calls. 404: the archive is gone. Deploy again to upload and sign anew.',
    endsWait: 0
  },
  downloadUnreachable: {
    severity: 'warning',
    who: 'user',
    message:
      'The image builder did not get the archive: {text} (exit code {exitCode}).',
    hint: `${RETRIED} If it stays, set JUPYTERLAB_BENTO_BUILDER_S3_ENDPOINT to the address that pods of the cluster use.`
  },
  downloadTls: {
    severity: 'error',
    who: 'user',
    message:
      'The image builder does not trust the certificate of the object store, or it does not speak TLS there (curl exit code {exitCode}).',
    hint: 'The builder knows public certificate authorities only. Set JUPYTERLAB_BENTO_BUILDER_S3_ENDPOINT to an address with such a certificate, or to the http address inside the cluster.',
    endsWait: 0
  },
  downloadFailed: {
    severity: 'error',
    who: 'user',
    message: 'The download of the archive failed with exit code {exitCode}.',
    hint: 'The log says why. For an s3:// address: access denied, no such key, or no credentials in the builder.',
    endsWait: 0
  },
  archiveInvalid: {
    severity: 'error',
    who: 'user',
    message:
      'The archive was fetched but could not be unpacked (tar exit code {exitCode}).',
    hint: 'It must be a plain, gzip or xz tar. Deploy again to upload it anew.',
    endsWait: 0
  },
  imageBuildFailed: {
    severity: 'error',
    who: 'user',
    message: 'The image could not be built (builder exit code {exitCode}).',
    hint: 'The log says why; mostly a package that cannot be installed, a missing env/docker/Dockerfile, or a registry that refuses the push. Mend the bento and build it again.',
    endsWait: 0
  },
  jobFailed: {
    severity: 'error',
    who: 'user',
    message: 'The image build has failed: {text}',
    hint: 'Its pods say why while they exist. To try again, delete the deployment and deploy anew.',
    endsWait: 0
  }
} satisfies Record<string, FindingText>;

const pods = {
  builderOom: {
    severity: 'error',
    who: 'user',
    message: 'The container {container} of the build ran out of memory.',
    hint: 'Give the builder a higher memory limit and deploy again.',
    endsWait: 0
  },
  builderImagePull: {
    severity: 'error',
    who: 'admin',
    message:
      'The image of the container {container} of the build cannot be pulled: {text}',
    hint: 'Ask an administrator whether the nodes reach that registry.',
    endsWait: 30
  },
  imagePull: {
    severity: 'error',
    who: 'admin',
    message: 'The image of the container {container} cannot be pulled: {text}',
    hint: 'Ask an administrator whether the nodes can pull from that registry; an image is often pushed under one name and pulled under another.',
    endsWait: 30
  },
  containerConfig: {
    severity: 'error',
    who: 'user',
    message: 'The container {container} cannot be started: {text}',
    hint: 'Create what it names, for instance a Secret or a ConfigMap, or leave it out.',
    endsWait: 30
  },
  oomKilled: {
    severity: 'error',
    who: 'user',
    message: 'The container {container} ran out of memory.',
    hint: 'Give it a higher memory limit.',
    endsWait: 0
  },
  crashLoop: {
    severity: 'error',
    who: 'user',
    message: 'The container {container} does not stay up (exit code {text}).',
    hint: 'Its log says why.',
    endsWait: 0
  },
  unschedulable: {
    severity: 'error',
    who: 'user',
    message: 'No node takes the pod: {text}',
    hint: 'Ask for less CPU, memory or fewer GPUs, or wait until a node is free.'
  },
  evicted: {
    severity: 'warning',
    who: 'user',
    message: 'A node has thrown the pod out: {text}',
    hint: 'It is replaced by itself. If it happens again, ask for more memory or disk.'
  },
  podQuota: {
    severity: 'error',
    who: 'user',
    message: 'The quota of the namespace refuses the pod: {text}',
    hint: 'Ask for fewer resources or replicas, delete what is not needed, or ask an administrator for a higher quota.',
    endsWait: 30
  },
  podSecurity: {
    severity: 'error',
    who: 'admin',
    message: 'The Pod Security level of the namespace refuses the pod: {text}',
    hint: 'Ask an administrator which level this namespace needs; "baseline" is enough for the usual builder.',
    endsWait: 30
  },
  podRejected: {
    severity: 'error',
    who: 'user',
    message: 'The pod cannot be created: {text}',
    hint: 'Correct what it names and deploy again.',
    endsWait: 30
  },
  volumeFailed: {
    severity: 'warning',
    who: 'user',
    message: 'A volume of the pod cannot be mounted: {text}',
    hint: 'Create what it names; it is tried again by itself.'
  },
  unhealthy: {
    severity: 'warning',
    who: 'user',
    message: 'The pod does not answer its probe: {text}',
    hint: 'A service that needs more than about 70 s to start is restarted before it is ready. Give it more CPU.'
  },
  rolloutStuck: {
    severity: 'error',
    who: 'user',
    message: 'The rollout makes no progress: {text}',
    hint: 'The pods say why.',
    endsWait: 0
  },
  runnerIgnored: {
    severity: 'warning',
    who: 'user',
    message:
      'The bento has no runner "{runner}"; the operator ignores what is set for it.',
    hint: 'Its runners: {known}'
  },
  runnerDefaults: {
    severity: 'info',
    who: 'user',
    message:
      'Nothing is set for the runner "{runner}"; it runs once, with the resources of the API server.',
    hint: 'Deploy again from here to name every runner.'
  },
  surplusRunner: {
    severity: 'info',
    who: 'user',
    message:
      'A runner of an earlier version still runs: the operator removes it only with the whole deployment.',
    hint: 'Delete the Deployment {deployment} to free its resources.'
  }
} satisfies Record<string, FindingText>;

/** Every finding, by code. */
export const FINDING_TEXTS = {
  ...operators,
  ...builder,
  ...pods
} as Record<
  keyof typeof operators | keyof typeof builder | keyof typeof pods,
  FindingText
>;

/** Code of a finding. */
export type FindingCode = keyof typeof FINDING_TEXTS;
