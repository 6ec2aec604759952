# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures: a home of one's own, and a bridge that follows a scenario."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, settings

from jupyterlab_bento import client as client_module
from jupyterlab_bento import runtime, supervisor
from jupyterlab_bento.client import BridgeHolder, Client
from jupyterlab_bento.errors import protocol

# A busy machine makes nothing wrong: no limits of time for single examples.
settings.register_profile(
    "bento",
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("bento")

FAKE = Path(__file__).with_name("fake_bridge.py")
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give each test a home and a runtime folder, and no settings from outside."""
    for name in list(os.environ):
        if name.startswith(
            ("AWS_", "BENTOML_", "JUPYTERLAB_BENTO_", "JPY_", "XDG_", "NB_")
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    (tmp_path / "home").mkdir()
    # Killed bridges leave their sockets, whose paths must be shorter than tmp_path.
    with tempfile.TemporaryDirectory(prefix="bento-", dir="/tmp") as sockets:
        monkeypatch.setenv("XDG_RUNTIME_DIR", sockets)
        yield tmp_path / "home"


def wait_for(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Wait until a condition holds and return its value; fail when it never does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError("the condition never held")


def is_alive(pid: int) -> bool:
    """Return whether a process exists and is more than an unburied dead one."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


class Fake:
    """The scenario of the stand-in, and what arrived there."""

    def __init__(self, folder: Path) -> None:
        self.scenario_file = folder / "scenario.json"
        self.record_file = folder / "record.jsonl"
        self.holder = BridgeHolder()
        self.script()

    def script(self, **steps: Any) -> None:
        """Replace the scenario; ``deploy_start`` stands for ``deploy.start``."""
        named = {name.replace("_", "."): step for name, step in steps.items()}
        self.scenario_file.write_text(json.dumps(named))

    def command(self, socket: Path) -> list[str]:
        """Return the command that runs the stand-in."""
        return [sys.executable, str(FAKE), "--socket", str(socket)]

    def received(self, method: str | None = None) -> list[dict[str, Any]]:
        """Return the messages that arrived, in all lives."""
        if not self.record_file.exists():
            return []
        lines = self.record_file.read_text().splitlines()
        messages = [json.loads(line) for line in lines]
        return [message for message in messages if method in (None, message["method"])]

    def check(self) -> None:
        """Check all that arrived against the protocol's schema."""
        for message in self.received():
            if "id" in message:
                params = dict(message.get("params") or {})
                params.pop("progressToken", None)
                schema = protocol()["methods"][message["method"]]["params"]
                jsonschema.validate(params, schema)

    def client(self, name: str = "test") -> Client:
        """Return a client that finds or starts the stand-in."""
        return Client(name, self.holder)

    def bridge_pid(self) -> int:
        """Return the process id of the running stand-in."""
        found = wait_for(lambda: runtime.running_bridges(runtime.runtime_folder()))
        return int(found[0].pid)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    """Make every start of a bridge in this process start the stand-in."""
    stand_in = Fake(tmp_path)
    monkeypatch.setenv("FAKE_SCENARIO", str(stand_in.scenario_file))
    monkeypatch.setenv("FAKE_RECORD", str(stand_in.record_file))
    monkeypatch.setattr(supervisor, "bridge_command", stand_in.command)
    monkeypatch.setattr(client_module, "HOLDER", stand_in.holder)
    yield stand_in
    stand_in.holder.stop()
    stand_in.check()


BRIDGE = ROOT / "jupyterlab_bento" / "bridge" / "bridge.cjs"


@pytest.fixture
def real() -> Iterator[BridgeHolder]:
    """Give a holder of the real bridge."""
    if not BRIDGE.is_file():
        pytest.skip('the bridge is not built: run "npm run build"')
    holder = BridgeHolder()
    yield holder
    holder.stop()


def make_bento(home: Path, tag: str) -> Path:
    """Put a small bento into a store; returns its folder."""
    name, version = tag.split(":")
    folder = home / "bentos" / name / version
    folder.mkdir(parents=True)
    (folder / "bento.yaml").write_text(
        f"""service: service:{name}
name: {name}
version: '{version}'
bentoml_version: 1.4.30
creation_time: '2024-03-0{version}T08:00:00.000000+00:00'
labels:
  owner: tests
models: []
runners: []
services:
- name: {name}
  service: ''
  models: []
  dependencies: []
"""
    )
    latest = home / "bentos" / name / "latest"
    latest.write_text(version)
    return folder


def operation(state: str = "running", **stages: str) -> dict[str, Any]:
    """Return a deploy of ``churn:1`` as the protocol's ``operation``."""
    known = {"export": "done" if stages.get("request") else "pending", **stages}
    return {
        "id": "operation-1",
        "kind": "deploy",
        "state": state,
        "tag": "churn:1",
        "namespace": "ds-team",
        "name": "churn",
        "stages": [_stage(name, how) for name, how in known.items()],
        "startedAt": "2124-03-01T08:00:00.000Z",
        "notes": [],
    }


def deployment(state: str, **stages: str) -> dict[str, Any]:
    """Return the deployment ``churn`` as the protocol's ``deployment``."""
    return {
        "namespace": "ds-team",
        "name": "churn",
        "state": state,
        "since": "2124-03-01T08:00:00Z",
        "tag": "churn:1",
        "managed": True,
        "createdAt": "2124-03-01T08:00:00Z",
        "replicas": {"ready": 1, "wanted": 1},
        "stages": [_stage(name, how) for name, how in stages.items()],
        "pods": [],
        "findings": [],
    }


def _stage(name: str, state: str) -> dict[str, Any]:
    return {"stage": name, "state": state, "ms": 1500}
