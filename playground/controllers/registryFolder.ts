// SPDX-License-Identifier: BSD-3-Clause
import * as fs from 'node:fs';
import * as path from 'node:path';

import { imageFolder } from './operators/images';

/** The folder that stands for the image registry: one folder for each image, a bento unpacked. */
export function registryDir(dataDir: string): string {
  return path.join(dataDir, 'images');
}

/** Where an image is, whether it is there or not; push and pull names lead to the same place. */
export function imagePath(dataDir: string, reference: string): string {
  return path.join(registryDir(dataDir), imageFolder(reference));
}

/** Whether the registry has the image. */
export function imageIsThere(dataDir: string, reference: string): boolean {
  return fs.existsSync(imagePath(dataDir, reference));
}
