# SPDX-License-Identifier: BSD-3-Clause
"""What processes of one user leave for each other on this machine.

The runtime folder holds a pointer file per running bridge, one lock and one log.
Sockets live elsewhere, in fresh private folders outside of the home folder, since
a network disk cannot hold them and their paths must be short.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from jupyter_core.paths import jupyter_runtime_dir

from ._version import __version__
from .errors import BentoError

PREFIX = "jupyterlab-bento-"
#: A unix socket's path holds 107 bytes; the folder's own name and the socket's take 32.
_LONGEST_BASE = 70
_POINTER_BYTES = 4096
#: Longer than a bridge may take to start, which happens under the lock.
_LOCK_SECONDS = 60.0


@dataclass(frozen=True)
class Pointer:
    """A running bridge, as its pointer file tells it."""

    file: Path
    pid: int
    socket: str


def runtime_folder() -> Path:
    """Return Jupyter's runtime folder, made when absent.

    One that belongs to somebody else (a disk kept over a change of user id) or that
    others may write to is passed over for a private folder under ``/tmp``; raises
    ``runtimeUnsafe`` when that one is not ours either.
    """
    folder = Path(jupyter_runtime_dir())
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _is_private(folder.stat(), stat.S_IWOTH):
            return folder
    fallback = Path("/tmp") / f"{PREFIX}{os.geteuid()}"  # noqa: S108 - checked below
    with contextlib.suppress(FileExistsError):
        fallback.mkdir(mode=0o700)
    if not _is_private(fallback.lstat(), 0o077):
        reason = "another user can write there"
        raise BentoError("runtimeUnsafe", {"path": str(fallback), "reason": reason})
    return fallback


def _is_private(info: os.stat_result, forbidden: int) -> bool:
    return (
        stat.S_ISDIR(info.st_mode)
        and info.st_uid == os.geteuid()
        and not info.st_mode & forbidden
    )


def make_socket_folder() -> Path:
    """Make a fresh folder of mode 0700 for a socket, outside of the home folder."""
    home = Path.home().resolve()
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or "/nonexistent")
    fits = (
        len(str(base)) <= _LONGEST_BASE
        and home not in (base.resolve(), *base.resolve().parents)
        and base.is_dir()
        and os.access(base, os.W_OK | os.X_OK)
    )
    return Path(tempfile.mkdtemp(prefix=PREFIX, dir=base if fits else "/tmp"))  # noqa: S108


def remove_socket_folder(folder: Path) -> None:
    """Remove a folder that :func:`make_socket_folder` made, as far as it is ours."""
    if not folder.name.startswith(PREFIX):
        return
    with contextlib.suppress(OSError):
        if folder.lstat().st_uid == os.geteuid():
            shutil.rmtree(folder, ignore_errors=True)  # refuses a link


@contextlib.contextmanager
def start_lock(folder: Path, wait_seconds: float = _LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock under which bridges start, so that two kernels start one.

    Raises ``bridgeStartFailed`` when it is not free within the given time.
    """
    path = folder / f"{PREFIX}start.lock"
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    deadline = time.monotonic() + wait_seconds
    try:
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if time.monotonic() > deadline:
                reason = f"another process holds {path}"
                log = str(log_file(folder))
                raise BentoError("bridgeStartFailed", {"reason": reason, "log": log})
            time.sleep(0.02)
        yield
    finally:
        # Said outright: a fork of this process holds the descriptor too.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def log_file(folder: Path) -> Path:
    """Return where the bridge's scrubbed log is kept."""
    return folder / f"{PREFIX}bridge.log"


def write_pointer(folder: Path, pid: int, socket: str) -> Path:
    """Announce a bridge that is ready. The file is new, of mode 0600, and no link."""
    path = folder / f"{PREFIX}{pid}.json"
    with contextlib.suppress(FileNotFoundError):
        path.unlink()  # of an earlier process with the same id
    content = {
        "pid": pid,
        "socket": socket,
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "version": __version__,
    }
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
        json.dump(content, file)
    return path


def running_bridges(folder: Path) -> list[Pointer]:
    """Return the bridges of this user that listen, newest first.

    Pointers of other owners, links, and files that others can read are ignored.
    """
    found = [
        pointer for _, pointer in _pointers(folder) if pointer and _is_running(pointer)
    ]
    return found[::-1]


def sweep(folder: Path) -> None:
    """Remove the pointers and sockets of dead bridges. Call it under the lock."""
    for path, pointer in _pointers(folder):
        if pointer is None or _is_running(pointer):
            continue
        path.unlink(missing_ok=True)
        remove_socket_folder(Path(pointer.socket).parent)


def forget(pointer: Pointer) -> None:
    """Remove a pointer whose socket refuses connections."""
    pointer.file.unlink(missing_ok=True)


def _pointers(folder: Path) -> list[tuple[Path, Pointer | None]]:
    paths = [path for path in folder.glob(f"{PREFIX}*.json") if _stem(path).isdecimal()]
    dated = [(path, _read_pointer(path)) for path in paths]
    return sorted(dated, key=lambda pair: _changed(pair[0]))


def _stem(path: Path) -> str:
    return path.stem[len(PREFIX) :]


def _changed(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def _read_pointer(path: Path) -> Pointer | None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            info = os.fstat(file.fileno())
            ours = info.st_uid == os.geteuid() and not info.st_mode & 0o077
            if not stat.S_ISREG(info.st_mode) or not ours:
                return None
            content = json.loads(file.read(_POINTER_BYTES))
        pid, socket = int(content["pid"]), str(content["socket"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    fits = _stem(path) == str(pid) and pid > 0 and Path(socket).is_absolute()
    return Pointer(path, pid, socket) if fits else None


def _is_running(pointer: Pointer) -> bool:
    try:
        info = os.lstat(pointer.socket)
        os.kill(pointer.pid, 0)
    except (OSError, OverflowError):
        return False
    ours = stat.S_ISSOCK(info.st_mode) and info.st_uid == os.geteuid()
    return ours and _listens(pointer.socket)


def _listens(path: str) -> bool:
    """Tell whether anybody listens.

    A process id alone says too little: it may belong to another process by now, and
    the dead keep theirs in a container whose first process buries nobody.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            pass  # busy, which only the living are
    return True
