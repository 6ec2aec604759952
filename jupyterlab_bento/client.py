# SPDX-License-Identifier: BSD-3-Clause
"""The client of the bridge: finds or starts it, and comes back when it died."""

from __future__ import annotations

import contextlib
import io
import os
import threading
import time
from typing import Any, BinaryIO

from . import blobs, render, runtime
from ._version import __version__
from .errors import BentoError
from .rpc import Connection, ConnectionLost, Progress, Tick
from .supervisor import Supervisor

#: The protocol that this source speaks.
PROTOCOL = {"major": 1, "minor": 0}
#: Requests that may be sent again when it is not known whether the bridge carried
#: them out: they change nothing, or what they changed died with the bridge.
REPEATABLE = frozenset(
    {
        "environment",
        "store.list",
        "store.get",
        "deploy.plan",
        "operation.list",
        "operation.follow",
        "deployment.list",
        "deployment.get",
        "deployment.wait",
        "deployment.planDelete",
        "service.routes",
        "forward.open",
        "forward.list",
        "blob.create",
    }
)
#: Losses in a row of one request, none of them after a sign of progress.
_MOST_LOSSES = 5
#: A life at least this long counts as progress.
_FRUITFUL_SECONDS = 5.0
#: For a bridge that is just leaving or just being replaced by another process.
_SETTLE_SECONDS = 60.0
_AGAIN_SECONDS = 0.02


class BridgeHolder:
    """The bridge that this process runs when no other process of the user does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._supervisor: Supervisor | None = None

    @property
    def supervisor(self) -> Supervisor | None:
        """The supervisor of our own bridge, None when another process runs it."""
        return self._supervisor

    def connect(self) -> Connection:
        """Connect to the running bridge, starting one when there is none."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        reason = "bridges come and go"
        while True:
            try:
                connection = self._connect_to_running() or self._connect_to_own()
            except ConnectionLost as loss:
                connection, reason = None, loss.reason
            if connection:
                return connection
            if time.monotonic() > deadline:
                log = str(runtime.log_file(runtime.runtime_folder()))
                raise BentoError("bridgeStartFailed", {"reason": reason, "log": log})
            time.sleep(_AGAIN_SECONDS)

    def _connect_to_running(self) -> Connection | None:
        for pointer in runtime.running_bridges(runtime.runtime_folder()):
            try:
                return Connection(pointer.socket)
            except (ConnectionRefusedError, FileNotFoundError):
                runtime.forget(pointer)
            except OSError:
                continue
        return None

    def _connect_to_own(self) -> Connection | None:
        with self._lock:
            if self._supervisor and self._supervisor.state in ("failed", "elsewhere"):
                self._supervisor.stop()
                self._supervisor = None
            if self._supervisor is None:
                supervisor = Supervisor()
                supervisor.start()
                self._supervisor = supervisor
            supervisor = self._supervisor
        if not supervisor.wait():
            return None
        with contextlib.suppress(OSError):
            return Connection(supervisor.socket)
        return None

    def stop(self) -> None:
        """Stop our own bridge, if there is one."""
        with self._lock:
            if self._supervisor:
                self._supervisor.stop()
                self._supervisor = None


HOLDER = BridgeHolder()


