# SPDX-License-Identifier: BSD-3-Clause
"""Looks up a dotted or indexed name in a kernel's variables, without a call."""

from __future__ import annotations

import inspect
import re
import sys
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import BentoError

_NAME = re.compile(r"[^\W\d]\w*")
_STEP = re.compile(
    r"""\.(?P<attribute>[^\W\d]\w*)
      | \[\s*(?P<index>-?\d+)\s*\]
      | \[\s*"(?P<double>(?:[^"\\]|\\["\\])*)"\s*\]
      | \[\s*'(?P<single>(?:[^'\\]|\\['\\])*)'\s*\]""",
    re.VERBOSE,
)

_NOTHING = object()


@dataclass(frozen=True)
class Attribute:
    """The step ``.name``."""

    name: str


@dataclass(frozen=True)
class Item:
    """The step ``[3]`` or ``["name"]``."""

    key: int | str


Step = Attribute | Item


def parse_path(text: str) -> tuple[str, list[Step]] | None:
    """Return the name and the steps of ``a.b[0]["k"]``; None when it is no such path."""
    name = _NAME.match(text)
    if not name:
        return None
    steps: list[Step] = []
    at = name.end()
    while at < len(text):
        step = _STEP.match(text, at)
        if not step:
            return None
        steps.append(_step(step))
        at = step.end()
    return name[0], steps


def _step(found: re.Match[str]) -> Step:
    if found["attribute"] is not None:
        return Attribute(found["attribute"])
    if found["index"] is not None:
        return Item(int(found["index"]))
    text = found["double"] if found["double"] is not None else found["single"]
    return Item(re.sub(r"\\(.)", r"\1", text))


def look_up(text: str, variables: Mapping[str, Any]) -> Any:
    """Return what a path names.

    Attributes are taken from the object's own storage: no property, no
    ``__getattr__`` and no other code of the object's class runs. Items are taken
    from lists, tuples, texts and dictionaries (whatever a subclass overrides) and
    from numpy arrays and pandas objects. Raises ``dataInvalid``.
    """
    path = parse_path(text)
    if path is None:
        raise _invalid(
            f'"{text}" is not a name', "Write a name like rows, rows[0] or config.rows."
        )
    name, steps = path
    if name not in variables:
        raise _invalid(
            f'There is no variable "{name}"',
            "Define it first. Text must be JSON, so in quotes: '\"text\"'.",
        )
    value, shown = variables[name], name
    for step in steps:
        if isinstance(step, Attribute):
            value = attribute(value, step.name, shown)
            shown += f".{step.name}"
        else:
            value = _item(value, step.key, shown)
            shown += f"[{step.key!r}]"
    return value


def attribute(value: Any, name: str, shown: str) -> Any:
    """Return an attribute that the object stores, without running any of its code.

    ``shown`` is how the reader knows the object. Raises ``dataInvalid``.
    """
    try:
        found = inspect.getattr_static(value, name)
    except AttributeError:
        reason = f"{shown} has no attribute {name} of its own"
        raise _invalid(reason, _assign(f"{shown}.{name}")) from None
    if isinstance(found, types.MemberDescriptorType):  # a slot
        try:
            return found.__get__(value, type(value))
        except AttributeError:
            reason = f"{shown}.{name} has no value yet"
            raise _invalid(reason, f"Set {shown}.{name} first.") from None
    computed = inspect.getattr_static(type(found), "__get__", None) is not None
    if computed and not isinstance(value, types.ModuleType):
        reason = f"{shown}.{name} is computed, which is not done here"
        raise _invalid(reason, _assign(f"{shown}.{name}"))
    return found


def _item(value: Any, key: int | str, shown: str) -> Any:
    try:
        if isinstance(value, dict):
            found = dict.get(value, key, _NOTHING)  # a plain lookup asks __missing__
            if found is not _NOTHING:
                return found
        if isinstance(value, list):
            return list.__getitem__(value, _index(key))
        if isinstance(value, tuple):
            return tuple.__getitem__(value, _index(key))
        if isinstance(value, str):
            return str.__getitem__(value, _index(key))
        if library_type(value) is not None:
            return value[key]
    except (KeyError, IndexError, TypeError, ValueError):
        raise _no_item(key, shown) from None
    if isinstance(value, dict):
        raise _no_item(key, shown)
    reason = f"{shown} is a {type(value).__name__}, of which no items are taken here"
    raise _invalid(reason, _assign(f"{shown}[{key!r}]"))


def _no_item(key: int | str, shown: str) -> BentoError:
    return _invalid(f"{shown} has no item {key!r}", f"Look at {shown}.")


def _index(key: int | str) -> int:
    if isinstance(key, str):
        raise TypeError(key)
    return key


def library_type(value: Any) -> str | None:
    """Return the name of a numpy or pandas type that is known here, else None.

    Asks only modules that the kernel has loaded already, and subclasses, which
    could bring code of their own, are not recognised.
    """
    for module_name, type_names in (
        ("numpy", ("ndarray",)),
        ("pandas", ("DataFrame", "Series", "Index")),
    ):
        module = sys.modules.get(module_name)
        for type_name in type_names if module else ():
            if type(value) is getattr(module, type_name, None):
                return type_name
    return None


def _assign(expression: str) -> str:
    return f"Assign it to a variable first (x = {expression}) and give that."


def _invalid(reason: str, action: str) -> BentoError:
    return BentoError("dataInvalid", {"reason": reason + ".", "action": action})
