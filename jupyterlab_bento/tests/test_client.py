# SPDX-License-Identifier: BSD-3-Clause
"""The client where the bridge misbehaves: dies, stalls, talks nonsense, is another."""

from __future__ import annotations

import functools
import os
import signal
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from jupyterlab_bento import client as client_module
from jupyterlab_bento import rpc, runtime, supervisor
from jupyterlab_bento.errors import BentoError

from .conftest import Fake, deployment, wait_for

TARGET = {"namespace": "ds", "name": "a"}


def test_repeats_what_changes_nothing(fake: Fake) -> None:
    fake.script(operation_list={"dieOnce": True, "result": {"operations": []}})
    assert fake.client().request("operation.list") == {"operations": []}
    assert len({message["pid"] for message in fake.received("operation.list")}) == 2


def test_does_not_repeat_what_changes_something(fake: Fake) -> None:
    fake.script(deployment_delete={"dieOnce": True, "result": {"items": [], "ms": 1}})
    user = fake.client()
    with pytest.raises(BentoError) as caught:
        user.request("deployment.delete", TARGET)
    error = caught.value
    assert (error.code, error.exit_code, error.retryable) == ("bridgeLost", 5, True)
    assert "deployment.delete" in error.message
    assert len(fake.received("deployment.delete")) == 1


def test_sends_what_had_not_been_sent(fake: Fake) -> None:
    user = fake.client()
    user.request("environment")
    os.kill(fake.bridge_pid(), signal.SIGKILL)
    connection = user._connection
    assert connection
    connection.wait_closed()
    fake.script(deployment_delete={"result": {"items": [], "ms": 1}})
    assert user.request("deployment.delete", TARGET) == {"items": [], "ms": 1}
    assert len(fake.received("deployment.delete")) == 1


def test_gives_up_on_what_kills_every_bridge(fake: Fake) -> None:
    fake.script(deployment_list={"die": True})
    with pytest.raises(BentoError) as caught:
        fake.client().request("deployment.list")
    assert caught.value.code == "bridgeLost"
    assert 2 < len(fake.received("deployment.list")) < 10


def test_waits_on_through_many_lives(fake: Fake) -> None:
    view = deployment("ready")
    fake.script(deployment_wait={"progress": [view], "hang": True})
    lives: list[int] = []

    def kill_and_go_on(_view: object) -> None:
        lives.append(fake.bridge_pid())
        if len(lives) == 8:
            fake.script(deployment_wait={"result": view})
        os.kill(lives[-1], signal.SIGKILL)

    user = fake.client()
    answer = user.request("deployment.wait", TARGET, on_progress=kill_and_go_on)
    assert answer == view
    assert len(set(lives)) == 8


def test_a_limit_cancels_the_request(fake: Fake) -> None:
    fake.script(deployment_wait={"hang": True}, environment={"result": {"home": "/"}})
    user = fake.client()
    with pytest.raises(BentoError, match="Deployment a did not finish within") as caught:
        user.request("deployment.wait", TARGET, timeout=0.3, what="Deployment a")
    assert (caught.value.code, caught.value.exit_code) == ("timeout", 3)
    cancelled = wait_for(lambda: fake.received("$/cancelRequest"))
    asked = fake.received("deployment.wait")[0]
    assert cancelled[0]["params"] == {"id": asked["id"]}
    assert user.request("environment") == {"home": "/"}


def test_a_late_answer_is_not_taken_for_another(fake: Fake) -> None:
    late, view = {"operations": ["late"]}, {"home": "/"}
    fake.script(operation_list={"delay": 0.6, "result": late}, environment={"result": view})
    user = fake.client()
    with pytest.raises(BentoError, match="did not finish"):
        user.request("operation.list", timeout=0.2)
    assert user.request("environment") == view
    fake.script(operation_list={"delay": 1.0, "result": {"operations": []}})
    assert user.request("operation.list") == {"operations": []}


def test_ticks_while_nothing_comes(fake: Fake) -> None:
    fake.script(operation_list={"delay": 2.5, "result": {"operations": []}})
    ticks: list[None] = []
    fake.client().request("operation.list", on_tick=lambda: ticks.append(None))
    assert ticks


@pytest.mark.parametrize("raw", ["not json", "[]", '"text"', "5"])
def test_nonsense_is_an_error_and_not_the_end(fake: Fake, raw: str) -> None:
    fake.script(operation_list={"raw": raw})
    user = fake.client()
    with pytest.raises(BentoError, match="sent no JSON object") as caught:
        user.request("operation.list")
    assert caught.value.code == "internal"
    fake.script(operation_list={"result": {"operations": []}})
    assert user.request("operation.list") == {"operations": []}


