# SPDX-License-Identifier: BSD-3-Clause
"""Clients of the real bridge: greeting, sharing, dying and coming back."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from jupyterlab_bento import blobs, client, runtime
from jupyterlab_bento.client import BridgeHolder, Client
from jupyterlab_bento.errors import BentoError, protocol
from jupyterlab_bento.rpc import Connection

from .conftest import ROOT, is_alive, make_bento, wait_for


def bridge_pid() -> int:
    """Return the id of the one bridge that runs."""
    (pointer,) = runtime.running_bridges(runtime.runtime_folder())
    return pointer.pid


def list_store(user: Client, home: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """List a store; returns the answer and the chunks that came before it."""
    chunks: list[dict[str, Any]] = []
    answer = user.request("store.list", {"home": str(home)}, on_progress=chunks.append)
    return answer, chunks


def test_greets(real: BridgeHolder) -> None:
    connection = real.connect()
    hello = {"protocol": client.PROTOCOL, "client": "test", "clientVersion": "0"}
    answer = connection.request("hello", hello)
    jsonschema.validate(answer, protocol()["methods"]["hello"]["result"])
    assert answer["outcome"] == "ok"
    connection.close()


@pytest.mark.parametrize(
    ("major", "remedy"), [(0, "pip install -U"), (99, "shut Jupyter down")]
)
def test_says_how_to_mend_a_mismatch(
    real: BridgeHolder,
    monkeypatch: pytest.MonkeyPatch,
    major: int,
    remedy: str,
) -> None:
    monkeypatch.setattr(client, "PROTOCOL", {"major": major, "minor": 0})
    with pytest.raises(BentoError) as caught:
        Client("test", real).request("environment")
    error = caught.value
    assert (error.code, error.exit_code) == ("bridgeVersion", 5)
    assert "do not fit together" in error.message
    assert remedy in error.hint


def test_wants_a_greeting_first(real: BridgeHolder) -> None:
    connection = real.connect()
    with pytest.raises(BentoError) as caught:
        connection.request("environment", {})
    assert caught.value.code == "helloFirst"
    connection.close()


def test_lists_a_store(real: BridgeHolder, tmp_path: Path) -> None:
    make_bento(tmp_path, "churn:1")
    make_bento(tmp_path, "churn:2")
    (tmp_path / "bentos" / "broken" / "1").mkdir(parents=True)
    (tmp_path / "bentos" / "broken" / "1" / "bento.yaml").write_text("a: [")
    answer, chunks = list_store(Client("test", real), tmp_path)
    methods = protocol()["methods"]
    jsonschema.validate(answer, methods["store.list"]["result"])
    for chunk in chunks:
        jsonschema.validate(chunk, protocol()["storeRows"])
    tags = sorted({bento["tag"] for chunk in chunks for bento in chunk["bentos"]})
    assert tags == ["churn:1", "churn:2"]
    assert (answer["count"], answer["bad"]) == (2, 1)
    (bad,) = {entry["path"] for chunk in chunks for entry in chunk["bad"]}
    assert "broken" in bad


def test_errors_carry_code_and_hint(real: BridgeHolder, tmp_path: Path) -> None:
    make_bento(tmp_path, "churn:1")
    params = {"tag": "nothing:1", "home": str(tmp_path)}
    with pytest.raises(BentoError) as caught:
        Client("test", real).request("store.get", params)
    assert (caught.value.code, caught.value.exit_code) == ("bentoNotFound", 1)
    assert "churn" in caught.value.hint


def test_refuses_what_the_protocol_does_not_know(real: BridgeHolder) -> None:
    with pytest.raises(BentoError) as caught:
        Client("test", real).request("store.get", {"tag": 5})
    assert (caught.value.code, caught.value.exit_code) == ("invalidParams", 2)
    assert caught.value.params["field"] == "tag"


def test_two_share_one_bridge(real: BridgeHolder) -> None:
    one, other = Client("one", real), Client("other", BridgeHolder())
    one.request("environment")
    pid = bridge_pid()
    other.request("environment")
    assert bridge_pid() == pid
    assert one.runs_bridge
    assert not other.runs_bridge
    other.close()
    assert one.request("operation.list") == {"operations": []}


def test_a_killed_bridge_is_back_with_the_next_request(
    real: BridgeHolder, tmp_path: Path
) -> None:
    make_bento(tmp_path, "churn:1")
    one, other = Client("one", real), Client("other", BridgeHolder())
    one.request("environment")
    other.request("environment")
    for _ in range(2):
        killed = bridge_pid()
        os.kill(killed, signal.SIGKILL)
        assert list_store(one, tmp_path)[0]["count"] == 1
        assert list_store(other, tmp_path)[0]["count"] == 1
        assert bridge_pid() != killed


def test_a_killed_bridge_comes_back_unasked(real: BridgeHolder) -> None:
    Client("test", real).request("environment")
    killed = bridge_pid()
    os.kill(killed, signal.SIGKILL)
    folder = runtime.runtime_folder()

    def fresh() -> list[int]:
        pids = [pointer.pid for pointer in runtime.running_bridges(folder)]
        return [pid for pid in pids if pid != killed]

    assert len(wait_for(fresh)) == 1


PARENT = """
import sys
from jupyterlab_bento.client import HOLDER, Client
Client("parent").request("environment")
print(HOLDER.supervisor.pid, flush=True)
sys.stdin.read()
"""


def start_parent() -> tuple[subprocess.Popen[str], int]:
    """Start a process that runs a bridge; returns it and the bridge's id."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout
    return parent, int(parent.stdout.readline())


