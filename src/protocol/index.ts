// SPDX-License-Identifier: BSD-3-Clause
export * from './bento';
export * from './common';
export * from './deployment';
export * from './events';
export * from './methods';
export * from './operation';
export * from './request';
export * from './version';
