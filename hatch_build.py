# SPDX-License-Identifier: BSD-3-Clause
"""Makes sure that no wheel comes into being without the bridge."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BridgeBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Builds the bridge where it is missing, with the Node.js of the build machine."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Run ``npm run build`` unless the bridge is there. Raises when it is not then."""
        if version == "editable":
            return  # a source folder is built by hand, as often as it changes
        bridge = Path(self.root) / "jupyterlab_bento" / "bridge" / "bridge.cjs"
        if not bridge.is_file():
            subprocess.run(["npm", "run", "build"], cwd=self.root, check=True)  # noqa: S607
        if not bridge.is_file():
            raise FileNotFoundError(f"npm run build made no {bridge}")
