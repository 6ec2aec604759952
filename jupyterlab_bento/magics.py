# SPDX-License-Identifier: BSD-3-Clause
"""The magics ``%bento`` and ``%%bento``."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from IPython.core.error import StdinNotImplementedError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from IPython.display import display

from . import commands, results
from .client import Client
from .errors import BentoError, Interrupted
from .grammar import MAGIC, parse
from .lookup import look_up
from .progress import Cell, Terminal, View
from .words import split

_display: Callable[..., Any] = display


@magics_class
class BentoMagics(Magics):
    """Holds the connection to the bridge between cells."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._client = Client("magics")

    @no_var_expand
    @line_cell_magic
    def bento(self, line: str, cell: str | None = None) -> Any:
        """Bring a bento to a running, tested service.

        %bento list [NAME]                  the bentos of the local store
        %bento deploy TAG --wait            export, build the image, deploy
        %bento status [NAME]                what runs, and why it does not
        %bento request NAME /route DATA     send a request, return its answer
        %bento forward NAME                 open a local port to the service
        %bento delete NAME                  delete the deployment
        %bento help VERB                    options and examples

        %%bento request NAME /route         takes the rest of the cell as data
        """
        try:
            command = parse(split(line))
            result = commands.run(command, self._context(cell))
        except (BentoError, Interrupted) as error:
            # The way here is of no use to the reader, in a debugger either.
            raise error.with_traceback(None) from None
        except KeyboardInterrupt:
            raise Interrupted("Interrupted.") from None
        return self._present(result)

    def _context(self, cell: str | None) -> commands.Context:
        variables = self.shell.user_ns if self.shell else {}
        read_input = None if cell is None else cell.encode
        return commands.Context(
            client=self._client,
            prefix=MAGIC,
            look_up=lambda text: look_up(text, variables),
            read_input=read_input,
            input_is_data=cell is not None,
            confirm=_confirm,
            view=self._view(),
            provenance=self._provenance(),
        )

    def _view(self) -> View:
        return Cell(_display) if self._kernel() else Terminal()

    def _kernel(self) -> Any:
        return getattr(self.shell, "kernel", None)

    def _provenance(self) -> dict[str, str]:
        """Return the notebook and the cell that run, as far as they are known."""
        found = {}
        notebook = os.environ.get("JPY_SESSION_NAME")
        if notebook:
            found["notebook"] = notebook
        kernel = self._kernel()
        if kernel is not None:
            metadata = kernel.get_parent("shell").get("metadata") or {}
            if metadata.get("cellId"):
                found["cell"] = str(metadata["cellId"])
        return found

    def _present(self, result: results.Result) -> Any:
        """Show what must be shown however the value is used, and return the value."""
        if isinstance(result, results.Answer):
            self._publish(result)
            return result.value
        if isinstance(result, results.Deleted):
            self._publish(result)
            return None
        if isinstance(result, results.Text):
            print(result.text())
            return None
        return result

    def _publish(self, result: results.Result) -> None:
        if self._kernel():
            _display(result.bundle(), raw=True)
        else:
            print(result.text())


def _confirm(lines: list[str], question: str) -> bool | None:
    """Ask the reader; None when whoever runs the cell takes no questions."""
    print("\n".join(lines), flush=True)
    try:
        return input(question).strip().lower() in ("y", "yes")
    except StdinNotImplementedError:
        return None
    except EOFError:
        return False


def register(shell: InteractiveShell) -> None:
    """Add the magics to a shell."""
    shell.register_magics(BentoMagics)
