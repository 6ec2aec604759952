# SPDX-License-Identifier: BSD-3-Clause
"""Pointer files, sockets and locks: whom they trust."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyterlab_bento import runtime
from jupyterlab_bento.errors import BentoError


@pytest.fixture
def folder() -> Path:
    return runtime.runtime_folder()


@pytest.fixture
def bridge() -> Iterator[str]:
    """Listen on a socket in a folder like the bridge's."""
    parent = runtime.make_socket_folder()
    path = str(parent / "bridge.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    yield path
    listener.close()
    runtime.remove_socket_folder(parent)


def dead_pid() -> int:
    """Return the id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_finds_what_was_announced(folder: Path, bridge: str) -> None:
    path = runtime.write_pointer(folder, os.getpid(), bridge)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = json.loads(path.read_text())
    assert set(content) == {"pid", "socket", "started", "version"}
    found = runtime.running_bridges(folder)
    assert [(pointer.pid, pointer.socket) for pointer in found] == [(os.getpid(), bridge)]


def test_replaces_what_an_earlier_process_left(folder: Path, bridge: str) -> None:
    victim = folder / "victim"
    victim.write_text("untouched")
    (folder / f"{runtime.PREFIX}{os.getpid()}.json").symlink_to(victim)
    runtime.write_pointer(folder, os.getpid(), bridge)
    assert victim.read_text() == "untouched"
    assert len(runtime.running_bridges(folder)) == 1


def test_ignores_a_link(folder: Path, bridge: str) -> None:
    real = runtime.write_pointer(folder, os.getpid(), bridge)
    elsewhere = folder / "elsewhere"
    real.rename(elsewhere)
    real.symlink_to(elsewhere)
    assert runtime.running_bridges(folder) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_ignores_what_others_may_touch(folder: Path, bridge: str, mode: int) -> None:
    runtime.write_pointer(folder, os.getpid(), bridge).chmod(mode)
    assert runtime.running_bridges(folder) == []


@pytest.mark.parametrize("owned", [0, 1])
def test_ignores_other_owners(
    folder: Path, bridge: str, monkeypatch: pytest.MonkeyPatch, owned: int
) -> None:
    """First the pointer belongs to somebody else, then only the socket does."""
    runtime.write_pointer(folder, os.getpid(), bridge)
    assert len(runtime.running_bridges(folder)) == 1
    ours = os.geteuid()
    users = iter([ours] * owned + [ours + 1] * 2)
    monkeypatch.setattr(os, "geteuid", lambda: next(users))
    assert runtime.running_bridges(folder) == []


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"pid": "x", "socket": "/s"}',
        '{"pid": 0, "socket": "SOCKET"}',
        '{"pid": -1, "socket": "SOCKET"}',
        '{"pid": 99999999999999999999, "socket": "SOCKET"}',
        '{"pid": PID, "socket": "relative"}',
        '{"pid": PID, "socket": "/etc/passwd"}',
        '{"pid": PID, "socket": 5}',
    ],
)
def test_ignores_nonsense(folder: Path, bridge: str, content: str) -> None:
    text = content.replace("PID", str(os.getpid())).replace("SOCKET", bridge)
    for stem in (str(os.getpid()), "0", "x"):
        path = folder / f"{runtime.PREFIX}{stem}.json"
        path.write_text(text)
        path.chmod(0o600)
    assert runtime.running_bridges(folder) == []


def test_a_pipe_does_not_hang(folder: Path) -> None:
    os.mkfifo(folder / f"{runtime.PREFIX}1.json", 0o600)
    assert runtime.running_bridges(folder) == []


def test_sweeps_the_dead_only(folder: Path, bridge: str) -> None:
    alive = runtime.write_pointer(folder, os.getpid(), bridge)
    left = runtime.make_socket_folder()
    (left / "bridge.sock").touch()
    (left / "blobs").mkdir()
    dead = runtime.write_pointer(folder, dead_pid(), str(left / "bridge.sock"))
    foreign = folder / "jpserver-1.json"
    foreign.touch()
    runtime.sweep(folder)
    assert alive.exists()
    assert foreign.exists()
    assert not dead.exists()
    assert not left.exists()


def test_sweeping_removes_no_other_folder(folder: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    runtime.write_pointer(folder, dead_pid(), str(precious / "bridge.sock"))
    link = tmp_path / f"{runtime.PREFIX}link"
    link.symlink_to(precious)
    runtime.write_pointer(folder, dead_pid(), str(link / "bridge.sock"))
    runtime.sweep(folder)
    assert precious.exists()


def test_sockets_stay_out_of_the_home_folder(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for base in (home / "run", tmp_path / ("x" * 80), tmp_path / "absent"):
        if base.name != "absent":
            base.mkdir()
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
        made = runtime.make_socket_folder()
        assert made.parent == Path("/tmp")
        assert stat.S_IMODE(made.stat().st_mode) == 0o700
        runtime.remove_socket_folder(made)
        assert not made.exists()


def test_sockets_go_where_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    base = runtime.make_socket_folder()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    made = runtime.make_socket_folder()
    assert made.parent == base
    runtime.remove_socket_folder(base)


def test_a_runtime_folder_of_somebody_else(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() == 0:
        os.chown(folder, 12345, 12345)
    else:
        monkeypatch.setenv("JUPYTER_RUNTIME_DIR", "/")
    other = runtime.runtime_folder()
    assert other == Path("/tmp") / f"{runtime.PREFIX}{os.geteuid()}"
    assert stat.S_IMODE(other.stat().st_mode) == 0o700


def test_a_runtime_folder_that_cannot_be_trusted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "_is_private", lambda _info, _forbidden: False)
    with pytest.raises(BentoError, match="cannot be trusted") as caught:
        runtime.runtime_folder()
    assert caught.value.code == "runtimeUnsafe"


def test_the_lock_excludes(folder: Path) -> None:
    second = runtime.start_lock(folder, 0.05)
    refused = pytest.raises(BentoError, match="another process holds")
    with runtime.start_lock(folder), refused, second:
        raise AssertionError("two hold the lock")
    with runtime.start_lock(folder, 0.05):
        pass


def test_a_fork_does_not_keep_the_lock(folder: Path) -> None:
    reader, writer = os.pipe()
    with runtime.start_lock(folder):
        child = os.fork()
        if child == 0:
            os.close(writer)
            os.read(reader, 1)
            os._exit(0)
        os.close(reader)
    with runtime.start_lock(folder, 5.0):
        pass
    os.close(writer)
    os.waitpid(child, 0)
