# SPDX-License-Identifier: BSD-3-Clause
"""Reads the values of options: durations, replicas, resources, runners, variables."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable
from typing import Any

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
#: The "-" of an exponent, as in 1e-3, belongs to its number.
_RANGE = re.compile(r"(.+?)(?<!\d[eE])-(.+)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def duration(text: str) -> float:
    """Return seconds of ``20m``, ``90s``, ``1h30m``, ``500ms`` or a bare number."""
    try:
        seconds = float(text)
    except ValueError:
        parts = _DURATION.findall(text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            wrong = f'"{text}" is not a duration: write 90s, 20m or 1h30m'
            raise ArgumentTypeError(wrong) from None
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not 0 < seconds < 10**7:
        raise ArgumentTypeError(f'"{text}" is out of range: more than 0, at most 100 days')
    return seconds


def replicas(text: str) -> tuple[int, int]:
    """Return (minimum, maximum) of ``3`` or ``1-4``."""
    found = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", text)
    if not found:
        raise ArgumentTypeError(f'"{text}" is not a number of replicas: write 2 or 1-4')
    least, most = int(found[1]), int(found[2] or found[1])
    if least < 1 or most < least:
        wrong = f'"{text}": the minimum is at least 1, the maximum not below it'
        raise ArgumentTypeError(wrong)
    return least, most


def quantities(text: str) -> tuple[str, str]:
    """Return (request, limit) of ``500m``, which means both, or ``300m-500m``.

    Whether they are Kubernetes quantities is checked where they are used.
    """
    if not text.strip():
        wrong = "nothing given: write 500m, 1Gi, or REQUEST-LIMIT like 300m-500m"
        raise ArgumentTypeError(wrong)
    found = _RANGE.fullmatch(text)
    return (found[1], found[2]) if found else (text, text)


def port(text: str) -> int:
    """Return a port that a user may listen on."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ArgumentTypeError(f'"{text}" is not a port: write 1024 to 65535')
    return int(text)


def variable(text: str) -> dict[str, str]:
    """Return ``{"name", "value"}`` of ``NAME=VALUE``."""
    name, equals, value = text.partition("=")
    if not equals or not _VARIABLE.fullmatch(name):
        raise ArgumentTypeError(f'"{text}" is not NAME=VALUE')
    return {"name": name, "value": value}


def header(text: str) -> tuple[str, str]:
    """Return (name, value) of ``NAME:VALUE``."""
    name, colon, value = text.partition(":")
    if not colon or not _HEADER.fullmatch(name.strip()) or re.search(r"[\r\n\0]", value):
        raise ArgumentTypeError(f'"{text}" is not a header: write NAME:VALUE')
    return name.strip(), value.strip()


def runner(text: str) -> tuple[str, dict[str, Any]]:
    """Return (name, scale) of ``NAME:replicas=2,cpu=300m-500m,memory=1Gi,gpu=1``."""
    name, colon, rest = text.partition(":")
    pairs = [part.partition("=") for part in rest.split(",")]
    if not name or not colon or not all(equals for _, equals, _ in pairs):
        wrong = f'"{text}" is no runner: write NAME:replicas=2,cpu=500m,memory=1Gi'
        raise ArgumentTypeError(wrong)
    given = {key.strip(): value.strip() for key, _, value in pairs}
    readers: dict[str, Callable[[str], Any]] = {
        "replicas": replicas,
        "cpu": quantities,
        "memory": quantities,
        "gpu": quantities,
    }
    unknown = [key for key in given if key not in readers]
    if unknown:
        known = ", ".join(readers)
        raise ArgumentTypeError(f'"{unknown[0]}" of runner {name} is not one of {known}')
    return name, scale(**{key: readers[key](value) for key, value in given.items()})


def scale(
    replicas: tuple[int, int] | None = None,
    cpu: tuple[str, str] | None = None,
    memory: tuple[str, str] | None = None,
    gpu: tuple[str, str] | None = None,
) -> dict[str, Any]:
    """Return the protocol's ``scale`` of what was given."""
    result: dict[str, Any] = {}
    if replicas:
        result["minReplicas"], result["maxReplicas"] = replicas
    wanted = resources((("cpu", cpu), ("memory", memory), ("gpu", gpu)))
    if wanted:
        result["resources"] = wanted
    return result


def resources(
    given: Iterable[tuple[str, tuple[str, str] | None]],
) -> dict[str, dict[str, str]]:
    """Return the protocol's ``resources`` of (name, (request, limit)) pairs."""
    present = [(name, pair) for name, pair in given if pair]
    if not present:
        return {}
    return {
        "requests": {name: request for name, (request, _) in present},
        "limits": {name: limit for name, (_, limit) in present},
    }
