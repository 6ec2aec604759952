# SPDX-License-Identifier: BSD-3-Clause
"""Turns what a reader gave as data into the body of a request, and answers back."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import json
import mimetypes
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .errors import BentoError, UsageError
from .lookup import attribute, library_type, parse_path
from .words import Word

JSON_TYPE = "application/json"
_BYTES_TYPE = "application/octet-stream"
#: Bigger bodies travel beside the messages.
INLINE_BYTES = 256 * 1024
_PAIR = re.compile(r"([^\W\d][\w-]*)=(.*)", re.DOTALL)
_DEEPEST = 200


@dataclasses.dataclass(frozen=True)
class Body:
    """The body of a request: its bytes, or the file that holds them."""

    content_type: str
    data: bytes = b""
    file: Path | None = None

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.file.stat().st_size if self.file else len(self.data)

    def inline(self) -> dict[str, str]:
        """Return the protocol's ``inlineBody``: text as it is, bytes as base64."""
        data = self.file.read_bytes() if self.file else self.data
        try:
            return {"kind": "inline", "encoding": "utf8", "data": data.decode()}
        except UnicodeDecodeError:
            text = base64.b64encode(data).decode()
            return {"kind": "inline", "encoding": "base64", "data": text}


def parse_data(
    words: Sequence[Word],
    *,
    look_up: Callable[[str], Any] | None = None,
    read_input: Callable[[], bytes] | None = None,
) -> Body | None:
    """Return the body that the words of DATA describe, None when there are none.

    ``look_up`` finds variables where there are any; ``read_input`` gives what ``-``
    stands for. Raises ``usage`` or ``dataInvalid`` with a text that teaches.
    """
    if not words:
        return None
    pairs = [None if word.quoted else _PAIR.fullmatch(word) for word in words]
    if all(pairs):
        found = {pair[1]: _json_or_text(pair[2]) for pair in pairs if pair}
        return json_body(found)
    if len(words) > 1:
        odd = next(word for word, pair in zip(words, pairs, strict=True) if not pair)
        raise UsageError(
            f'DATA is one word, or name=value pairs; "{odd}" is neither. '
            "Put quotes around text with spaces."
        )
    return _single(words[0], look_up, read_input)


def _single(
    word: Word,
    look_up: Callable[[str], Any] | None,
    read_input: Callable[[], bytes] | None,
) -> Body:
    if word == "-" and not word.quoted:
        if read_input is None:
            raise UsageError(
                '"-" is the rest of the cell: write %%bento and the data below.'
            )
        return bytes_body(read_input())
    if word.startswith("@") and not word.quoted:
        return file_body(word[1:])
    try:
        return json_body(_strict_json(word))
    except ValueError as error:
        if word[:1] in ("{", "["):
            raise _not_json(word, error) from None
    if word.quoted:
        return json_body(str(word))
    if look_up is None or parse_path(word) is None:
        raise UsageError(
            f'"{word}" is not JSON, name=value, @FILE or "-". '
            f"Text needs JSON's quotes inside the shell's: '\"text\"'."
        )
    return value_body(look_up(word))


def _not_json(text: str, error: ValueError) -> BentoError:
    advice = "JSON wants double quotes, true, false and null."
    if "'" in text or re.search(r"\b(True|False|None)\b", text):
        advice += " A Python object can be given as a variable."
    return UsageError(f"The data is not JSON: {error}. {advice}")


def _json_or_text(text: str) -> Any:
    try:
        return _strict_json(text)
    except ValueError:
        return text


def _strict_json(text: str) -> Any:
    return json.loads(text, parse_constant=_no_constant)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not part of JSON")


def json_body(value: Any) -> Body:
    """Return a JSON body of plain JSON values."""
    return Body(JSON_TYPE, json.dumps(value, ensure_ascii=False).encode())


