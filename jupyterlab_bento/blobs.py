# SPDX-License-Identifier: BSD-3-Clause
"""Bytes that are too many for a message, over HTTP on the bridge's socket."""

from __future__ import annotations

import contextlib
import http.client
import shutil
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import BinaryIO

from .rpc import ConnectionLost, open_socket

#: Between two pieces of a body, not for all of it.
_SILENT_SECONDS = 120.0


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        self.sock = open_socket(self._path)
        self.sock.settimeout(_SILENT_SECONDS)


def put(socket_path: str, identity: str, body: bytes | BinaryIO, size: int) -> None:
    """Send ``size`` bytes under an id that ``blob.create`` handed out."""
    with _exchange(socket_path, "PUT", identity, body, {"Content-Length": str(size)}):
        pass


def get(socket_path: str, identity: str, sink: BinaryIO) -> None:
    """Write the bytes of a blob to ``sink`` as they come."""
    with _exchange(socket_path, "GET", identity) as answer:
        shutil.copyfileobj(answer, sink)


@contextlib.contextmanager
def _exchange(
    socket_path: str,
    method: str,
    identity: str,
    body: bytes | BinaryIO | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[http.client.HTTPResponse]:
    """Give the answer while it is open. Raises :class:`ConnectionLost`."""
    connection = _UnixConnection(socket_path)
    try:
        connection.request(method, f"/api/v1/blobs/{identity}", body, headers)
        answer = connection.getresponse()
        if answer.status not in (200, 204):
            reason = f"{method} of a blob was answered {answer.status}"
            raise ConnectionLost(reason, sent=True)
        yield answer
    except (OSError, http.client.HTTPException) as error:
        raise ConnectionLost(f"{method} of a blob failed: {error}", sent=True) from error
    finally:
        connection.close()
