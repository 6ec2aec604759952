# SPDX-License-Identifier: BSD-3-Clause
"""Looking names up: what is found, and that nothing is ever called."""

from __future__ import annotations

import collections
import sys
import types
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyterlab_bento.errors import BentoError
from jupyterlab_bento.lookup import Attribute, Item, look_up, parse_path


class Trap:
    """Runs into the test when any of its code runs."""

    plain = 1
    __slots__ = ("slot", "unset")

    def __init__(self) -> None:
        self.slot = [1, 2]

    def __getattr__(self, name: str) -> Any:
        raise AssertionError("__getattr__ was called")

    def __getitem__(self, key: object) -> Any:
        raise AssertionError("__getitem__ was called")

    @property
    def computed(self) -> Any:
        raise AssertionError("the property was called")

    def method(self) -> None:
        raise AssertionError("the method was called")


class LoudDict(dict[str, Any]):
    """Overrides what a lookup could use."""

    def __getitem__(self, key: str) -> Any:
        raise AssertionError("__getitem__ was called")

    def __missing__(self, key: str) -> Any:
        raise AssertionError("__missing__ was called")


class LoudList(list[Any]):
    """Overrides what a lookup could use."""

    def __getitem__(self, key: Any) -> Any:
        raise AssertionError("__getitem__ was called")


class Plain:
    """An ordinary object."""

    shared = "class"

    def __init__(self) -> None:
        self.own = {"k": ["v"]}


VARIABLES: dict[str, Any] = {
    "rows": [[1, 2], [3, 4]],
    "pair": ("a", "b"),
    "text": "abc",
    "config": Plain(),
    "loud": LoudDict(k=[5]),
    "loud_list": LoudList([7]),
    "trap": Trap(),
    "module": types.SimpleNamespace(x=1),
    "sys": sys,
    "array": np.array([[1, 2], [3, 4]]),
    "frame": pd.DataFrame({"a": [1, 2], "b c": [3, 4]}),
    "counter": collections.Counter("aab"),
    "größe": 5,
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("rows", [[1, 2], [3, 4]]),
        ("rows[0]", [1, 2]),
        ("rows[-1][ 1 ]", 4),
        ("pair[1]", "b"),
        ("text[0]", "a"),
        ("config.own", {"k": ["v"]}),
        ('config.own["k"][0]', "v"),
        ("config.own['k']", ["v"]),
        ("config.shared", "class"),
        ('loud["k"]', [5]),
        ("loud_list[0]", 7),
        ("trap.slot[1]", 2),
        ("trap.plain", 1),
        ("module.x", 1),
        ("sys.maxsize", sys.maxsize),
        ("counter['a']", 2),
        ("größe", 5),
    ],
)
def test_finds(text: str, value: object) -> None:
    assert look_up(text, VARIABLES) == value


def test_takes_items_of_arrays_and_frames() -> None:
    assert look_up("array[1]", VARIABLES).tolist() == [3, 4]
    assert look_up('frame["b c"]', VARIABLES).tolist() == [3, 4]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nothing", 'no variable "nothing"'),
        ("print", 'no variable "print"'),
        ("__import__", "no variable"),
        ("rows[5]", "no item 5"),
        ('rows["a"]', "no item 'a'"),
        ('loud["x"]', "no item 'x'"),
        ("trap.computed", "is computed"),
        ("trap.method", "is computed"),
        ("trap.other", "no attribute other"),
        ("trap.unset", "no value yet"),
        ("trap[0]", "no items are taken"),
        ("config.own[0]", "no item 0"),
        ("frame.a", "no attribute a of its own"),
        ("rows[0].append", "is computed"),
        ("rows()", "is not a name"),
        ("rows[a]", "is not a name"),
        ("rows[0:1]", "is not a name"),
        ("a + b", "is not a name"),
        ("a.", "is not a name"),
    ],
)
def test_refuses(text: str, reason: str) -> None:
    with pytest.raises(BentoError) as caught:
        look_up(text, VARIABLES)
    assert caught.value.code == "dataInvalid"
    assert reason in caught.value.message
    assert caught.value.hint


def test_ignores_libraries_that_are_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "numpy")
    with pytest.raises(BentoError, match="no items are taken"):
        look_up("array[0]", VARIABLES)
    assert "numpy" not in sys.modules


names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
steps = st.lists(
    names.map(Attribute) | st.integers(-99, 99).map(Item) | st.text().map(Item), max_size=5
)


@given(names, steps)
def test_paths_come_through(name: str, path: list[Attribute | Item]) -> None:
    text = name
    for step in path:
        if isinstance(step, Attribute):
            text += f".{step.name}"
        elif isinstance(step.key, int):
            text += f"[{step.key}]"
        else:
            escaped = step.key.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{escaped}"]'
    assert parse_path(text) == (name, path)


@given(st.text())
def test_any_text_is_a_path_or_not(text: str) -> None:
    found = parse_path(text)
    assert found is None or text.startswith(found[0])
