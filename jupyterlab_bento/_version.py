# SPDX-License-Identifier: BSD-3-Clause
"""Version of the installed package, which is that of ``package.json``."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("jupyterlab_bento")
except PackageNotFoundError:  # run from a source folder that is not installed
    __version__ = "0.0.0"
