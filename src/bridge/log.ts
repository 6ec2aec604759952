// SPDX-License-Identifier: BSD-3-Clause

/** What must never be written anywhere, in any text. */
const SECRETS = [
  // Presigned addresses (AWS Signature Version 4, query form).
  /(X-Amz-(?:Signature|Credential|Security-Token)=)[^&\s"'\\]+/gi,
  /((?:authorization|cookie|x-xsrftoken)["']?\s*[:=]\s*["']?)[^"'\r\n]+/gi,
  /(Bearer\s+)[\w.~+/=-]+/gi,
  // User information in an address.
  /(\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s:/@]{1,256}:)[^\s@/]{1,1024}(?=@)/gi,
  /()\b(?:AKIA|ASIA)[A-Z0-9]{12,}/g,
  // JSON Web Tokens.
  /()\beyJ[\w-]+\.[\w-]+\.[\w-]+/g
];

/** Replaces what looks like a credential by `***`. */
export function scrub(text: string): string {
  return SECRETS.reduce(
    (scrubbed, pattern) => scrubbed.replace(pattern, '$1***'),
    text
  );
}

/** Writes one JSON line on stderr for each entry, scrubbed. */
export function log(entry: Record<string, unknown>): void {
  const line = JSON.stringify({ time: new Date().toISOString(), ...entry });
  process.stderr.write(`${scrub(line)}\n`);
}