def test_no_orphan_after_a_killed_parent(real: BridgeHolder) -> None:
    parent, pid = start_parent()
    parent.kill()
    parent.communicate()
    wait_for(lambda: not is_alive(pid))


def test_another_process_takes_over(real: BridgeHolder) -> None:
    parent, pid = start_parent()
    user = Client("test", real)
    user.request("environment")
    assert bridge_pid() == pid
    assert not user.runs_bridge
    parent.kill()
    parent.communicate()
    user.request("environment")
    assert bridge_pid() != pid
    assert user.runs_bridge


def test_a_client_after_a_fork_has_its_own_connection(real: BridgeHolder) -> None:
    user = Client("test", real)
    user.request("environment")
    pid = bridge_pid()
    child = os.fork()
    if child == 0:
        try:
            user.request("operation.list")
            os._exit(0 if bridge_pid() == pid else 3)
        finally:
            os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert user.request("operation.list") == {"operations": []}
    assert bridge_pid() == pid


def test_blobs_go_there_and_back(real: BridgeHolder) -> None:
    user = Client("test", real)
    body = os.urandom(3 * 1024 * 1024)
    identity = user.put_blob(io.BytesIO(body), len(body))
    assert user.get_blob(identity) == body
    connection = Connection(runtime.running_bridges(runtime.runtime_folder())[0].socket)
    with pytest.raises(Exception, match="404"):
        blobs.get(connection.path, "unknown", io.BytesIO())
    connection.close()


def test_an_interrupted_connection_serves_on(real: BridgeHolder, tmp_path: Path) -> None:
    make_bento(tmp_path, "churn:1")
    user = Client("test", real)
    pid = user.request("environment") and bridge_pid()

    def interrupt(_value: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        user.request("store.list", {"home": str(tmp_path)}, on_progress=interrupt)
    assert user.request("operation.list") == {"operations": []}
    with pytest.raises(BentoError) as caught:
        user.request("store.list", {}, timeout=0.0, what="The list")
    assert (caught.value.code, caught.value.exit_code) == ("timeout", 3)
    assert list_store(user, tmp_path)[0]["count"] == 1
    assert bridge_pid() == pid


def test_no_cluster(real: BridgeHolder) -> None:
    with pytest.raises(BentoError) as caught:
        Client("test", real).request("deployment.list")
    assert (caught.value.code, caught.value.exit_code) == ("noCluster", 5)
    assert "KUBECONFIG" in caught.value.hint


def test_passes_over_a_socket_that_nobody_serves(real: BridgeHolder) -> None:
    folder = runtime.runtime_folder()
    stale = runtime.make_socket_folder()
    path = runtime.write_pointer(folder, os.getpid(), str(stale / "bridge.sock"))
    Client("test", real).request("environment")
    assert bridge_pid() != os.getpid()
    assert not path.exists()
    assert not stale.exists()