@pytest.mark.parametrize(
    "raw", ['{"id": 2, "error": 5}', '{"id": 2, "error": {"message": "m"}}']
)
def test_errors_of_another_shape(fake: Fake, raw: str) -> None:
    fake.script(operation_list={"raw": raw})
    with pytest.raises(BentoError) as caught:
        fake.client().request("operation.list")
    assert caught.value.code == "internal"


def test_foreign_messages_are_passed_over(fake: Fake) -> None:
    seen: list[Any] = []
    fake.script(operation_list={"progress": [1, 2], "result": {"operations": []}})
    user = fake.client()
    user.request("operation.list")
    user.request("operation.list", on_progress=seen.append)
    assert seen == [1, 2]


def test_a_message_that_is_too_big_is_not_sent(fake: Fake) -> None:
    user = fake.client()
    with pytest.raises(BentoError, match="bytes, at most 1048576") as caught:
        user.request("store.get", {"tag": "x" * 2 * 1024 * 1024})
    assert caught.value.code == "tooLarge"
    assert not fake.received("store.get")


def test_a_message_that_is_too_big_is_not_taken(fake: Fake) -> None:
    fake.script(operation_list={"result": "x" * 2 * 1024 * 1024})
    with pytest.raises(BentoError) as caught:
        fake.client().request("operation.list")
    assert caught.value.code == "bridgeLost"


@pytest.mark.parametrize("outcome", ["clientTooOld", "bridgeTooOld"])
def test_another_version(fake: Fake, outcome: str) -> None:
    greeting = {"outcome": outcome, "bridgeVersion": "9.9.9", "remedy": "Do this."}
    fake.script(hello={"result": greeting})
    with pytest.raises(BentoError, match=r"9\.9\.9") as caught:
        fake.client().request("environment")
    assert (caught.value.code, caught.value.hint) == ("bridgeVersion", "Do this.")
    assert caught.value.exit_code == 5
    assert not fake.received("environment")


def test_a_greeting_without_content(fake: Fake) -> None:
    fake.script(hello={"result": None})
    with pytest.raises(BentoError, match="greeting is empty"):
        fake.client().request("environment")


def test_a_death_in_the_greeting(fake: Fake) -> None:
    fake.script(hello={"dieOnce": True, "result": {"outcome": "ok"}})
    assert fake.client().request("environment") == {}


def test_a_listener_that_does_not_answer(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc, "_OPEN_SECONDS", 0.3)
    monkeypatch.setattr(client_module, "_SETTLE_SECONDS", 1.0)
    parent = runtime.make_socket_folder()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(parent / "bridge.sock"))
        silent.listen()
        runtime.write_pointer(
            runtime.runtime_folder(), os.getpid(), str(parent / "bridge.sock")
        )
        with pytest.raises(BentoError) as caught:
            fake.client().request("environment")
    assert caught.value.code == "bridgeStartFailed"
    runtime.remove_socket_folder(parent)


@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="the system does not tell")
def test_a_listener_of_another_user(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    user = fake.client()
    user.request("environment")
    user.close()
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    with pytest.raises(BentoError, match="another user listens"):
        rpc.open_socket(runtime_socket(fake))


def runtime_socket(fake: Fake) -> str:
    owner = fake.holder.supervisor
    assert owner
    return owner.socket


def test_threads_take_turns(fake: Fake) -> None:
    fake.script(operation_list={"delay": 0.05, "result": {"operations": []}})
    user = fake.client()
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda: answers.append(user.request("operation.list")))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [{"operations": []}] * 6


def test_a_bridge_that_cannot_start(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    hasty = functools.partial(supervisor.Supervisor, back_off=(0.0,))
    monkeypatch.setattr(client_module, "Supervisor", hasty)
    fake.script(start={"exit": 1, "log": "no memory"})
    with pytest.raises(BentoError) as caught:
        fake.client().request("environment")
    assert caught.value.code == "bridgeStartFailed"
    assert "no memory" in caught.value.details
    fake.script()
    assert fake.client().request("environment") == {}


def test_leaves_other_files_alone(fake: Fake, tmp_path: Path) -> None:
    folder = runtime.runtime_folder()
    (folder / "jpserver-1.json").write_text("{}")
    fake.client().request("environment")
    fake.holder.stop()
    left = sorted(path.name for path in folder.iterdir())
    assert left == [
        "jpserver-1.json",
        f"{runtime.PREFIX}bridge.log",
        f"{runtime.PREFIX}start.lock",
    ]
