# SPDX-License-Identifier: BSD-3-Clause
"""Shows the stages of a deploy while they happen: one line each, with its duration."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from html import escape
from typing import Any, Protocol, TextIO

from . import render
from .errors import BentoError
from .results import MIME, Deployment

STAGES = ("preflight", "export", "request", "build", "ready")
#: What an operation knows best; the rest is read from the cluster.
_OPERATION_STAGES = ("preflight", "export", "request")
_ENDED = ("done", "failed", "skipped")
#: Bytes come in many small steps.
_SHORTEST_PAUSE = 0.2
#: After a minute of running, a duration need not change every second.
_SLOW_AFTER, _SLOW_PAUSE = 60.0, 5.0


class Board:
    """The stages as they are known now, from the operation and from the cluster."""

    def __init__(self, tag: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.tag = tag
        self.name = ""
        self.namespace = ""
        self.state = "requested"
        self.notes: list[str] = []
        self.findings: list[str] = []
        self._clock = clock
        self._stages: dict[str, dict[str, Any]] = {}
        self._seen_running: dict[str, tuple[float, float]] = {}

    def take_operation(self, operation: dict[str, Any]) -> None:
        """Take over what an ``operation`` of the protocol says."""
        self.tag = str(operation.get("tag", self.tag))
        self._place(operation)
        self.notes = [str(note) for note in operation.get("notes") or []]
        for stage in operation.get("stages") or []:
            self._take(stage)

    def take_deployment(self, view: dict[str, Any]) -> None:
        """Take over what a ``deployment`` of the protocol says."""
        self._place(view)
        self.state = str(view.get("state", self.state))
        self.findings = render.finding_lines(view)
        for stage in view.get("stages") or []:
            known = self._stages.get(stage["stage"], {}).get("state") in _ENDED
            if not (known and stage["stage"] in _OPERATION_STAGES):
                self._take(stage)

    def _place(self, known: dict[str, Any]) -> None:
        self.name = str(known.get("name") or self.name)
        self.namespace = str(known.get("namespace") or self.namespace)

    def _take(self, stage: dict[str, Any]) -> None:
        name = str(stage["stage"])
        self._stages[name] = stage
        if stage["state"] == "running":
            self._seen_running[name] = (self._clock(), float(stage.get("ms") or 0))

    @property
    def stages(self) -> list[dict[str, Any]]:
        """The stages in their order, as the protocol's ``stage`` objects."""
        return [self._stages[name] for name in STAGES if name in self._stages]

    def running_seconds(self) -> float:
        """Return for how long the present stage has run, 0 when none does."""
        return (
            max((self._running_ms(stage) or 0 for stage in self.stages), default=0) / 1000
        )

    def _running_ms(self, stage: dict[str, Any]) -> float | None:
        seen = self._seen_running.get(stage["stage"])
        if stage["state"] != "running" or seen is None:
            return None
        return seen[1] + (self._clock() - seen[0]) * 1000

    def created(self) -> bool:
        """Whether the objects are in the cluster."""
        return self._stages.get("request", {}).get("state") in ("done", "skipped")

    def head(self) -> str:
        """Return what is deployed where, in a line."""
        place = f" as {self.name}" if self.name else ""
        place += f" in {self.namespace}" if self.namespace else ""
        return f"Deploying {self.tag}{place}"

    def line(self, stage: dict[str, Any]) -> str:
        """Return a stage in a line."""
        return render.stage_line(stage, self._running_ms(stage))

    def lines(self) -> list[str]:
        """Return everything, a line for each stage."""
        lines = [self.head(), *(self.line(stage) for stage in self.stages)]
        return [*lines, *self.findings, *(f"({note})" for note in self.notes)]

    def deployment(self) -> Deployment:
        """Return what is known now as the result of a deploy."""
        return Deployment(
            self.tag, self.name, self.namespace, self.state, self.stages, self.notes
        )


class View(Protocol):
    """Where a board is shown."""

    def show(self, board: Board) -> None:
        """Show the board as it is now."""

    def end(self, board: Board, error: BentoError | None) -> None:
        """Show it for the last time, with the error that ended it."""


class Silent:
    """Shows nothing."""

    def show(self, board: Board) -> None:
        """Show nothing."""

    def end(self, board: Board, error: BentoError | None) -> None:
        """Show nothing."""


class Terminal:
    """Prints a line when a stage has ended or its note has changed."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._printed: dict[str, str] = {}

    def show(self, board: Board) -> None:
        """Print what has changed enough to be worth a line."""
        if board.name:
            self._print("head", board.head())
        for stage in board.stages:
            if stage["state"] in _ENDED:
                self._print(stage["stage"], board.line(stage))
            elif stage["state"] == "running":
                note = f"{stage['stage']}: {stage.get('note') or 'running'}"
                self._print(f"{stage['stage']} runs", render.plain(f"… {note}"))
        for finding in board.findings:
            self._print(finding, finding)

    def end(self, board: Board, error: BentoError | None) -> None:  # noqa: ARG002
        """Print what is left, and the remarks; the error is shown by who catches it."""
        self.show(board)
        for note in board.notes:
            self._print(note, f"({note})")

    def _print(self, key: str, line: str) -> None:
        if self._printed.get(key) != line:
            self._printed[key] = line
            print(line, file=self._stream, flush=True)


class Cell:
    """Keeps one output of a cell up to date."""

    def __init__(self, display: Callable[..., Any]) -> None:
        self._display = display
        self._handle: Any = None
        self._shape: object = None
        self._shown_at = 0.0

    def show(self, board: Board) -> None:
        """Show the board, at once when a stage changed, else not too often."""
        shape = [(stage["state"], stage.get("note")) for stage in board.stages]
        pause = _SLOW_PAUSE if board.running_seconds() > _SLOW_AFTER else _SHORTEST_PAUSE
        now = time.monotonic()
        if shape == self._shape and now - self._shown_at < pause:
            return
        self._shape, self._shown_at = shape, now
        self._publish(_cell_bundle(board.lines()))

    def end(self, board: Board, error: BentoError | None) -> None:
        """Show the final state with its machine-readable form."""
        output: dict[str, Any] = {"kind": "deploy", "ok": error is None}
        if error:
            output.update(code=error.code, hint=error.hint)
        output["data"] = board.deployment().data()
        self._publish({**_cell_bundle(board.lines()), MIME: output})

    def _publish(self, bundle: dict[str, Any]) -> None:
        if self._handle is None:
            self._handle = self._display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


def _cell_bundle(lines: list[str]) -> dict[str, Any]:
    text = "\n".join(lines)
    return {"text/plain": text, "text/html": f"<pre>{escape(text)}</pre>"}
