// SPDX-License-Identifier: BSD-3-Clause
import * as z from 'zod/mini';

/** A moment as ISO 8601 text in UTC. */
export const instant = z.string();

/** An error as it travels: `code` and `params` identify it, `message` and `hint` are English text. */
export const errorData = z.object({
  code: z.string(),
  params: z.record(z.string(), z.union([z.string(), z.number()])),
  message: z.string(),
  /** What the reader can do next; empty when nothing is left to do. */
  hint: z.string(),
  retryable: z.boolean(),
  /** Extra lines to show below, for instance the end of a log. */
  details: z.array(z.string())
});
/** See {@link errorData}. */
export type ErrorData = z.infer<typeof errorData>;

/** Plain JSON. */
export type Json =
  string | number | boolean | null | Json[] | { [key: string]: Json };
/** Schema for {@link Json}; JSON-RPC has parsed it already, so only its presence is checked. */
export const json = z.unknown();
