# SPDX-License-Identifier: BSD-3-Clause
"""One life of the bridge: its process, its ready line and its log."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO

from .scrub import scrub

#: Log lines kept in memory for error messages.
KEPT_LINES = 200
_LONGEST_LINE = 8192
_LOG_BYTES = 1024 * 1024
#: How long a bridge may take to put its work down when its lifeline closes.
_LEAVE_SECONDS = 5.0


class Log:
    """The bridge's log: the last lines in memory, all of it in a bounded file.

    Every line is scrubbed before it is kept anywhere.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._lock = threading.Lock()

    def add(self, line: str) -> None:
        """Keep a line; a disk that is full or not writable loses the file only."""
        line = scrub(line.rstrip("\r\n"))
        with self._lock:
            self._lines.append(line)
            with contextlib.suppress(OSError):
                self._append(line)

    def _append(self, line: str) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(self.path, flags, 0o600), "a", encoding="utf-8") as file:
            file.write(line + "\n")
            full = file.tell() > _LOG_BYTES
        if full:
            self.path.replace(self.path.with_suffix(".log.1"))

    def tail(self, count: int = 20) -> list[str]:
        """Return the last lines, oldest first."""
        with self._lock:
            return list(self._lines)[-count:]


class Life:
    """A bridge process from its start to its end.

    It runs in a session of its own, so that a kernel's interrupt does not reach it,
    and holds the read end of a pipe from us: when this process ends in whatever way,
    the pipe closes and the bridge leaves.
    """

    def __init__(self, command: Sequence[str], log: Log) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - node and our own bundle
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.pid = self.process.pid
        self._log = log
        self._changed = threading.Event()
        self._ready = False
        self._readers = [
            _start(self._read_output, self.process.stdout),
            _start(self._read_log, self.process.stderr),
        ]
        _lives.add(self)

    def _read_output(self, stream: IO[bytes]) -> None:
        with stream:
            for line in _lines(stream):
                try:
                    message = json.loads(line)
                    self._ready = self._ready or message.get("ready") is True
                except (ValueError, AttributeError):
                    self._log.add(line)
                if self._ready:
                    self._changed.set()
        self._changed.set()

    def _read_log(self, stream: IO[bytes]) -> None:
        with stream:
            for line in _lines(stream):
                self._log.add(line)

    def wait_ready(self, seconds: float) -> str:
        """Wait for the ready line; return why it did not come, empty when it came."""
        if not self._changed.wait(seconds):
            return f"it was not ready within {seconds:g} s"
        if self._ready:
            return ""
        return f"it ended at its start ({describe_exit(self.wait())})"

    def wait(self) -> int:
        """Wait for the end of the process and of its output; return its exit code."""
        code = self.process.wait()
        self._close_lifeline()
        for reader in self._readers:
            reader.join(1.0)
        return code

    def _close_lifeline(self) -> None:
        if self.process.stdin:
            with contextlib.suppress(OSError):
                self.process.stdin.close()

    def leave(self) -> None:
        """Close the lifeline, wait for the bridge to leave, and kill what does not."""
        self._close_lifeline()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(_LEAVE_SECONDS)
            self.wait()
            return
        self.kill()

    def kill(self) -> None:
        """Kill the process and whatever it started."""
        with contextlib.suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()

    def let_go(self) -> None:
        """Close our ends of the pipes, as a fork must: it would hold the lifeline."""
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            # The buffers' locks may be held by threads that the fork does not have.
            raw = getattr(stream, "raw", None)
            if raw is not None:
                with contextlib.suppress(OSError):
                    raw.close()


def describe_exit(code: int) -> str:
    """Return an exit code in words, a negative one as the signal's name."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _lines(stream: IO[bytes]) -> Iterable[str]:
    """Return the stream's lines; a longer one than we keep comes in pieces."""
    while line := stream.readline(_LONGEST_LINE):
        yield line.decode("utf-8", "replace")


def _start(read: Callable[[IO[bytes]], None], stream: IO[bytes] | None) -> threading.Thread:
    thread = threading.Thread(target=read, args=(stream,), daemon=True)
    thread.start()
    return thread


_lives: weakref.WeakSet[Life] = weakref.WeakSet()


def _let_go_of_all() -> None:
    for life in list(_lives):
        life.let_go()


os.register_at_fork(after_in_child=_let_go_of_all)
