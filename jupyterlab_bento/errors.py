# SPDX-License-Identifier: BSD-3-Clause
"""The one error type, its texts by code, and the exit codes that follow from it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

from .scrub import scrub

#: Exit codes of the command line that no error code decides.
EXIT_OK = 0
EXIT_FAILED = 1
#: What a shell expects of a command that Ctrl-C ended (128 + SIGINT).
EXIT_INTERRUPTED = 130

Params = Mapping[str, "str | int | float"]


@lru_cache(maxsize=1)
def protocol() -> dict[str, Any]:
    """Return the protocol's description, generated from the bridge's own sources.

    Holds ``version``, the JSON Schema of every message and, under ``errors``,
    the text, hint and exit code of every error.
    """
    text = files(__package__).joinpath("protocol.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def fill(template: str, params: Params) -> str:
    """Replace ``{name}`` by the parameter of that name; an absent one stays visible."""
    return re.sub(
        r"\{(\w+)\}",
        lambda gap: str(params[gap[1]]) if gap[1] in params else gap[0],
        template,
    )


def exit_code(code: str) -> int:
    """Return the command line's exit code for an error code, 1 for an unknown one."""
    entry = protocol()["errors"].get(code, {})
    return int(entry.get("exit", EXIT_FAILED))


class BentoError(Exception):
    """Anything that went wrong in a way that a reader can act on.

    ``code`` and ``params`` identify it; ``str(error)`` and ``hint`` are the text
    for the reader, taken from the table by code unless they are given; ``details``
    are extra lines, for instance the end of a log. Nothing in it holds a secret.
    """

    def __init__(
        self,
        code: str,
        params: Params | None = None,
        *,
        message: str | None = None,
        hint: str | None = None,
        details: Iterable[str] = (),
        retryable: bool | None = None,
    ) -> None:
        texts = protocol()["errors"].get(code, {})
        given = dict(params or {})
        if message is None:
            message = fill(texts.get("message", code), given)
        if hint is None:
            hint = fill(texts.get("hint", ""), given)
        self.code = code
        self.params = {
            name: scrub(value) if isinstance(value, str) else value
            for name, value in given.items()
        }
        self.message = scrub(message)
        self.hint = scrub(hint)
        self.details = [scrub(line) for line in details]
        self.retryable = bool(
            texts.get("retryable", False) if retryable is None else retryable
        )
        super().__init__(self.message)

    @classmethod
    def from_wire(cls, data: object, message: str = "") -> BentoError:
        """Rebuild an error from the ``data`` of a JSON-RPC error (``errorData``).

        Data of another shape, as a fault of the bridge could send, becomes
        ``internal`` with the given message.
        """
        if not isinstance(data, dict) or not isinstance(data.get("code"), str):
            return cls("internal", {"reason": message or "no reason was given"})
        params = data.get("params")
        details = data.get("details")
        return cls(
            data["code"],
            params if isinstance(params, dict) else {},
            message=str(data.get("message", message)),
            hint=str(data.get("hint", "")),
            details=map(str, details) if isinstance(details, list) else (),
            retryable=data.get("retryable") is True,
        )

    @property
    def exit_code(self) -> int:
        """Exit code of the command line for this error."""
        return exit_code(self.code)

    def lines(self) -> list[str]:
        """Return the error as lines for the reader: text, hint, details."""
        lines = [f"{self.message} [{self.code}]"]
        lines += [f"  {line}" for line in self.hint.splitlines()]
        lines += [f"  | {line}" for line in self.details]
        return lines

    def _render_traceback_(self) -> list[str]:
        """Render without the stack: IPython asks for this before it prints one."""
        first, *rest = self.lines()
        return [f"{type(self).__name__}: {first}", *rest]


class UsageError(BentoError):
    """A command that cannot be understood; the text teaches the right form."""

    def __init__(self, reason: str, usage: str = "") -> None:
        super().__init__("usage", {"reason": reason, "usage": usage})


class Interrupted(KeyboardInterrupt):
    """An interrupt that stopped the waiting only; says what goes on and how to look."""

    def __init__(self, message: str) -> None:
        self.message = scrub(message)
        super().__init__(self.message)

    def _render_traceback_(self) -> list[str]:
        return [self.message]
