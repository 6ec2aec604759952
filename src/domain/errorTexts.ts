// SPDX-License-Identifier: BSD-3-Clause

import type { ErrorText } from './errorText';
import { storage, store } from './storageTexts';

export type { ErrorText } from './errorText';

const general = {
  internal: {
    message: 'Unexpected error: {reason}',
    hint: 'This is a fault of the bridge; its log says more.'
  },
  cancelled: { message: 'Cancelled.', hint: '' },
  timeout: {
    message: '{what} did not finish within {limit}.',
    hint: 'It goes on in the cluster. Look with "%bento status", or wait longer with --timeout.',
    exit: 3
  },
  invalidParams: {
    message: '{field}: {reason}',
    hint: 'Correct {field} and try again.',
    exit: 2
  },
  helloFirst: {
    message: 'The first message of a connection must be "hello".',
    hint: ''
  },
  notFound: { message: '{what} does not exist.', hint: '{hint}' }
} satisfies Record<string, ErrorText>;

const cluster = {
  noCluster: {
    message: 'No Kubernetes cluster is configured.',
    hint: 'Run in a pod with a service account, or set KUBECONFIG.',
    exit: 5
  },
  clusterUnreachable: {
    message: 'The API server {server} does not answer: {reason}',
    hint: 'It is tried again by itself. Check the network or the address in the kubeconfig.',
    retryable: true,
    exit: 5
  },
  credentialFailed: {
    message: 'The cluster credentials cannot be used: {reason}',
    hint: 'Check the kubeconfig or the service account token.',
    exit: 5
  },
  kubeconfigInvalid: {
    message: 'The kubeconfig {path} cannot be used: {reason}',
    hint: 'Correct it, or set KUBECONFIG to another one.',
    exit: 5
  },
  contextMissing: {
    message: 'The kubeconfig {path} {reason}',
    hint: 'Choose a context with "kubectl config use-context NAME". It holds: {contexts}',
    exit: 5
  },
  execPluginMissing: {
    message:
      'The kubeconfig gets the credentials of user {user} from the program "{command}", which is not found.',
    hint: 'Install it, or add its folder to PATH, which is {path}',
    exit: 5
  },
  unauthorized: {
    message: 'The API server does not accept the credentials (401).',
    hint: 'The token has expired or is for another cluster.',
    exit: 4
  },
  forbidden: {
    message: 'Not allowed to {verb} {resource} in namespace {namespace}.',
    hint: 'Ask an administrator for that right; deploy/cluster-roles.yaml holds the roles that are needed.',
    exit: 4
  },
  missingRights: {
    message: 'Rights are missing in namespace {namespace}: {rights}.',
    hint: 'Ask an administrator to apply deploy/cluster-roles.yaml.',
    exit: 4
  },
  crdMissing: {
    message: '{crd} is not installed in this cluster.',
    hint: 'Ask an administrator to install the Yatai operators ({group}).'
  },
  noNamespace: {
    message: 'No namespace is known.',
    hint: 'Give --namespace, or set JUPYTERLAB_BENTO_NAMESPACE.',
    exit: 2
  },
  apiRejected: {
    message: 'The API server refused {verb} of {object}: {reason}',
    hint: 'Correct what it names and try again.'
  },
  apiConflict: {
    message: '{object} was changed by someone else meanwhile.',
    hint: 'Try again to use the newest version.',
    retryable: true
  },
  nameInvalid: {
    message: 'The name "{name}" cannot be used: {reason}',
    hint: 'Give another one with --name: lower-case letters, digits and "-", a letter first, at most {limit} characters.',
    exit: 2
  },
  quantityInvalid: {
    message: '{field}: "{value}" is not a Kubernetes quantity: {reason}',
    hint: 'Write for instance 500m for half a CPU and 1Gi for a gibibyte.',
    exit: 2
  },
  resourcesInvalid: {
    message: '{field}: {reason}',
    hint: 'Write for instance 500m for half a CPU and 1Gi for a gibibyte; a limit may not be below its request.',
    exit: 2
  },
  runnerNameInvalid: {
    message:
      'The runner name "{runner}" of the bento {tag} cannot be a Kubernetes label: letters, digits, ".", "_" and "-", at most {limit} characters.',
    hint: 'Give the runner another name in the service and build the bento again.'
  },
  requestNotOurs: {
    message:
      'A BentoRequest {name} exists already that was not made here, so nobody can tell whether it holds the same content as {tag}.',
    hint: 'Build the bento again, so that it gets a new version, or delete it first: kubectl delete bentorequest {name}'
  },
  bentoExists: {
    message:
      'A Bento {name} exists already for the tag {tag}, with the image {image}.',
    hint: 'Deploy that image with --image, or delete that Bento first: kubectl delete bento {name}'
  },
  replicasInvalid: {
    message: '{field}: {reason}',
    hint: 'Give a minimum of at least 1 and a maximum that is not below it.',
    exit: 2
  },
  unknownRunner: {
    message: 'The bento {tag} has no runner "{runner}".',
    hint: 'Its runners: {known}',
    exit: 2
  },
  nameCollision: {
    message:
      '{object} exists already and does not belong to a BentoDeployment of ours; the operator would overwrite it.',
    hint: 'Choose another name with --name.'
  },
  notOurs: {
    message: '{object} exists and was not made here.',
    hint: 'Choose another name with --name, or delete it first.'
  },
  sameTagOtherContent: {
    message:
      'The tag {tag} was deployed before with other content; the operator would silently serve the old image.',
    hint: 'Build the bento again, so that it gets a new version.'
  },
  quotaExceeded: {
    message: 'The quota {quota} leaves too little: {reason}',
    hint: 'Ask for fewer resources or replicas, or delete a deployment that is not needed.'
  }
} satisfies Record<string, ErrorText>;

