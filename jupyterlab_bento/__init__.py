# SPDX-License-Identifier: BSD-3-Clause
"""From a bento in a notebook to a running, tested service.

``%load_ext jupyterlab_bento`` adds the ``%bento`` magics to a kernel; the same
verbs exist as ``jupyter bento`` on the command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._version import __version__
from .errors import BentoError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["BentoError", "__version__", "load_ipython_extension"]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register ``%bento`` and ``%%bento``; IPython calls this for ``%load_ext``."""
    from .magics import register  # noqa: PLC0415 - IPython only where magics are

    register(shell)
