// SPDX-License-Identifier: BSD-3-Clause
import {
  AbstractMessageReader,
  AbstractMessageWriter,
  type DataCallback,
  type Disposable,
  type Message,
  type MessageReader,
  type MessageWriter
} from 'vscode-jsonrpc/node';
import type { WebSocket } from 'ws';
import { MAX_MESSAGE_BYTES } from '../../protocol';

/**
 * Bytes that may wait for a slow client. Beyond that it is cut off: it comes
 * back, names the last event it saw and gets the rest.
 */
const MAX_BUFFERED_BYTES = 8 * MAX_MESSAGE_BYTES;

/** Reads one JSON-RPC message from each text frame. */
class WebSocketReader extends AbstractMessageReader implements MessageReader {
  constructor(private readonly socket: WebSocket) {
    super();
    socket.on('close', () => this.fireClose());
    socket.on('error', error => this.fireError(error));
  }

  listen(callback: DataCallback): Disposable {
    const onMessage = (data: Buffer): void => {
      try {
        callback(JSON.parse(data.toString('utf8')) as Message);
      } catch {
        this.socket.close(1007, 'not JSON');
      }
    };
    this.socket.on('message', onMessage);
    return { dispose: () => this.socket.off('message', onMessage) };
  }
}

/** Writes each JSON-RPC message as one text frame. */
class WebSocketWriter extends AbstractMessageWriter implements MessageWriter {
  constructor(private readonly socket: WebSocket) {
    super();
  }

  async write(message: Message): Promise<void> {
    if (this.socket.readyState !== this.socket.OPEN) {
      return;
    }
    if (this.socket.bufferedAmount > MAX_BUFFERED_BYTES) {
      this.socket.terminate();
      return;
    }
    this.socket.send(JSON.stringify(message));
  }

  end(): void {
    this.socket.close();
  }
}

/** Both directions of a JSON-RPC connection over a WebSocket. */
export function transport(socket: WebSocket): {
  reader: MessageReader;
  writer: MessageWriter;
} {
  return {
    reader: new WebSocketReader(socket),
    writer: new WebSocketWriter(socket)
  };
}