const chain = {
  notPickedUp: {
    message:
      'No operator has picked up {object} within {seconds} s. It may not watch namespace {namespace}, be down, or be busy.',
    hint: 'Ask an administrator whether the Yatai operators run and watch this namespace.'
  },
  buildFailed: {
    message: 'The image build of {tag} failed: {reason}',
    hint: '{action}'
  },
  deployFailed: {
    message: 'The deployment {name} failed: {reason}',
    hint: '{action}'
  },
  deploymentDeleted: {
    message: 'The deployment {name} was deleted meanwhile.',
    hint: ''
  }
} satisfies Record<string, ErrorText>;

const reach = {
  serviceNotReady: {
    message: 'No pod of {name} is ready to answer: {reason}',
    hint: 'Look with "%bento status {name}".',
    retryable: true
  },
  serviceUnreachable: {
    message: '{name} does not answer: {reason}',
    hint: 'Look with "%bento status {name}".',
    retryable: true
  },
  requestTimeout: {
    message: '{name} did not answer within {limit}.',
    hint: 'Wait longer with --timeout.',
    retryable: true,
    exit: 3
  },
  forwardForbidden: {
    message: 'Not allowed to forward ports to pods in namespace {namespace}.',
    hint: 'Ask an administrator for "get" and "create" on pods/portforward.',
    exit: 4
  },
  forwardFailed: {
    message: 'The port-forward to {pod} failed: {reason}',
    hint: 'The next request opens a new one.',
    retryable: true
  },
  portTaken: {
    message: 'Port {port} is taken on this machine.',
    hint: 'Leave the port out to get a free one.',
    exit: 2
  },
  tooManyForwards: {
    message: '{limit} forwards are open, more are not possible.',
    hint: 'Close one first; "%bento forward" without a name lists them.'
  },
  requestFailed: {
    message: '{name} answered {status} to {method} {path}: {reason}',
    hint: '{action}'
  },
  tooLarge: {
    message: '{what} is {size} bytes, at most {limit} are possible here.',
    hint: '{action}'
  }
} satisfies Record<string, ErrorText>;

/** What can go wrong between a client on this machine and the bridge. */
const local = {
  usage: { message: '{reason}', hint: '{usage}', exit: 2 },
  dataInvalid: { message: '{reason}', hint: '{action}', exit: 2 },
  nodeMissing: {
    message: 'Node.js was not found: {reason}',
    hint: 'Install Node.js 20 or newer ("pip install jupyterlab-bento[node]" brings one), or set JUPYTERLAB_BENTO_NODE to its path.',
    exit: 5
  },
  nodeTooOld: {
    message: '{path} is Node.js {version}; version 20 or newer is needed.',
    hint: 'Install a newer one ("pip install jupyterlab-bento[node]" brings one), or set JUPYTERLAB_BENTO_NODE to its path.',
    exit: 5
  },
  bridgeMissing: {
    message: 'The installation lacks the bridge: {path} does not exist.',
    hint: 'Install the package again ("pip install --force-reinstall jupyterlab-bento"); in a source folder run "npm run build".',
    exit: 5
  },
  bridgeStartFailed: {
    message: 'The bridge did not start: {reason}',
    hint: 'The whole log is in {log}.',
    exit: 5
  },
  bridgeLost: {
    message: 'The bridge ended during {method}: {reason}',
    hint: 'A new one starts with the next command. Look what was done before you repeat it.',
    retryable: true,
    exit: 5
  },
  bridgeVersion: {
    message:
      'The running bridge ({bridge}) and this client ({client}) do not fit together.',
    hint: '{remedy}',
    exit: 5
  },
  runtimeUnsafe: {
    message: '{path} cannot be trusted: {reason}',
    hint: 'Remove it, or set JUPYTER_RUNTIME_DIR to a folder of your own.',
    exit: 5
  },
  confirmationNeeded: {
    message: 'Nobody can be asked here whether to delete {name}.',
    hint: 'Give --yes to delete without a question.',
    exit: 2
  },
  notConfirmed: { message: 'Nothing was deleted.', hint: '' }
} satisfies Record<string, ErrorText>;

/** Every error that a user can meet, by code. */
export const ERROR_TEXTS = {
  ...general,
  ...store,
  ...storage,
  ...cluster,
  ...chain,
  ...reach,
  ...local
} as Record<
  | keyof typeof general
  | keyof typeof store
  | keyof typeof storage
  | keyof typeof cluster
  | keyof typeof chain
  | keyof typeof reach
  | keyof typeof local,
  ErrorText
>;

/** Code of an error. */
export type ErrorCode = keyof typeof ERROR_TEXTS;
