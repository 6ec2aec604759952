# SPDX-License-Identifier: BSD-3-Clause
"""A stand-in for the bridge that follows a scenario, for faults that the real one lacks.

Run as ``fake_bridge.py --socket PATH``. The scenario is a JSON file (``FAKE_SCENARIO``,
read anew for each request): method → what to do. Every message that arrives is
written to ``FAKE_RECORD``, where the tests check it against the protocol.

A method's entry may hold: ``progress`` (list), ``result``, ``error`` (``errorData``),
``hang`` (never answer), ``raw`` (text to send instead), ``die`` (kill the process),
``dieOnce`` (the same, in the first life only), ``delay`` (seconds before the answer).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, unix_serve

_RECORD = Path(os.environ["FAKE_RECORD"])
_SCENARIO = Path(os.environ["FAKE_SCENARIO"])
_HELLO = {
    "outcome": "ok",
    "protocol": {"major": 1, "minor": 0},
    "bridgeVersion": "0.0.0",
    "remedy": "",
    "epoch": "e",
    "seq": 0,
}


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _answer(connection: ServerConnection, message: dict[str, Any]) -> None:
    method, params = message["method"], message.get("params") or {}
    scenario = json.loads(_SCENARIO.read_text())
    step = scenario.get(method, {"result": _HELLO} if method == "hello" else {})
    token = params.get("progressToken")
    if step.get("die"):
        _die()
    if step.get("dieOnce"):
        marker = _RECORD.with_suffix(f".{method}.died")
        if not marker.exists():
            marker.touch()
            _die()
    reply: dict[str, Any] = {"jsonrpc": "2.0", "id": message["id"]}
    try:
        for value in step.get("progress", []):
            note = {"token": token, "value": value}
            connection.send(
                json.dumps({"jsonrpc": "2.0", "method": "$/progress", "params": note})
            )
        time.sleep(step.get("delay", 0))
        if "raw" in step:
            connection.send(step["raw"])
        elif "error" in step:
            data = step["error"]
            failure = {"code": -32000, "message": data["message"], "data": data}
            connection.send(json.dumps({**reply, "error": failure}))
        elif not step.get("hang"):
            connection.send(json.dumps({**reply, "result": step.get("result", {})}))
    except ConnectionClosed:
        pass


def _serve(connection: ServerConnection) -> None:
    try:
        for text in connection:
            message = json.loads(text)
            with _RECORD.open("a") as file:
                file.write(json.dumps({"pid": os.getpid(), **message}) + "\n")
            if "id" in message:
                threading.Thread(
                    target=_answer, args=(connection, message), daemon=True
                ).start()
    except ConnectionClosed:
        pass


def main() -> None:
    """Serve until standard input closes."""
    path = sys.argv[sys.argv.index("--socket") + 1]
    start = json.loads(_SCENARIO.read_text()).get("start", {})
    print(start.get("log", '{"msg": "started"}'), file=sys.stderr, flush=True)
    if start.get("hang"):
        time.sleep(60)
    if "exit" in start:
        sys.exit(start["exit"])
    Path(path).unlink(missing_ok=True)
    server = unix_serve(_serve, path, compression=None, max_size=1024 * 1024)
    Path(path).chmod(0o600)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"ready": True, "socket": path, "pid": os.getpid()}), flush=True)
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
