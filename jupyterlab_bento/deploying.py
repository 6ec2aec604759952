# SPDX-License-Identifier: BSD-3-Clause
"""Deploys and follows: from the start of the operation to pods that are ready."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from .client import Client
from .errors import BentoError, Interrupted
from .progress import Board, View
from .results import Deployment

#: Clocks of two processes of one machine read the same; this is for rounding.
_CLOCK_SLACK = timedelta(seconds=1)


def deploy(
    client: Client,
    spec: dict[str, Any],
    *,
    wait: bool,
    timeout: float | None,
    view: View,
    prefix: str,
) -> Deployment:
    """Start a deploy and follow it to its objects, or with ``wait`` to ready pods.

    Raises the cause when it fails, ``timeout`` after that many seconds, and
    :class:`Interrupted`, which says what goes on. None of the last two stops it.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    board = Board(str(spec["tag"]))
    follower = _Follower(client, board, view, deadline)
    try:
        follower.follow(_start(client, spec))
        if wait:
            follower.wait_ready()
    except KeyboardInterrupt:
        view.end(board, BentoError("cancelled"))
        raise Interrupted(_what_goes_on(client, board, prefix)) from None
    except BentoError as error:
        view.end(board, error)
        raise
    view.end(board, None)
    return board.deployment()


def _start(client: Client, spec: dict[str, Any]) -> dict[str, Any]:
    """Start the operation, or find it again when the bridge died before it said so."""
    began = datetime.now(timezone.utc) - _CLOCK_SLACK
    try:
        operation: dict[str, Any] = client.request("deploy.start", spec)
    except BentoError as error:
        if error.code != "bridgeLost":
            raise
        found = _find_again(client, spec, began)
        if found is None:
            raise
        operation = found
    return operation


def _find_again(
    client: Client, spec: dict[str, Any], began: datetime
) -> dict[str, Any] | None:
    name = str(spec["tag"]).partition(":")[0].lower()
    for operation in reversed(client.request("operation.list")["operations"]):
        started = datetime.fromisoformat(operation["startedAt"].replace("Z", "+00:00"))
        same = str(operation.get("tag", "")).partition(":")[0] == name
        wanted = spec.get("name") in (None, operation.get("name"))
        if operation["kind"] == "deploy" and same and wanted and started >= began:
            found: dict[str, Any] = operation
            return found
    return None


class _Follower:
    """Follows an operation and then its deployment, showing each change."""

    def __init__(
        self, client: Client, board: Board, view: View, deadline: float | None
    ) -> None:
        self._client = client
        self._board = board
        self._view = view
        self._deadline = deadline

    def _show(self) -> None:
        self._view.show(self._board)

    def _then_show(self, take: Callable[[dict[str, Any]], None]) -> Callable[[Any], None]:
        def shown(value: Any) -> None:
            take(value)
            self._show()

        return shown

    def _left(self) -> float | None:
        if self._deadline is None:
            return None
        return max(self._deadline - time.monotonic(), 0.001)

    def follow(self, operation: dict[str, Any]) -> None:
        """Follow the operation to its end; raises its error."""
        take = self._then_show(self._board.take_operation)
        take(operation)
        try:
            ended = self._client.request(
                "operation.follow",
                {"id": operation["id"]},
                on_progress=take,
                on_tick=self._show,
                timeout=self._left(),
                what=f"Deploying {self._board.tag}",
            )
        except BentoError as error:
            # A new bridge knows no operation that had ended before the old one died.
            if error.code == "notFound" and self._board.created():
                return
            raise
        take(ended)
        if ended["state"] == "cancelled":
            raise BentoError("cancelled")
        if ended["state"] == "failed":
            raise BentoError.from_wire(ended.get("error"), "the deploy failed")

    def wait_ready(self) -> None:
        """Wait until the deployment is ready; raises the cause when it fails."""
        place = {"namespace": self._board.namespace, "name": self._board.name}
        take = self._then_show(self._board.take_deployment)
        view = self._client.request(
            "deployment.wait",
            {key: value for key, value in place.items() if value},
            on_progress=take,
            on_tick=self._show,
            timeout=self._left(),
            what=f"Deployment {self._board.name}",
        )
        take(view)


def _what_goes_on(client: Client, board: Board, prefix: str) -> str:
    look = f'Look with "{prefix} status{" " + board.name if board.name else ""}".'
    if not board.stages:
        return f"Stopped before the bridge confirmed that deploying began. {look}"
    if board.created():
        return f"Stopped waiting. Deploying {board.name} goes on in the cluster. {look}"
    if client.runs_bridge and prefix != "%bento":
        return (
            f"Stopped before the objects of {board.tag} were created. The next command "
            f"that starts a bridge takes it up again. {look}"
        )
    return f"Stopped waiting. Deploying {board.tag} goes on in the background. {look}"
