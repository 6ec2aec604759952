# SPDX-License-Identifier: BSD-3-Clause
"""What is sent for what was given, and what comes back."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyterlab_bento import data
from jupyterlab_bento.errors import BentoError
from jupyterlab_bento.lookup import look_up
from jupyterlab_bento.words import split


@dataclasses.dataclass
class Point:
    """A dataclass to send."""

    x: int
    y: list[int]


VARIABLES: dict[str, Any] = {
    "rows": [{"a": 1}],
    "text": "plain text",
    "raw": b"\x00\xff",
    "array": np.array([[1, 2], [3, 4]]),
    "floats": np.array([0.5, 1.5], dtype=np.float32),
    "scalar": np.int64(7),
    "frame": pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
    "holes": pd.DataFrame({"a": [1.0, None]}),
    "series": pd.Series([1, 2]),
    "index": pd.Index([1, 2]),
    "nested": {"input_data": np.array([1, 2]), "when": dt.date(2024, 1, 2)},
    "tuple": (1, (2, None)),
    "point": Point(1, [2]),
    "number_keys": {1: "a"},
    "nan": [float("nan")],
    "thing": object(),
    "set": {1},
    "odd_keys": {(1, 2): 3},
}


def body_of(line: str, read_input: bytes | None = None) -> data.Body | None:
    return data.parse_data(
        split(line),
        look_up=lambda text: look_up(text, VARIABLES),
        read_input=None if read_input is None else lambda: read_input,
    )


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('{"a": [1, null, true]}', {"a": [1, None, True]}),
        ("[1, 2.5]", [1, 2.5]),
        ("5", 5),
        ("-5", -5),
        ("true", True),
        ("null", None),
        ("'\"text\"'", "text"),
        ("'two words'", "two words"),
        ("'5'", 5),
        ("a=1 b=x", {"a": 1, "b": "x"}),
        (
            'text="two words" n=[1,2] o={"k": 1}',
            {"text": "two words", "n": [1, 2], "o": {"k": 1}},
        ),
        ("a=", {"a": ""}),
        ("a=b=c", {"a": "b=c"}),
        ("rows", [{"a": 1}]),
        ('rows[0]["a"]', 1),
        ("text", "plain text"),
        ("array", [[1, 2], [3, 4]]),
        ("array[0]", [1, 2]),
        ("floats", [0.5, 1.5]),
        ("scalar", 7),
        ("frame", [{"a": 1, "b": "x"}, {"a": 2, "b": None}]),
        ('frame["a"]', [1, 2]),
        ("holes", [{"a": 1.0}, {"a": None}]),
        ("series", [1, 2]),
        ("index", [1, 2]),
        ("nested", {"input_data": [1, 2], "when": "2024-01-02"}),
        ("tuple", [1, [2, None]]),
        ("point", {"x": 1, "y": [2]}),
        ("number_keys", {"1": "a"}),
    ],
)
def test_json_of_words(line: str, value: object) -> None:
    body = body_of(line)
    assert body is not None
    assert body.content_type == "application/json"
    assert json.loads(body.data) == value


@pytest.mark.parametrize(
    ("line", "code", "teaches"),
    [
        ("{'a': 1}", "usage", "double quotes"),
        ('{"a": True}', "usage", "A Python object can be given as a variable"),
        ('{"a": NaN}', "usage", "NaN is not part of JSON"),
        ("a=1 b", "usage", '"b" is neither'),
        ("two words", "usage", "Put quotes around text with spaces"),
        ("-", "usage", "%%bento"),
        ("print(1)", "usage", "is not JSON"),
        ("@/no/such/file", "dataInvalid", "no file /no/such/file"),
        ("missing", "dataInvalid", 'no variable "missing"'),
        ("nan", "dataInvalid", "NaN and infinity have no JSON form"),
        ("thing", "dataInvalid", "is a object, which has no JSON form"),
        ("set", "dataInvalid", "is a set"),
        ("odd_keys", "dataInvalid", "has the key (1, 2)"),
    ],
)
def test_teaches(line: str, code: str, teaches: str) -> None:
    with pytest.raises(BentoError) as caught:
        body_of(line)
    assert caught.value.code == code
    assert teaches in "\n".join(caught.value.lines())
    assert caught.value.exit_code == 2


def test_names_mean_nothing_on_the_command_line() -> None:
    with pytest.raises(BentoError, match="is not JSON"):
        data.parse_data(split("rows"))


def test_no_words_no_body() -> None:
    assert body_of("") is None


def test_bytes_go_as_they_are() -> None:
    body = body_of("raw")
    assert body == data.Body("application/octet-stream", b"\x00\xff")
    assert body.inline() == {"kind": "inline", "encoding": "base64", "data": "AP8="}
    assert data.inline_bytes(body.inline()) == b"\x00\xff"


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b'{"a": 1}', "application/json"),
        (b"text", "text/plain; charset=utf-8"),
        (b"\xff\xfe", "application/octet-stream"),
    ],
)
def test_input_by_its_content(content: bytes, content_type: str) -> None:
    assert body_of("-", content) == data.Body(content_type, content)


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.json", "application/json"),
        ("a.png", "image/png"),
        ("a.tar.gz", "application/octet-stream"),
        ("noext", "application/octet-stream"),
    ],
)
def test_files_by_their_name(tmp_path: Path, name: str, content_type: str) -> None:
    (tmp_path / name).write_bytes(b"12345")
    body = body_of(f"@{tmp_path / name}")
    assert body is not None
    assert (body.content_type, body.size) == (content_type, 5)
    assert body.inline()["data"] == "12345"


def test_refuses_what_contains_itself() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(BentoError, match="contains itself"):
        data.value_body(loop)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
).filter(lambda value: "Infinity" not in json.dumps(value))


@given(json_values)
def test_json_values_come_through(value: object) -> None:
    assert json.loads(data.value_body(value).data) == value


@given(
    st.dictionaries(st.from_regex(r"[a-z]\w{0,5}", fullmatch=True), json_values, min_size=1)
)
def test_pairs_come_through(value: dict[str, Any]) -> None:
    words = [f"{name}='{_shell(json.dumps(item))}'" for name, item in value.items()]
    body = body_of(" ".join(words))
    assert body is not None
    assert json.loads(body.data) == value


def _shell(text: str) -> str:
    return text.replace("'", "'\"'\"'")


@pytest.mark.parametrize(
    ("content", "content_type", "value"),
    [
        (b'{"a": 1}', "application/json", {"a": 1}),
        (b"[1]", "application/problem+json; charset=utf-8", [1]),
        (b"not json", "application/json", "not json"),
        (b"text", "text/plain", "text"),
        ("größe".encode("latin-1"), "text/plain; charset=latin-1", "größe"),
        (b"x", "text/plain; charset=nonsense", "x"),
        (b"\x89PNG", "image/png", b"\x89PNG"),
        (b"\x00", "", b"\x00"),
        (b"", "application/json", None),
    ],
)
def test_answers_by_their_type(content: bytes, content_type: str, value: object) -> None:
    assert data.decode_answer(content, content_type) == value


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"error": "bad input"}, "bad input"),
        ({"detail": [{"loc": ["x"]}]}, '[{"loc": ["x"]}]'),
        ({"message": "no"}, "no"),
        ("line 1\n line 2", "line 1 line 2"),
        ("x" * 600, "x" * 500 + "…"),
        (b"\x00", "\"b'\\\\x00'\""),
    ],
)
def test_failure_reasons(answer: object, reason: str) -> None:
    assert data.failure_reason(answer) == reason
