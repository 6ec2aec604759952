# SPDX-License-Identifier: BSD-3-Clause
"""The supervisor: the bridge comes, comes back, and never stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyterlab_bento import runtime, supervisor
from jupyterlab_bento.errors import BentoError
from jupyterlab_bento.life import KEPT_LINES, Log, describe_exit
from jupyterlab_bento.supervisor import Supervisor

from .conftest import FAKE, ROOT, Fake, is_alive, wait_for

NO_PAUSE = (0.0,)


@pytest.fixture
def make(fake: Fake) -> Iterator[Callable[..., Supervisor]]:
    """Make supervisors of the stand-in that end with the test."""
    made: list[Supervisor] = []

    def make_one(**options: Any) -> Supervisor:
        one = Supervisor(**options)
        made.append(one)
        one.start()
        return one

    yield make_one
    for one in made:
        one.stop()


def test_starts_and_stops(make: Callable[..., Supervisor]) -> None:
    one = make()
    assert one.wait()
    pid = one.pid
    assert pid
    assert [pointer.pid for pointer in runtime.running_bridges(one.folder)] == [pid]
    folder = Path(one.socket).parent
    one.stop()
    assert not is_alive(pid)
    assert runtime.running_bridges(one.folder) == []
    assert not folder.exists()
    one.stop()


def test_comes_back_after_a_kill(make: Callable[..., Supervisor]) -> None:
    one = make(back_off=NO_PAUSE)
    one.wait()
    lives = {one.pid}
    for number in (2, 3, 4):
        os.kill(one.pid or 0, signal.SIGKILL)
        wait_for(lambda: one.pid not in lives)
        assert one.wait()
        lives.add(one.pid)
        assert len(lives) == number
    assert "SIGKILL" in "\n".join(one.log.tail())


def test_a_crash_loop_slows_down_until_somebody_waits(
    make: Callable[..., Supervisor], fake: Fake
) -> None:
    one = make(back_off=(0.0, 1000.0))
    one.wait()
    first = one.pid
    os.kill(first or 0, signal.SIGKILL)
    second = wait_for(lambda: one.pid if one.pid != first and one.state == "ready" else 0)
    os.kill(second, signal.SIGKILL)
    wait_for(lambda: one.state == "waiting")
    assert one.wait()
    assert one.pid not in (first, second)


def test_gives_up_what_dies_at_its_start(
    make: Callable[..., Supervisor], fake: Fake
) -> None:
    fake.script(start={"exit": 3, "log": "cannot load AKIATESTLEAK0001"})
    one = make(back_off=NO_PAUSE)
    with pytest.raises(BentoError) as caught:
        one.wait()
    error = caught.value
    assert (error.code, error.exit_code) == ("bridgeStartFailed", 5)
    assert "exit code 3" in error.message
    assert error.details.count("cannot load ***") == supervisor.MOST_FAILED_STARTS
    assert str(one.log.path) in error.hint
    assert "LEAK" not in one.log.path.read_text()
    with pytest.raises(BentoError):
        one.wait()


def test_gives_up_what_never_becomes_ready(
    make: Callable[..., Supervisor], fake: Fake
) -> None:
    fake.script(start={"hang": True, "log": "still loading"})
    one = make(ready_seconds=3.0)
    with pytest.raises(BentoError, match="not ready within 3 s") as caught:
        one.wait()
    assert "still loading" in caught.value.details
    assert not is_alive(one.pid or 0)


def test_gives_up_what_cannot_be_run(make: Callable[..., Supervisor]) -> None:
    one = make(command=["/no/such/program"])
    with pytest.raises(BentoError, match="No such file"):
        one.wait()


def test_says_that_the_bundle_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(supervisor, "BRIDGE", tmp_path / "bridge.cjs")
    one = Supervisor()
    with pytest.raises(BentoError) as caught:
        one.start()
    assert caught.value.code == "bridgeMissing"
    assert "npm run build" in caught.value.hint
    one.stop()


def test_one_bridge_for_two(make: Callable[..., Supervisor]) -> None:
    one, other = make(), make()
    ready = [one.wait(), other.wait()]
    assert sorted(ready) == [False, True]
    assert sorted([one.state, other.state]) == ["elsewhere", "ready"]
    assert len(runtime.running_bridges(one.folder)) == 1


def test_stops_while_it_starts(
    make: Callable[..., Supervisor], fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyterlab_bento.life._LEAVE_SECONDS", 0.2)
    fake.script(start={"hang": True})
    one = make()
    pid = wait_for(lambda: one.pid)
    waiter = threading.Thread(target=one.wait)
    waiter.start()
    one.stop()
    waiter.join(10)
    assert not waiter.is_alive()
    assert not is_alive(pid)


def test_kills_what_does_not_leave(
    make: Callable[..., Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyterlab_bento.life._LEAVE_SECONDS", 0.2)
    one = make()
    one.wait()
    os.kill(one.pid or 0, signal.SIGSTOP)
    one.stop()
    assert not is_alive(one.pid or 0)


PARENT = """
import os, sys
from pathlib import Path
from jupyterlab_bento.supervisor import Supervisor
one = Supervisor(command=None)
one.start()
one.wait()
{then}
print(one.pid, flush=True)
sys.stdin.read()
"""
STAND_IN = """
from jupyterlab_bento import supervisor
program = [sys.executable, "{fake}"]
supervisor.bridge_command = lambda socket: [*program, "--socket", str(socket)]
""".replace("{fake}", str(FAKE))


def run_parent(then: str = "", first: str = STAND_IN) -> subprocess.Popen[str]:
    """Run a process that owns a bridge; its first line is the bridge's id."""
    return subprocess.Popen(
        [sys.executable, "-c", "import sys\n" + first + PARENT.format(then=then)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def first_number(process: subprocess.Popen[str]) -> int:
    assert process.stdout
    return int(process.stdout.readline())


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_no_orphan_after_a_killed_parent(fake: Fake) -> None:
    parent = run_parent()
    pid = first_number(parent)
    end(parent)
    wait_for(lambda: not is_alive(pid))
    folder = runtime.runtime_folder()

    def swept() -> bool:
        with runtime.start_lock(folder):
            runtime.sweep(folder)
        return not list(folder.glob(f"{runtime.PREFIX}*.json"))

    wait_for(swept)


def test_a_fork_does_not_keep_the_bridge(fake: Fake) -> None:
    fork = "if os.fork() == 0: os.close(1); os.read(0, 1); os._exit(0)"
    parent = run_parent(fork)
    pid = first_number(parent)
    os.kill(parent.pid, signal.SIGKILL)
    wait_for(lambda: not is_alive(pid))
    end(parent)


def test_an_interrupt_of_the_parent_spares_the_bridge(fake: Fake) -> None:
    ignore = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
    parent = subprocess.Popen(
        [sys.executable, "-c", "import sys\n" + STAND_IN + PARENT.format(then=ignore)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    pid = first_number(parent)
    os.killpg(parent.pid, signal.SIGINT)
    assert os.getsid(pid) != os.getsid(parent.pid)
    assert is_alive(pid)
    end(parent)
    wait_for(lambda: not is_alive(pid))


def test_leaves_nothing_at_exit(fake: Fake) -> None:
    parent = run_parent()
    pid = first_number(parent)
    parent.communicate()
    assert parent.returncode == 0
    assert not is_alive(pid)
    assert not list(runtime.runtime_folder().glob(f"{runtime.PREFIX}*.json"))


def test_the_log_is_bounded_and_clean(tmp_path: Path) -> None:
    log = Log(tmp_path / "bridge.log")
    for number in range(KEPT_LINES + 50):
        log.add(json.dumps({"n": number, "authorization": "Bearer sigLEAK0123456789"}))
    assert len(log.tail(1000)) == KEPT_LINES
    assert f'"n": {KEPT_LINES + 49}' in log.tail()[-1]
    log.add("x" * 1024 * 1024)
    log.add("after")
    assert (tmp_path / "bridge.log").read_text() == "after\n"
    whole = (tmp_path / "bridge.log.1").read_text()
    assert "LEAK" not in whole
    assert (tmp_path / "bridge.log").stat().st_mode & 0o777 == 0o600


def test_the_log_follows_no_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("")
    (tmp_path / "bridge.log").symlink_to(victim)
    log = Log(tmp_path / "bridge.log")
    log.add("line")
    assert log.tail() == ["line"]
    assert victim.read_text() == ""


@pytest.mark.parametrize(
    ("code", "words"), [(3, "exit code 3"), (-9, "SIGKILL"), (-200, "signal 200")]
)
def test_exit_codes_in_words(code: int, words: str) -> None:
    assert describe_exit(code) == words
