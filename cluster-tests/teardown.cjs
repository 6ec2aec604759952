// SPDX-License-Identifier: BSD-3-Clause
const { spawnSync } = require('node:child_process');

/** Takes down the playground that the tests shared. */
module.exports = () => {
  spawnSync(
    process.execPath,
    [
      '--import',
      'tsx',
      'playground/main.ts',
      'down',
      '--name',
      process.env.BENTO_TEST_PLAYGROUND ?? 'cluster-tests'
    ],
    { stdio: 'inherit' }
  );
};