class Client:
    """Speaks with the bridge for one user of it, for instance the magics.

    Calls from several threads take turns.
    """

    def __init__(self, name: str, holder: BridgeHolder = HOLDER) -> None:
        self.name = name
        self._holder = holder
        self._connection: Connection | None = None
        self._owner = os.getpid()
        self._turn = threading.RLock()

    @property
    def runs_bridge(self) -> bool:
        """Whether the bridge is a child of this process and ends with it."""
        supervisor = self._holder.supervisor
        return supervisor is not None and supervisor.state != "elsewhere"

    def request(
        self,
        method: str,
        params: dict[str, Any] | None = None,
        *,
        on_progress: Progress | None = None,
        timeout: float | None = None,
        on_tick: Tick | None = None,
        what: str = "",
    ) -> Any:
        """Send a request and return its result; see :meth:`Connection.request`.

        Connects again when the bridge died and repeats what may be repeated; other
        requests raise ``bridgeLost``. ``timeout`` in seconds ends the waiting with
        the error ``timeout``, whose text names ``what``, and cancels the request.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        losses = 0
        with self._turn:
            while True:
                began = time.monotonic()
                steps = _Steps(on_progress)
                try:
                    return self._connected().request(
                        method,
                        params or {},
                        on_progress=steps if on_progress else None,
                        deadline=deadline,
                        on_tick=on_tick,
                    )
                except TimeoutError:
                    limit = render.seconds(timeout or 0)
                    late = {"what": what or method, "limit": limit}
                    raise BentoError("timeout", late) from None
                except ConnectionLost as loss:
                    self.close()
                    lived = time.monotonic() - began
                    fruitful = steps.count > 0 or lived > _FRUITFUL_SECONDS
                    losses = 1 if fruitful else losses + 1
                    repeat = method in REPEATABLE or not loss.sent
                    if not repeat or losses > _MOST_LOSSES:
                        lost = {"method": method, "reason": loss.reason}
                        raise BentoError("bridgeLost", lost) from None
                    time.sleep(_AGAIN_SECONDS * losses)

    def _connected(self) -> Connection:
        if self._owner != os.getpid():  # a fork may not share its parent's stream
            self._connection, self._owner = None, os.getpid()
        if self._connection is None:
            connection = self._holder.connect()
            try:
                self._greet(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _greet(self, connection: Connection) -> None:
        hello = {"protocol": PROTOCOL, "client": self.name, "clientVersion": __version__}
        try:
            answer = connection.request(
                "hello", hello, deadline=time.monotonic() + _SETTLE_SECONDS
            )
        except TimeoutError:
            raise ConnectionLost("it does not answer", sent=False) from None
        except ConnectionLost as loss:
            raise ConnectionLost(loss.reason, sent=False) from None
        if not isinstance(answer, dict):
            raise BentoError("internal", {"reason": "the bridge's greeting is empty"})
        if answer.get("outcome") != "ok":
            versions = {
                "bridge": str(answer.get("bridgeVersion", "unknown")),
                "client": __version__,
                "remedy": str(answer.get("remedy", "")),
            }
            raise BentoError("bridgeVersion", versions)

    def put_blob(self, body: bytes | BinaryIO, size: int) -> str:
        """Bring bytes to the bridge; returns the id to name in a request."""
        with self._turn:
            identity = str(self.request("blob.create")["id"])
            try:
                blobs.put(self._connected().path, identity, body, size)
            except ConnectionLost as loss:
                lost = {"method": "the upload of the data", "reason": loss.reason}
                raise BentoError("bridgeLost", lost) from None
            return identity

    def get_blob(self, identity: str, sink: BinaryIO | None = None) -> bytes:
        """Fetch bytes that a result names; into ``sink``, or returned."""
        buffer = io.BytesIO()
        with self._turn:
            try:
                blobs.get(self._connected().path, identity, sink or buffer)
            except ConnectionLost as loss:
                lost = {"method": "the download of the answer", "reason": loss.reason}
                raise BentoError("bridgeLost", lost) from None
        return buffer.getvalue()

    def wait_closed(self) -> None:
        """Wait until the bridge is gone."""
        with self._turn:
            self._connected().wait_closed()
            self.close()

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        connection, self._connection = self._connection, None
        if connection:
            connection.close()


class _Steps:
    """Counts the progress that passes through."""

    def __init__(self, on_progress: Progress | None) -> None:
        self.count = 0
        self._on_progress = on_progress

    def __call__(self, value: Any) -> None:
        self.count += 1
        if self._on_progress:
            self._on_progress(value)
