# SPDX-License-Identifier: BSD-3-Clause
"""The user's reference says what the commands' own help says."""

from __future__ import annotations

import pytest

from jupyterlab_bento.grammar import COMMAND, help_text
from jupyterlab_bento.verbs import VERBS

from .conftest import ROOT

REFERENCE = ROOT / "docs" / "command-line.md"


@pytest.mark.parametrize("verb", [name for name in VERBS if name != "help"])
def test_the_reference_holds_the_help(verb: str) -> None:
    if not REFERENCE.is_file():
        pytest.skip("the copy that is tested has no docs folder")
    text = REFERENCE.read_text("utf-8")
    assert f"## {verb}\n\n```text\n{help_text(verb, COMMAND)}\n```" in text
