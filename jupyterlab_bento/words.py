# SPDX-License-Identifier: BSD-3-Clause
"""Splits a magic's line into words as a reader expects, JSON included."""

from __future__ import annotations

from collections.abc import Sequence

from .errors import UsageError

_CLOSING = {"{": "}", "[": "]"}
_ESCAPED = '"\\$`\n'


class Word(str):
    """A word of a line. ``quoted`` tells that quotes stood around all of it."""

    __slots__ = ("quoted",)
    quoted: bool

    def __new__(cls, text: str, *, quoted: bool = False) -> Word:  # noqa: PYI034 - Self needs Python 3.11
        """Make a word; text in quotes is never taken for a name."""
        word = super().__new__(cls, text)
        word.quoted = quoted
        return word


def split(line: str) -> list[Word]:
    r"""Split a line like a shell, but keep what stands in brackets as it is.

    ``{"a": [1, 2]}`` and ``rows[0]["name"]`` are one word each, with their quotes.
    Elsewhere quotes group and vanish, and ``\`` takes the next character literally.
    Nothing is expanded. Raises :class:`UsageError` for an open quote or bracket.
    """
    words: list[Word] = []
    at = 0
    while True:
        while at < len(line) and line[at].isspace():
            at += 1
        if at >= len(line):
            return words
        word, at = _word(line, at)
        words.append(word)


def as_words(arguments: Sequence[str]) -> list[Word]:
    """Take over words that a shell has split already."""
    return [Word(argument) for argument in arguments]


def _word(line: str, at: int) -> tuple[Word, int]:
    start, text, quoted_to = at, "", -1
    while at < len(line) and not line[at].isspace():
        char = line[at]
        if char in "\"'":
            part, at = _quoted(line, at)
            quoted_to = at if not text else quoted_to
            text += part
        elif char in _CLOSING:
            end = _bracket_end(line, at)
            text += line[at:end]
            at = end
        elif char == "\\" and at + 1 < len(line):
            text += line[at + 1]
            at += 2
        else:
            text += char
            at += 1
    return Word(text, quoted=quoted_to == at and at > start), at


def _quoted(line: str, at: int) -> tuple[str, int]:
    quote, text = line[at], ""
    start = at
    at += 1
    while at < len(line) and line[at] != quote:
        escapes = quote == '"' and line[at] == "\\" and line[at + 1 : at + 2]
        if escapes and line[at + 1] in _ESCAPED:
            at += 1
        text += line[at]
        at += 1
    if at >= len(line):
        raise UsageError(f"The quote {line[start:]} is not closed.")
    return text, at + 1


def _bracket_end(line: str, start: int) -> int:
    """Return the index after the bracket that closes the one at ``start``."""
    open_brackets = ""
    at = start
    while at < len(line):
        char = line[at]
        if char in _CLOSING:
            open_brackets += char
        elif open_brackets and char == _CLOSING[open_brackets[-1]]:
            open_brackets = open_brackets[:-1]
            if not open_brackets:
                return at + 1
        elif char == '"' or (char == "'" and line[at - 1] in "[{,: "):
            at = _string_end(line, at)
        at += 1
    raise UsageError(f"The bracket {line[start:]} is not closed.")


def _string_end(line: str, start: int) -> int:
    """Return the index of the quote that closes the one at ``start``."""
    at = start + 1
    while at < len(line) and line[at] != line[start]:
        at += 2 if line[at] == "\\" else 1
    return at
