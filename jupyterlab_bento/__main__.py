# SPDX-License-Identifier: BSD-3-Clause
"""``python -m jupyterlab_bento``: the command line without its script."""

import sys

from .cli import main

sys.exit(main())
