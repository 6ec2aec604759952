# SPDX-License-Identifier: BSD-3-Clause
"""Starts the bridge and keeps it running for as long as this process lives."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from . import runtime
from .errors import BentoError
from .life import Life, Log, describe_exit
from .node import find_node

BRIDGE = Path(__file__).parent / "bridge" / "bridge.cjs"
#: Seconds before each new start after the first, which comes at once.
BACK_OFF = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
#: A pod with half a CPU can take many seconds.
READY_SECONDS = 30.0
#: Deaths before the bridge was ready, in a row, after which it is given up.
MOST_FAILED_STARTS = 5
#: A life at least this long makes the next restart immediate again.
_HEALTHY_SECONDS = 5.0
#: Its thread may be waiting for the lock, which it then gives up by itself.
_STOP_SECONDS = 5.0
#: A leak ends the bridge, which comes back, and not the kernel beside it; small
#: young generations keep its memory down while it reads lists.
_NODE_FLAGS = ("--max-old-space-size=192", "--max-semi-space-size=1")

State = Literal["new", "starting", "ready", "waiting", "failed", "elsewhere", "stopped"]


def bridge_command(socket: Path) -> list[str]:
    """Return the command that runs the bridge on a socket.

    Raises ``bridgeMissing``, ``nodeMissing`` or ``nodeTooOld``.
    """
    if not BRIDGE.is_file():
        raise BentoError("bridgeMissing", {"path": str(BRIDGE)})
    return [find_node().path, *_NODE_FLAGS, str(BRIDGE), "--socket", str(socket)]


class Supervisor:
    """Runs one bridge and starts it again when it dies.

    A thread of its own watches the process. One user has one bridge per runtime
    folder: when another process has started one meanwhile, this supervisor stands
    back and its state becomes ``elsewhere``.
    """

    def __init__(
        self,
        *,
        command: Sequence[str] | None = None,
        back_off: Sequence[float] = BACK_OFF,
        ready_seconds: float = READY_SECONDS,
    ) -> None:
        self.folder = runtime.runtime_folder()
        self.log = Log(runtime.log_file(self.folder))
        self._socket_folder = runtime.make_socket_folder()
        self.socket = str(self._socket_folder / "bridge.sock")
        self._command = list(command) if command else None
        self._back_off = tuple(back_off)
        self._ready_seconds = ready_seconds
        self._life: Life | None = None
        self._pointer: Path | None = None
        self._error: BentoError | None = None
        self._state: State = "new"
        self._stopping = threading.Event()
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None

    @property
    def state(self) -> State:
        """What the bridge does right now."""
        return self._state

    @property
    def pid(self) -> int | None:
        """Process id of the present bridge."""
        return self._life.pid if self._life else None

    def start(self) -> None:
        """Begin to start the bridge; :meth:`wait` tells how it went.

        Raises at once what no repetition can mend: no bundle, no usable Node.js.
        """
        if self._command is None:
            self._command = bridge_command(Path(self.socket))
        atexit.register(self.stop)
        self._set("starting")
        self._thread = threading.Thread(
            target=self._run, name="jupyterlab-bento", daemon=True
        )
        self._thread.start()

    def wait(self) -> bool:
        """Wait until the bridge is ready; false when another process runs one.

        Cuts a pause between two restarts short, since somebody needs the bridge now.
        Raises ``bridgeStartFailed`` with the end of the log when it is given up.
        """
        with self._change:
            while self._state in ("starting", "waiting"):
                if self._state == "waiting":
                    self._set("starting")
                self._change.wait()
            if self._error:
                raise self._error
            return self._state == "ready"

    def stop(self) -> None:
        """Stop the bridge and remove its traces. Safe to call twice."""
        atexit.unregister(self.stop)
        with self._change:
            self._stopping.set()
            self._set("stopped")
            life = self._life
        if life:
            life.leave()
        if self._thread:
            self._thread.join(_STOP_SECONDS)
        self._withdraw()
        runtime.remove_socket_folder(self._socket_folder)

    def _set(self, state: State) -> None:
        with self._change:
            self._state = state
            self._change.notify_all()

    def _run(self) -> None:
        """Live through one life after the other."""
        failed_starts = restarts = 0
        while not self._stopping.is_set():
            try:
                reason = self._begin()
            except BentoError as error:
                self._give_up(error)
                return
            if reason is None:
                return
            began = time.monotonic()
            if reason:
                failed_starts += 1
                if failed_starts >= MOST_FAILED_STARTS:
                    self._give_up(self._failure(reason))
                    return
            else:
                failed_starts = 0
                self._live()
            restarts = 0 if time.monotonic() - began > _HEALTHY_SECONDS else restarts
            self._pause(restarts, hasty=not reason)
            restarts += 1

    def _begin(self) -> str | None:
        """Start a bridge under the lock.

        Returns why it did not become ready, empty when it did, and None when there
        is nothing more to do here. Raises when a repetition would not help.
        """
        with runtime.start_lock(self.folder):
            runtime.sweep(self.folder)
            if runtime.running_bridges(self.folder):
                self._set("elsewhere")
                return None
            with self._change:
                if self._stopping.is_set():
                    return None
                try:
                    self._life = Life(self._command or (), self.log)
                except OSError as error:
                    raise self._failure(str(error)) from None
            life = self._life
            reason = life.wait_ready(self._ready_seconds)
            if self._stopping.is_set():
                return None
            if reason:
                hung = life.process.poll() is None
                life.kill()
                if hung:
                    raise self._failure(reason)
                return reason
            self._pointer = runtime.write_pointer(self.folder, life.pid, self.socket)
        with self._change:
            if not self._stopping.is_set():
                self._set("ready")
        return ""

    def _live(self) -> None:
        """Wait for the end of the bridge that is ready."""
        code = self._life.wait() if self._life else 0
        self._withdraw()
        if not self._stopping.is_set():
            self.log.add(f'{{"supervisor": "the bridge ended: {describe_exit(code)}"}}')

    def _pause(self, restarts: int, *, hasty: bool) -> None:
        """Wait before the next start; ``hasty`` lets :meth:`wait` cut it short."""
        seconds = self._back_off[min(restarts, len(self._back_off) - 1)]
        deadline = time.monotonic() + seconds
        with self._change:
            if self._stopping.is_set():
                return
            self._set("waiting" if hasty and seconds else "starting")
            while not self._stopping.is_set() and (left := deadline - time.monotonic()) > 0:
                self._change.wait(left)
                if hasty and self._state == "starting":
                    return

    def _failure(self, reason: str) -> BentoError:
        params = {"reason": reason, "log": str(self.log.path)}
        return BentoError("bridgeStartFailed", params, details=self.log.tail())

    def _give_up(self, error: BentoError) -> None:
        with self._change:
            if not self._stopping.is_set():
                self._error = error
                self._set("failed")

    def _withdraw(self) -> None:
        if self._pointer:
            self._pointer.unlink(missing_ok=True)
            self._pointer = None
