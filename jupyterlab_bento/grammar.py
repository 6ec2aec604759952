# SPDX-License-Identifier: BSD-3-Clause
"""The one grammar of ``%bento`` and ``jupyter bento``: verbs, options, help."""

from __future__ import annotations

import argparse
import difflib
import shlex
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from .errors import UsageError
from .verbs import VERBS, Option, Verb
from .words import Word, split

MAGIC = "%bento"
COMMAND = "jupyter bento"


@dataclass
class Command:
    """A command that was understood: its verb, its words by name, its options."""

    verb: str
    words: dict[str, Word] = field(default_factory=dict)
    rest: list[Word] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    json: bool = False

    def word(self, name: str) -> str | None:
        """Return the word of that name, None when it was left out."""
        return self.words.get(name)

    def option(self, name: str) -> Any:
        """Return the value of an option, by its long name without dashes."""
        return self.options[name.replace("-", "_")]


class _Parser(argparse.ArgumentParser):
    """Raises :class:`UsageError` instead of leaving the process."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message[:1].upper() + message[1:])


def parse(words: Sequence[Word], prefix: str = MAGIC) -> Command:
    """Understand a command that was split into words.

    ``prefix`` is what the reader types before the verb; ``--json`` belongs to the
    command line alone. Raises :class:`UsageError` with a text that teaches.
    """
    if not words or words[0] in ("-h", "--help"):
        return Command("help")
    name, given = words[0], list(words[1:])
    verb = VERBS.get(name)
    if verb is None:
        near = difflib.get_close_matches(name, VERBS, 1)
        meant = f" Did you mean {near[0]}?" if near else ""
        reason = f'There is no verb "{name}".{meant}'
        raise UsageError(reason, f"Verbs: {', '.join(VERBS)}. See {prefix} help.")
    try:
        return _parse_verb(verb, given, prefix)
    except UsageError as error:
        usage = f"Usage: {prefix} {usage_line(verb)}. See {prefix} help {verb.name}."
        raise UsageError(error.message, error.hint or usage) from None


def _parse_verb(verb: Verb, given: list[Word], prefix: str) -> Command:
    parser = _Parser(add_help=False, allow_abbrev=False, prog=f"{prefix} {verb.name}")
    for option in verb.options:
        _add(parser, option)
    parser.add_argument("-h", "--help", action="store_true")
    if prefix == COMMAND:
        parser.add_argument("--json", action="store_true")
    parser.add_argument("words", nargs="*")
    found = vars(parser.parse_intermixed_args(given))
    if found.pop("help"):
        return Command("help", {"VERB": Word(verb.name)})
    json = found.pop("json", False)
    plain = [word if isinstance(word, Word) else Word(word) for word in found.pop("words")]
    named, rest = _name_words(verb, plain)
    return Command(verb.name, named, rest, found, json)


def _add(parser: _Parser, option: Option) -> None:
    if not option.metavar:
        parser.add_argument(*option.flags, action="store_true")
        return
    parser.add_argument(
        *option.flags,
        metavar=option.metavar,
        type=option.read,
        choices=option.choices,
        action="append" if option.many else "store",
        default=[] if option.many else option.default,
    )


def _name_words(verb: Verb, given: list[Word]) -> tuple[dict[str, Word], list[Word]]:
    """Give the words their names; the words of an open end are returned apart."""
    places = [name for name, _, _ in verb.words]
    if verb.open_ended:
        places = places[:-1]
    named = dict(zip(places, given, strict=False))
    rest = given[len(places) :]
    for name, required, meaning in verb.words:
        if required and name not in named:
            raise UsageError(f"{name} is missing: {meaning}.")
    if rest and not verb.open_ended:
        raise UsageError(f'"{rest[0]}" is one word too many.')
    route = named.get("ROUTE")
    if route is not None and not route.startswith("/"):
        raise UsageError(f'A route starts with "/": did you mean /{route}?')
    return named, rest


def usage_line(verb: Verb) -> str:
    """Return the verb's form with a hint at its options."""
    return f"{verb.form} [OPTIONS]" if verb.options else verb.form


def help_text(name: str | None = None, prefix: str = MAGIC) -> str:
    """Return the help of a verb, or of all of them."""
    if name is None:
        return _overview(prefix)
    verb = VERBS.get(name)
    if verb is None:
        raise UsageError(f'There is no verb "{name}".', f"Verbs: {', '.join(VERBS)}.")
    lines = [f"{prefix} {usage_line(verb)}", "", *textwrap.wrap(verb.summary, 88)]
    if verb.more:
        lines += ["", *textwrap.wrap(verb.more, 88)]
    lines += ["", "Examples:"]
    lines += [f"  {prefix} {_quoted(example, prefix)}" for example in verb.examples]
    rows = [(word, meaning) for word, _, meaning in verb.words]
    rows += [(_flags(option), _help(option)) for option in verb.options]
    if prefix == COMMAND:
        rows.append(("--json", "print one JSON object: ok, code, hint, data"))
    return "\n".join([*lines, "", *_table(rows)])


def _quoted(example: str, prefix: str) -> str:
    """Return an example as it must be typed: a shell needs quotes around JSON."""
    return shlex.join(split(example)) if prefix == COMMAND else example


def _overview(prefix: str) -> str:
    rows = [(verb.form, verb.summary) for verb in VERBS.values()]
    lines = ["From a bento to a running, tested service.", "", *_table(rows), ""]
    if prefix == MAGIC:
        lines.append("%%bento request NAME /route  takes the rest of the cell as data.")
    lines.append(f"{prefix} help VERB  shows options and examples.")
    return "\n".join(lines)


def _flags(option: Option) -> str:
    names = ", ".join(option.flags)
    return f"{names} {option.metavar}".strip()


def _help(option: Option) -> str:
    choices = f": {' or '.join(option.choices)}" if option.choices else ""
    return option.help + choices


def _table(rows: list[tuple[str, str]]) -> list[str]:
    width = min(max((len(left) for left, _ in rows), default=0), 30)
    lines = []
    for left, right in rows:
        first, *more = textwrap.wrap(right, 86 - width) or [""]
        lines.append(f"  {left:{width}}  {first}".rstrip())
        lines += [" " * (width + 4) + line for line in more]
    return lines
