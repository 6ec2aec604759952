// SPDX-License-Identifier: BSD-3-Clause

// What tests, the demo and the controllers use of a playground.
export type { Fault } from './faults';
export { readFaults, readInstance, setFaults } from './registry';
export type {
  Instance,
  InstanceOptions,
  ProductUser,
  S3Location
} from './registry';
export { status } from './status';
export type { InstanceStatus, ServerStatus } from './status';
export { down, up } from './lifecycle';
export type { UpOptions } from './lifecycle';
export { instanceMarker } from './processes';
