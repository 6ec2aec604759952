# SPDX-License-Identifier: BSD-3-Clause
"""The command ``jupyter bento``: the same verbs as the magics, with exit codes."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Sequence
from typing import Any

from . import commands, results
from .client import HOLDER, Client
from .errors import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_OK,
    BentoError,
    Interrupted,
)
from .grammar import COMMAND, MAGIC, Command, parse
from .progress import Silent, Terminal
from .words import as_words


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code.

    0 ok, 1 failed, 2 usage, 3 timeout, 4 forbidden, 5 no bridge or cluster, 130
    interrupted. With ``--json`` standard output holds one object
    ``{ok, code?, hint?, data}`` and everything else goes to standard error.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given
    try:
        command = parse(as_words(given), COMMAND)
        _run(command)
    except BentoError as error:
        _fail(error, as_json=as_json)
        return error.exit_code
    except Interrupted as interrupt:
        print(interrupt.message, file=sys.stderr)
        return EXIT_INTERRUPTED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_FAILED
    finally:
        HOLDER.stop()
    return EXIT_OK


def _run(command: Command) -> None:
    client = Client("cli")
    context = commands.Context(
        client=client,
        prefix=COMMAND,
        read_input=sys.stdin.buffer.read,
        confirm=_no_one if command.json or not sys.stdin.isatty() else _confirm,
        view=Terminal(sys.stderr if command.json else sys.stdout),
    )
    if command.verb == "deploy" and command.option("dry-run"):
        context.view = Silent()
    result = commands.run(command, context)
    _print(result, as_json=command.json)
    if command.verb == "forward" and command.word("NAME") and not command.option("stop"):
        _keep_open(command, context, result)


def _no_one(_lines: list[str], _question: str) -> None:
    """Stand for a reader who is not there."""


def _confirm(lines: list[str], question: str) -> bool:
    print("\n".join(lines))
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _keep_open(command: Command, context: commands.Context, result: results.Result) -> None:
    """Keep a port open that ends with our bridge; another's bridge keeps it itself."""
    command.options["port"] = result.data()["forwards"][0]["port"]
    while context.client.runs_bridge:
        print("Press Ctrl-C to close the port.", file=sys.stderr)
        context.client.wait_closed()
        print(commands.run(command, context).text(), file=sys.stderr)


def _print(result: results.Result, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"ok": True, "data": _json_data(result)}, indent=2))
    elif isinstance(result, results.Answer):
        _print_answer(result)
    elif not isinstance(result, results.Deployment):  # its stages are printed already
        print(result.text())
    sys.stdout.flush()


def _json_data(result: results.Result) -> Any:
    data = result.data()
    if not isinstance(result, results.Answer):
        return data
    value = result.value
    if isinstance(value, bytes):
        return {**data, "base64": base64.b64encode(value).decode()}
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        value = str(value)
    return {**data, "answer": value}


def _print_answer(answer: results.Answer) -> None:
    if not answer.raw:  # nothing, or in a file
        print(answer.value if answer.value is not None else answer.text())
    elif not isinstance(answer.value, bytes):
        text = answer.value
        print(text if isinstance(text, str) else json.dumps(text, ensure_ascii=False))
    elif sys.stdout.isatty():
        action = "Give --out FILE, or pipe it."
        reason = f"The answer is {answer.content_type or 'binary'}, not text."
        raise BentoError("dataInvalid", {"reason": reason, "action": action})
    else:
        sys.stdout.buffer.write(answer.raw)


def _fail(error: BentoError, *, as_json: bool) -> None:
    if as_json:
        data = {
            "message": error.message,
            "params": error.params,
            "details": error.details,
        }
        failure = {"ok": False, "code": error.code, "hint": error.hint, "data": data}
        print(json.dumps(_for_shell(failure), indent=2))
        return
    for line in error.lines():
        print(_for_shell(line), file=sys.stderr)


def _for_shell(value: Any) -> Any:
    """Name the command where the texts, which are shared, name the magic."""
    if isinstance(value, str):
        return value.replace(MAGIC, COMMAND)
    if isinstance(value, list):
        return [_for_shell(item) for item in value]
    if isinstance(value, dict):
        return {key: _for_shell(item) for key, item in value.items()}
    return value


if __name__ == "__main__":
    sys.exit(main())
