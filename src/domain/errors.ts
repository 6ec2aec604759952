// SPDX-License-Identifier: BSD-3-Clause
import type { ErrorData } from '../protocol';
import { ERROR_TEXTS, type ErrorCode } from './errorTexts';

/** Values that fill the `{name}` gaps of an error's text. */
export type ErrorParams = Record<string, string | number>;

/** What an error carries besides its code. */
export interface BentoErrorOptions {
  params?: ErrorParams;
  /** Extra lines to show below, for instance the end of a log. */
  details?: string[];
  cause?: unknown;
}

/**
 * The one error type. Text and hint come from the table by code, so that the
 * browser can translate the same templates.
 */
export class BentoError extends Error {
  override readonly name = 'BentoError';
  readonly params: ErrorParams;
  readonly details: string[];

  /** Each bundle has a class of its own; an error must be known across them. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof Error && value.name === 'BentoError';
  }

  constructor(
    readonly code: ErrorCode,
    options: BentoErrorOptions = {}
  ) {
    const params = options.params ?? {};
    super(fill(ERROR_TEXTS[code].message, params), { cause: options.cause });
    this.params = params;
    this.details = options.details ?? [];
  }

  /** What the reader can do next. */
  get hint(): string {
    return fill(ERROR_TEXTS[this.code].hint, this.params);
  }

  /** The error as it travels in the protocol. */
  toData(): ErrorData {
    return {
      code: this.code,
      params: this.params,
      message: this.message,
      hint: this.hint,
      retryable: ERROR_TEXTS[this.code].retryable ?? false,
      details: this.details
    };
  }
}

/** Turns anything thrown into a {@link BentoError}; what nobody foresaw becomes `internal`. */
export function toBentoError(thrown: unknown): BentoError {
  if (thrown instanceof BentoError) {
    return thrown;
  }
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  return new BentoError('internal', { params: { reason }, cause: thrown });
}

/** Replaces `{name}` by the parameter of that name; an absent one stays visible. */
export function fill(template: string, params: ErrorParams): string {
  return template.replace(/\{(\w+)\}/g, (gap, name: string) =>
    name in params ? String(params[name]) : gap
  );
}
