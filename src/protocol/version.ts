// SPDX-License-Identifier: BSD-3-Clause

/** A protocol version: the same major number is compatible, minor numbers only add. */
export interface ProtocolVersion {
  major: number;
  minor: number;
}

/** The protocol that this source speaks. */
export const PROTOCOL: ProtocolVersion = { major: 1, minor: 0 };

/** Largest JSON-RPC message in bytes, on all ends; anything bigger travels as a blob. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;

/** How a handshake ends: go on, or which side must be updated first. */
export type HandshakeOutcome = 'ok' | 'clientTooOld' | 'bridgeTooOld';

/**
 * Decides whether a client can talk to a bridge.
 *
 * A client may be older in its minor number (the bridge only adds); it may not
 * be newer, since it could call what the bridge lacks.
 */
export function compareVersions(
  client: ProtocolVersion,
  bridge: ProtocolVersion
): HandshakeOutcome {
  if (client.major < bridge.major) {
    return 'clientTooOld';
  }
  if (client.major > bridge.major || client.minor > bridge.minor) {
    return 'bridgeTooOld';
  }
  return 'ok';
}