def bytes_body(data: bytes) -> Body:
    """Return the body of bytes of unknown kind: JSON, text or plain bytes."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return Body(_BYTES_TYPE, data)
    try:
        _strict_json(text)
    except ValueError:
        return Body("text/plain; charset=utf-8", data)
    return Body(JSON_TYPE, data)


def file_body(name: str) -> Body:
    """Return the body that is a file; its content type follows from its name."""
    path = Path(name).expanduser()
    if not path.is_file():
        reason = f"There is no file {name}."
        raise BentoError("dataInvalid", {"reason": reason, "action": "Check its path."})
    guessed, encoding = mimetypes.guess_type(path.name)
    return Body(guessed if guessed and not encoding else _BYTES_TYPE, file=path)


def value_body(value: Any) -> Body:
    """Return the body of a Python value: bytes as they are, all else as JSON."""
    if isinstance(value, bytes | bytearray | memoryview):
        return Body(_BYTES_TYPE, bytes(value))
    try:
        plain = to_json(value)
        text = json.dumps(plain, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        reason = str(error)
        if "float" in reason:
            reason = "NaN and infinity have no JSON form"
        raise _unfit(reason) from None
    return Body(JSON_TYPE, text.encode())


def to_json(value: Any, where: str = "the value", depth: int = 0) -> Any:
    """Return plain JSON values for a Python value.

    Takes what JSON has, and tuples; numpy scalars and arrays, as numbers and nested
    lists; pandas data frames as a list of records, series and indexes as lists, their
    missing values as null; dates, in ISO 8601; dataclass instances, as objects. No
    code of the values' own classes runs. Raises ``dataInvalid`` for anything else.
    """
    if depth > _DEEPEST:
        raise _unfit(f"{where} is nested too deeply, or contains itself")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {
            _key(key, where): to_json(item, f"{where}[{key!r}]", depth + 1)
            for key, item in dict.items(value)
        }
    if isinstance(value, list):
        return _sequence(list.__iter__(value), where, depth)
    if isinstance(value, tuple):
        return _sequence(tuple.__iter__(value), where, depth)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {
            name: to_json(attribute(value, name, where), f"{where}.{name}", depth + 1)
            for name in names
        }
    return _library_value(value, where, depth)


def _sequence(items: Iterator[Any], where: str, depth: int) -> list[Any]:
    return [
        to_json(item, f"{where}[{index}]", depth + 1) for index, item in enumerate(items)
    ]


def _library_value(value: Any, where: str, depth: int) -> Any:
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    kind = library_type(value)
    if kind == "DataFrame":
        return json.loads(value.to_json(orient="records", date_format="iso"))
    if kind in ("Series", "Index"):
        series = value if kind == "Series" else value.to_series()
        return json.loads(series.to_json(orient="values", date_format="iso"))
    if kind == "ndarray":
        return to_json(value.tolist(), where, depth + 1)
    numpy = sys.modules.get("numpy")
    if numpy and isinstance(value, numpy.generic):
        return to_json(value.item(), where, depth + 1)
    raise _unfit(f"{where} is a {type(value).__name__}, which has no JSON form")


def _key(key: Any, where: str) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, int) and not isinstance(key, bool):
        return str(key)
    raise _unfit(f"{where} has the key {key!r}, which is not text")


def _unfit(reason: str) -> BentoError:
    action = "Turn it into lists, dictionaries, numbers and text first."
    return BentoError("dataInvalid", {"reason": f"{reason}.", "action": action})


def inline_bytes(body: dict[str, Any]) -> bytes:
    """Return the bytes of the protocol's ``inlineBody``."""
    text = str(body["data"])
    return base64.b64decode(text) if body["encoding"] == "base64" else text.encode()


def decode_answer(data: bytes, content_type: str) -> Any:
    """Return an answer as a Python value by its content type.

    JSON becomes objects, other text ``str``, anything else ``bytes``, nothing None.
    """
    kind, _, rest = content_type.partition(";")
    kind = kind.strip().lower()
    if not data:
        return None
    if kind == JSON_TYPE or kind.endswith("+json"):
        try:
            return json.loads(data)
        except ValueError:
            pass
    elif not kind.startswith("text/") and kind not in (
        "application/xml",
        "application/yaml",
    ):
        return data
    charset = re.search(r"charset=[\"']?([\w-]+)", rest)
    try:
        return data.decode(charset[1] if charset else "utf-8", "replace")
    except LookupError:
        return data.decode("utf-8", "replace")


def failure_reason(answer: Any) -> str:
    """Return the sentence in which a service says why it refused a request."""
    if isinstance(answer, dict):
        for name in ("error", "detail", "message"):
            if answer.get(name):
                answer = answer[name]
                break
    text = answer if isinstance(answer, str) else json.dumps(answer, default=repr)
    text = " ".join(text.split())
    return text if len(text) <= 500 else text[:500] + "…"
