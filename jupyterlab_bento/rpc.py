# SPDX-License-Identifier: BSD-3-Clause
"""One JSON-RPC 2.0 connection to the bridge, over a WebSocket on a unix socket."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import json
import os
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import connect, unix_connect

from .errors import BentoError, protocol

_URI = "ws://localhost/api/v1/rpc"
_OPEN_SECONDS = 10.0
#: As the Language Server Protocol, from which `vscode-jsonrpc` comes, names them.
_PROGRESS = "$/progress"
_CANCEL = "$/cancelRequest"

Progress = Callable[[Any], None]
Tick = Callable[[], None]


class ConnectionLost(Exception):  # noqa: N818 - what happened, not whose fault
    """The connection is gone. ``sent`` tells whether the bridge may have the request."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent


def open_socket(path: str, seconds: float | None = _OPEN_SECONDS) -> socket.socket:
    """Connect to a unix socket that a process of this user listens on.

    Raises ``OSError`` when nobody listens and ``runtimeUnsafe`` when somebody else does.
    """
    raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        raw.settimeout(seconds)
        raw.connect(path)
        _check_peer(raw, path)
    except BaseException:
        raw.close()
        raise
    return raw


def _check_peer(raw: socket.socket, path: str) -> None:
    if not hasattr(socket, "SO_PEERCRED"):
        return  # not Linux: the folder's mode has to do
    layout = struct.Struct("3i")
    _, uid, _ = layout.unpack(
        raw.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, layout.size)
    )
    if uid != os.geteuid():
        raise BentoError("runtimeUnsafe", {"path": path, "reason": "another user listens"})


class Connection:
    """A connection after its WebSocket handshake. Not for use by two threads at once."""

    def __init__(self, path: str) -> None:
        self.path = path
        options: dict[str, Any] = {}
        if "ping_interval" in inspect.signature(connect).parameters:
            # A busy kernel answers late, and a local socket needs no signs of life.
            options["ping_interval"] = None
        raw = open_socket(path)
        raw.settimeout(None)
        self._limit = int(protocol()["maxMessageBytes"])
        self._stack = contextlib.ExitStack()
        try:
            self._socket = self._stack.enter_context(
                unix_connect(
                    uri=_URI,
                    sock=raw,
                    compression=None,
                    max_size=self._limit,
                    open_timeout=_OPEN_SECONDS,
                    close_timeout=1.0,
                    **options,
                )
            )
        except (WebSocketException, OSError, EOFError, TimeoutError) as error:
            raw.close()
            raise ConnectionLost(f"no WebSocket: {error}", sent=False) from error
        self._ids = itertools.count(1)

    def close(self) -> None:
        """Close the connection; the bridge cancels what it still runs for it."""
        with contextlib.suppress(Exception):
            self._stack.close()

    def request(
        self,
        method: str,
        params: dict[str, Any],
        *,
        on_progress: Progress | None = None,
        deadline: float | None = None,
        on_tick: Tick | None = None,
        tick_seconds: float = 1.0,
    ) -> Any:
        """Send a request and return its result.

        ``on_progress`` gets each partial result, ``on_tick`` is called whenever
        ``tick_seconds`` passed without one. Raises the bridge's error,
        ``TimeoutError`` at the deadline (of ``time.monotonic``) and
        :class:`ConnectionLost`. An interrupt cancels the request, closes the connection
        and is raised.
        """
        identity = next(self._ids)
        if on_progress:
            params = {**params, "progressToken": identity}
        self._send({"id": identity, "method": method, "params": params}, sent=False)
        try:
            while True:
                message = self._receive(deadline, tick_seconds if on_tick else None)
                if message is None:
                    if on_tick:
                        on_tick()
                elif message.get("id") == identity and "method" not in message:
                    break
                elif on_progress:
                    _pass_on(message, identity, on_progress)
        except (ConnectionLost, BentoError):
            raise
        except TimeoutError:
            self._cancel(identity)
            raise
        except BaseException:
            self._cancel(identity)
            # Older releases of websockets do not receive again after an interrupt.
            self.close()
            raise
        return _result(message)

    def wait_closed(self) -> None:
        """Wait until the connection ends, however it does."""
        with contextlib.suppress(ConnectionLost):
            while True:
                self._receive(None, None)

    def _cancel(self, identity: int) -> None:
        try:
            self._send({"method": _CANCEL, "params": {"id": identity}}, sent=True)
        except (ConnectionLost, BentoError):
            self.close()

    def _send(self, message: dict[str, Any], *, sent: bool) -> None:
        text = json.dumps({"jsonrpc": "2.0", **message}, allow_nan=False)
        size = len(text.encode())
        if size > self._limit:
            action = "Shorten what is sent, or put it into a file."
            what = f"The message {message.get('method')}"
            sizes = {"size": size, "limit": self._limit}
            raise BentoError("tooLarge", {"what": what, "action": action, **sizes})
        try:
            self._socket.send(text)
        except (ConnectionClosed, OSError) as error:
            raise ConnectionLost(_reason(error), sent=sent) from error
        except BaseException:
            # An interrupt in the midst of a frame leaves the stream unusable.
            self.close()
            raise

    def _receive(self, deadline: float | None, tick: float | None) -> dict[str, Any] | None:
        """Return the next message, or None when ``tick`` seconds passed."""
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError
        waits = [seconds for seconds in (left, tick) if seconds is not None]
        try:
            data = self._socket.recv(min(waits) if waits else None)
        except TimeoutError:
            return None
        except (ConnectionClosed, OSError) as error:
            raise ConnectionLost(_reason(error), sent=True) from error
        try:
            message = json.loads(data)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            self.close()
            raise BentoError("internal", {"reason": "the bridge sent no JSON object"})
        return message


def _pass_on(message: dict[str, Any], token: int, on_progress: Progress) -> None:
    progress = message.get("params") if message.get("method") == _PROGRESS else None
    if isinstance(progress, dict) and progress.get("token") == token:
        on_progress(progress.get("value"))


def _result(message: dict[str, Any]) -> Any:
    error = message.get("error")
    if error is None:
        return message.get("result")
    if not isinstance(error, dict):
        error = {}
    raise BentoError.from_wire(error.get("data"), str(error.get("message", "")))


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectionClosed) and error.rcvd is not None:
        return f"it closed the connection ({error.rcvd.code} {error.rcvd.reason})".strip()
    return "its process is gone"
