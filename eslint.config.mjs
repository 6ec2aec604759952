// SPDX-License-Identifier: BSD-3-Clause
import jupyter from '@jupyter/eslint-plugin';
import jsdoc from 'eslint-plugin-jsdoc';
import tseslint from 'typescript-eslint';

/** Every rule of the plugin as an error. */
const allJupyterRules = Object.fromEntries(
  Object.keys(jupyter.rules).map(rule => [`@jupyter/${rule}`, 'error'])
);

/** Forbids imports that match the patterns, with the reason shown to whoever tries. */
const forbid = (regex, message) => ({
  'no-restricted-imports': ['error', { patterns: [{ regex, message }] }]
});

export default tseslint.config(
  {
    ignores: [
      'node_modules',
      'build',
      'dist',
      'coverage',
      'jupyterlab_bento/bridge',
      'playground/servers'
    ]
  },
  ...tseslint.configs.strict,
  ...tseslint.configs.stylistic,
  {
    files: ['**/*.ts'],
    languageOptions: {
      parserOptions: {
        projectService: true,
        tsconfigRootDir: import.meta.dirname
      }
    },
    plugins: { '@jupyter': jupyter, jsdoc },
    rules: {
      ...allJupyterRules,
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-definitions': ['error', 'interface'],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }
      ],
      eqeqeq: 'error',
      curly: 'error',
      'no-console': 'error',
      'prefer-const': 'error'
    }
  },
  {
    files: ['src/**/*.ts', 'playground/**/*.ts'],
    ignores: ['**/*.spec.ts', '**/testing/**'],
    rules: {
      'jsdoc/require-jsdoc': [
        'error',
        {
          publicOnly: true,
          require: {
            ClassDeclaration: true,
            FunctionDeclaration: true,
            MethodDefinition: false
          },
          contexts: [
            'TSInterfaceDeclaration',
            'TSTypeAliasDeclaration',
            'ExportNamedDeclaration > VariableDeclaration'
          ]
        }
      ],
      'max-lines': ['error', { max: 400 }]
    }
  },
  {
    files: ['src/protocol/**/*.ts'],
    ignores: ['**/*.spec.ts'],
    rules: forbid(
      '^(?!zod/mini$|\\./)',
      'src/protocol imports only zod: both halves and the schema generator read it.'
    )
  },
  {
    files: ['src/domain/**/*.ts'],
    ignores: ['**/*.spec.ts'],
    rules: forbid(
      '^(?!\\./|\\.\\./protocol(/|$)|js-yaml$|@noble/hashes/sha2\\.js$)',
      'src/domain is pure: no I/O, usable in the browser and in the bridge.'
    )
  },
  {
    files: ['src/bridge/**/*.ts'],
    rules: forbid(
      '/lab/|^@jupyterlab/',
      'The bridge and the browser half meet in src/protocol only.'
    )
  },
  {
    files: ['src/lab/**/*.ts', 'src/lab/**/*.tsx'],
    rules: forbid(
      '/bridge/|^node:',
      'The bridge and the browser half meet in src/protocol only.'
    )
  },
  {
    files: ['scripts/**', 'bench/**', 'playground/**', '**/*.cjs', '**/*.mjs'],
    rules: {
      'no-console': 'off',
      '@typescript-eslint/no-require-imports': 'off'
    }
  },
  {
    files: ['**/*.mjs', '**/*.cjs'],
    languageOptions: {
      globals: { process: 'readonly', console: 'readonly', jest: 'readonly' }
    },
    ...tseslint.configs.disableTypeChecked
  }
);
