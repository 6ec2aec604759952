# SPDX-License-Identifier: BSD-3-Clause
"""The stages of a deploy as they are shown."""

from __future__ import annotations

import io
from typing import Any

import pytest

from jupyterlab_bento import render
from jupyterlab_bento.errors import BentoError
from jupyterlab_bento.progress import Board, Cell, Terminal
from jupyterlab_bento.results import MIME

from .conftest import deployment, operation


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Output:
    """Stands for a cell's output: keeps what was displayed."""

    def __init__(self) -> None:
        self.bundles: list[dict[str, Any]] = []

    def __call__(self, bundle: dict[str, Any], **options: Any) -> Output:
        assert options == {"raw": True, "display_id": True}
        self.bundles.append(bundle)
        return self

    def update(self, bundle: dict[str, Any], **options: Any) -> None:
        assert options == {"raw": True}
        self.bundles.append(bundle)


def running_export() -> dict[str, Any]:
    under_way = operation(preflight="done", export="running", request="pending")
    export = next(stage for stage in under_way["stages"] if stage["stage"] == "export")
    export.update(ms=1000, bytes={"done": 1024, "total": 2 * 1024 * 1024})
    return under_way


def test_a_line_for_each_stage() -> None:
    clock = Clock()
    board = Board("a:1", clock)
    board.take_operation(running_export())
    clock.now = 2.5
    head, *lines = board.lines()[:4]
    assert head.startswith("Deploying ")
    assert [line.split()[:2] for line in lines] == [
        ["✓", "preflight"],
        ["…", "export"],
        ["·", "request"],
    ]
    assert "3.5 s  1.0 KiB of 2.0 MiB" in lines[1]
    assert board.running_seconds() == 3.5


def test_the_operation_knows_its_stages_best() -> None:
    board = Board("a:1")
    board.take_operation(operation("done", preflight="done", export="done", request="done"))
    before = {stage["stage"]: stage for stage in board.stages}
    view = deployment("building", export="pending", request="pending", build="running")
    board.take_deployment(view)
    after = {stage["stage"]: stage for stage in board.stages}
    assert after["export"] == before["export"]
    assert after["build"]["state"] == "running"
    assert board.state == "building"


def test_the_result_holds_what_has_ended() -> None:
    board = Board("a:1")
    board.take_operation(running_export())
    assert [stage["stage"] for stage in board.deployment().data()["stages"]] == [
        "preflight"
    ]


def test_a_terminal_gets_each_line_once() -> None:
    stream = io.StringIO()
    terminal = Terminal(stream)
    board = Board("a:1")
    for _ in range(3):
        board.take_operation(running_export())
        terminal.show(board)
    done = operation("done", preflight="done", export="done", request="done")
    done["notes"] = ["The address ends early."]
    board.take_operation(done)
    terminal.end(board, None)
    lines = stream.getvalue().splitlines()
    assert len(lines) == len(set(lines))
    assert "… export: running" in lines
    assert lines[-1] == "(The address ends early.)"


def test_a_cell_is_not_flooded(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("jupyterlab_bento.progress.time.monotonic", clock)
    output = Output()
    cell = Cell(output)
    board = Board("a:1", clock)
    board.take_operation(running_export())
    cell.show(board)
    for _ in range(100):
        clock.now += 0.001
        cell.show(board)
    assert len(output.bundles) == 1
    clock.now += 1
    cell.show(board)
    assert len(output.bundles) == 2
    clock.now += 100
    cell.show(board)
    clock.now += 1
    cell.show(board)
    assert len(output.bundles) == 3
    board.take_operation(operation("done", preflight="done", export="done", request="done"))
    cell.show(board)
    assert len(output.bundles) == 4
    assert all(MIME not in bundle for bundle in output.bundles)


def test_the_end_is_machine_readable() -> None:
    output = Output()
    board = Board("a:1")
    board.take_operation(operation(export="failed"))
    Cell(output).end(board, BentoError("s3Denied", {"action": "write"}))
    final = output.bundles[-1][MIME]
    assert (final["kind"], final["ok"], final["code"]) == ("deploy", False, "s3Denied")
    assert final["hint"]
    assert set(final["data"]) == {"tag", "name", "namespace", "stages"}


def test_html_is_escaped() -> None:
    output = Output()
    board = Board("<b>a</b>")
    Cell(output).show(board)
    assert "<b>" not in output.bundles[0]["text/html"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (10, "10 s"),
        (65, "1 min 05 s"),
        (3725, "1 h 02 min"),
    ],
)
def test_durations(value: float, text: str) -> None:
    assert render.seconds(value) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, ""),
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (5 * 1024**4, "5120.0 GiB"),
    ],
)
def test_sizes(count: float | None, text: str) -> None:
    assert render.size(count) == text


def test_states_in_words() -> None:
    assert render.in_words("rollingOut") == "rolling out"
    assert render.milliseconds(999.4) == "999 ms"
    assert render.milliseconds(1500) == "1.5 s"
