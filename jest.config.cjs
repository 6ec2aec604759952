// SPDX-License-Identifier: BSD-3-Clause
const transform = {
  '^.+\\.[cm]?[jt]sx?$': [
    '@swc/jest',
    {
      jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
      module: { type: 'commonjs' },
      sourceMaps: 'inline'
    }
  ]
};

// Libraries that ship as ES modules only must be transformed for jest.
const shared = {
  testEnvironment: 'node',
  transform,
  transformIgnorePatterns: [
    '/node_modules/(?!(@kubernetes/client-node|openid-client|oauth4webapi|jose|vscode-jsonrpc|@noble/hashes)/)'
  ],
  modulePathIgnorePatterns: ['<rootDir>/build', '<rootDir>/dist']
};

module.exports = {
  projects: [
    {
      ...shared,
      displayName: 'unit',
      testMatch: [
        '<rootDir>/src/**/*.spec.ts',
        '<rootDir>/playground/**/*.spec.ts',
        '<rootDir>/scripts/**/*.spec.ts'
      ]
    },
    {
      ...shared,
      displayName: 'cluster',
      testMatch: ['<rootDir>/cluster-tests/**/*.spec.ts'],
      setupFilesAfterEnv: ['<rootDir>/cluster-tests/setup.cjs'],
      globalTeardown: '<rootDir>/cluster-tests/teardown.cjs'
    }
  ]
};
