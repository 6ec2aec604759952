// SPDX-License-Identifier: BSD-3-Clause

/** `bento.yaml` of each age of BentoML, written for the tests, as the text that lies on disk. */
export const BENTO_YAMLS = {
  /** 1.0.0a6: models are plain tags, runners have a type and a module, the time is bare. */
  alpha: `service: app.py:api
name: churn
version: '1'
bentoml_version: 1.0.0a6
creation_time: 2022-03-11 08:15:30.250000+00:00
labels:
  trained: true
  rounds: 40
models:
- churn_tree:aa11
- churn_scale:bb22
runners:
- name: churn_tree_runner
  runner_type: SklearnRunner
  model_runner_module: bentoml.sklearn
  models:
  - churn_tree:aa11
apis:
- name: score
  input_type: JSON
  output_type: JSON
`,
  /** 1.0: labels that are not texts. */
  v10: `service: app:api
name: churn
version: '2'
bentoml_version: 1.0.15
creation_time: '2023-01-09T10:00:00.000001+00:00'
labels:
  rounds: 41
  trained: false
  owner: null
models:
- tag: churn_tree:aa12
  module: bentoml.sklearn
  creation_time: '2023-01-09T09:59:00.000001+00:00'
runners:
- name: churn_tree
  runnable_type: SklearnRunnable
  models:
  - churn_tree:aa12
  resource_config:
    cpu: 2.0
    nvidia.com/gpu:
    - 0
    - 1
apis:
- name: score
  input_type: NumpyNdarray
  output_type: JSON
docker:
  distro: debian
  python_version: '3.9'
  cuda_version: null
  env: null
  system_packages: null
python:
  requirements_txt: null
  packages:
  - scikit-learn
conda:
  environment_yml: null
`,
  /** 1.1: an alias, two runners, one of them embedded. */
  v11: `service: app:api
name: churn
version: '3'
bentoml_version: 1.1.9
creation_time: '2023-11-20T07:00:00.123456+00:00'
labels:
  rounds: '42'
  trained: 'True'
models:
- tag: churn_tree:aa13
  module: bentoml.sklearn
  creation_time: '2023-11-20T06:59:00.000000+00:00'
  alias: tree
- tag: churn_scale:bb23
  module: ''
  creation_time: '2023-11-20T06:59:01.000000+00:00'
runners:
- name: tree
  runnable_type: SklearnRunnable
  embedded: false
  models:
  - churn_tree:aa13
  resource_config: null
- name: scale
  runnable_type: Scale
  embedded: true
  models:
  - churn_scale:bb23
  resource_config: null
apis:
- name: score
  input_type: BytesIOFile
  output_type: JSON
docker:
  distro: debian
python:
  packages: null
conda:
  pip: null
`,
  /** 1.2: services with dependencies as texts, the models only there. */
  v12: `service: app:Churn
name: churn
version: '4'
bentoml_version: 1.2.18.post1.dev3+g0123abc
creation_time: '2024-05-02T12:30:00.500000+00:00'
labels: {}
models: []
runners: []
entry_service: Churn
services:
- name: Scaler
  service: ''
  models:
  - tag: churn_scale:bb24
    module: ''
    creation_time: '2024-05-02T12:00:00.000000+00:00'
  dependencies: []
  config:
    workers: 2
- name: Churn
  service: ''
  models:
  - tag: churn_tree:aa14
    module: ''
    creation_time: '2024-05-02T12:00:00.000000+00:00'
    alias: tree
  - tag: churn_scale:bb24
    module: ''
    creation_time: '2024-05-02T12:00:00.000000+00:00'
    alias: scale
  dependencies:
  - Scaler
  config:
    resources:
      gpu: 1
envs: []
schema:
  name: Churn
  type: service
  routes:
  - name: score
    route: /score
    batchable: false
apis: []
docker:
  distro: debian
python:
  pack_git_packages: true
conda:
  pip: null
`,
  /** 1.4, layout 2: a model of a remote registry, dependencies as objects, an image section. */
  v14: `service: app:Churn
name: churn
version: '5'
bentoml_version: 1.4.12
creation_time: '2025-06-01T00:00:00+02:00'
labels:
  owner: team-a
models:
- tag: acme--tiny-llm:0f1e2d
  module: ''
  creation_time: '2025-05-31T00:00:00+00:00'
  alias: llm
  registry: huggingface
  metadata:
    model_id: Acme/Tiny-LLM
    revision: 0f1e2d
    endpoint: https://hub.example
entry_service: Churn
services:
- name: Churn
  service: ''
  models:
  - tag: churn_tree:aa15
    module: ''
    creation_time: '2025-05-31T00:00:00+00:00'
  dependencies:
  - service: Scaler
  - deployment: other
    cluster: here
  config:
    envs:
    - name: TOKEN
- name: Scaler
  service: ''
  models:
  - tag: churn_tree:aa15
    module: ''
    creation_time: '2025-05-31T00:00:00+00:00'
    alias: again
  dependencies: []
  config: {}
envs:
- name: TOKEN
  value: ''
schema:
  name: Churn
  type: service
  routes:
  - name: score
    route: /score
    is_task: false
    input:
      type: object
      title: Input
      properties:
        rows:
          type: array
          items:
            type: number
args:
  size: small
spec: 2
image:
  base_image: python:3.11-slim
  python_version: '3.11'
  commands:
  - apt-get update
  python_requirements: 'scikit-learn

    bentoml==1.4.12

    '
  post_commands: []
`
} as const;
