# SPDX-License-Identifier: BSD-3-Clause
"""Splitting a line into words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyterlab_bento.errors import UsageError
from jupyterlab_bento.words import Word, split


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("  list  ", ["list"]),
        ('request x /p {"a": [1, 2]}', ["request", "x", "/p", '{"a": [1, 2]}']),
        ('{"a": "} \' ["} next', ['{"a": "} \' ["}', "next"]),
        (r'{"a": "say \"}\""}', [r'{"a": "say \"}\""}']),
        ('rows[0]["first name"].x y', ['rows[0]["first name"].x', "y"]),
        ("d['a b']", ["d['a b']"]),
        ('text="two words" n=3', ["text=two words", "n=3"]),
        ("text='it''s' ", ["text=its"]),
        (r'"a \" b" c\ d', ['a " b', "c d"]),
        ("'{\"a\": 1}'", ['{"a": 1}']),
        ("$HOME {name} `ls`", ["$HOME", "{name}", "`ls`"]),
        ('x=[1, {"b": 2}]', ['x=[1, {"b": 2}]']),
        ("''", [""]),
    ],
)
def test_splits(line: str, words: list[str]) -> None:
    assert split(line) == words


@pytest.mark.parametrize("line", ['a "b', "a 'b", '{"a": 1', "x[0", '{"a": "'])
def test_says_what_is_open(line: str) -> None:
    with pytest.raises(UsageError, match="is not closed"):
        split(line)


@pytest.mark.parametrize(
    ("line", "quoted"), [("'a b'", True), ("a", False), ("x='a'", False), ('"a"b', False)]
)
def test_knows_quoted_words(line: str, *, quoted: bool) -> None:
    assert [word.quoted for word in split(line)] == [quoted]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.lists(json_values, max_size=4) | st.dictionaries(st.text(), json_values))
def test_json_stays_one_word(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert split(f"request x /p {text} --via direct")[3:] == [text, "--via", "direct"]


@given(st.text())
def test_never_fails_otherwise(line: str) -> None:
    try:
        words = split(line)
    except UsageError:
        return
    assert all(isinstance(word, Word) for word in words)


@given(st.lists(st.text(), max_size=5))
def test_quotes_bring_anything_through(texts: list[str]) -> None:
    quoted = ["'" + text.replace("'", "'\"'\"'") + "'" for text in texts]
    assert split(" ".join(quoted)) == texts
