// SPDX-License-Identifier: BSD-3-Clause

/** Text of one error: `{name}` gaps are filled from the error's parameters. */
export interface ErrorText {
  message: string;
  /** What the reader can do next. */
  hint: string;
  /** Whether the same call may succeed later without a change. */
  retryable?: boolean;
  /** Exit code of the command line; 1 when absent. */
  exit?: 2 | 3 | 4 | 5;
}
