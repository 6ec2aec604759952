# SPDX-License-Identifier: BSD-3-Clause
"""What the verbs return: plain objects that know how to show themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from . import render

#: Type of the machine-readable part of a cell's output.
MIME = "application/vnd.jupyterlab-bento+json"


class Result:
    """A result: machine-readable as :meth:`data`, for the reader as text and HTML."""

    kind = ""

    def data(self) -> Any:
        """Return the result as plain JSON."""
        raise NotImplementedError

    def text(self) -> str:
        """Return the result as text for a terminal."""
        raise NotImplementedError

    def html(self) -> str | None:
        """Return the result as HTML where that helps."""
        return None

    def bundle(self) -> dict[str, Any]:
        """Return the result in all its forms by MIME type."""
        output = {"kind": self.kind, "ok": True, "data": self.data()}
        bundle: dict[str, Any] = {"text/plain": self.text(), MIME: output}
        html = self.html()
        if html is not None:
            bundle["text/html"] = html
        return bundle

    def _repr_mimebundle_(self, **_wanted: object) -> dict[str, Any]:
        return self.bundle()

    def __repr__(self) -> str:
        return self.text()


@dataclass(frozen=True, repr=False)
class Text(Result):
    """Text alone, for instance help."""

    content: str
    kind: str = "help"

    def data(self) -> dict[str, Any]:
        """Return the text."""
        return {"text": self.content}

    def text(self) -> str:
        """Return the text."""
        return self.content


@dataclass(frozen=True, repr=False)
class Bentos(Result):
    """The bentos of a store, newest last, as the protocol's ``bento`` objects."""

    home: str
    bentos: list[dict[str, Any]]
    bad: list[dict[str, Any]]
    kind = "list"

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.bentos)

    def __len__(self) -> int:
        return len(self.bentos)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.bentos[index]

    def data(self) -> dict[str, Any]:
        """Return home, bentos and the entries that could not be read."""
        return {"home": self.home, "bentos": self.bentos, "bad": self.bad}

    def text(self) -> str:
        """Return a table, and a line for each entry that could not be read."""
        lines = render.text_table(render.BENTO_HEAD, self._rows())
        if not self.bentos:
            lines = [f"No bentos in {self.home}."]
        lines += [f"! {entry['path']}: {entry['reason']}" for entry in self.bad]
        return "\n".join(lines)

    def html(self) -> str:
        """Return the same as an HTML table."""
        notes = [f"{entry['path']}: {entry['reason']}" for entry in self.bad]
        if not self.bentos:
            notes.insert(0, f"No bentos in {self.home}.")
        return render.html_table(render.BENTO_HEAD, self._rows(), notes)

    def _rows(self) -> list[list[str]]:
        return [render.bento_row(bento) for bento in self.bentos]


@dataclass(frozen=True, repr=False)
class Deployments(Result):
    """The deployments of a namespace, as the protocol's ``deployment`` objects."""

    namespace: str
    deployments: list[dict[str, Any]]
    kind = "status"

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.deployments)

    def __len__(self) -> int:
        return len(self.deployments)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.deployments[index]

    def data(self) -> dict[str, Any]:
        """Return namespace and deployments."""
        return {"namespace": self.namespace, "deployments": self.deployments}

    def text(self) -> str:
        """Return a table."""
        if not self.deployments:
            return f"No deployments in namespace {self.namespace}."
        return "\n".join(render.text_table(render.DEPLOYMENT_HEAD, self._rows()))

    def html(self) -> str:
        """Return the same as an HTML table."""
        empty = f"No deployments in namespace {self.namespace}."
        notes = [] if self.deployments else [empty]
        return render.html_table(render.DEPLOYMENT_HEAD, self._rows(), notes)

    def _rows(self) -> list[list[str]]:
        return [render.deployment_row(view) for view in self.deployments]


@dataclass(frozen=True, repr=False)
class Status(Result):
    """One deployment in detail; ``view`` is the protocol's ``deployment``."""

    view: dict[str, Any]
    kind = "status"

    @property
    def state(self) -> str:
        """State of the deployment, for instance ``ready``."""
        return str(self.view["state"])

    def data(self) -> dict[str, Any]:
        """Return the protocol's object."""
        return self.view

    def text(self) -> str:
        """Return the stages, the pods, and why it is not ready."""
        return "\n".join(render.status_lines(self.view))


@dataclass(frozen=True, repr=False)
class Deployment(Result):
    """What ``deploy`` made: where it is and how long each stage took."""

    tag: str
    name: str
    namespace: str
    state: str
    stages: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    kind = "deploy"

    def data(self) -> dict[str, Any]:
        """Return tag, name, namespace and the finished stages in milliseconds."""
        stages = [
            {"stage": stage["stage"], "ms": stage["ms"]}
            for stage in self.stages
            if stage.get("state") == "done" and "ms" in stage
        ]
        return {
            "tag": self.tag,
            "name": self.name,
            "namespace": self.namespace,
            "stages": stages,
        }

    def text(self) -> str:
        """Return one line."""
        return f"{self.name} in {self.namespace}: {self.tag}, {render.in_words(self.state)}"


@dataclass(frozen=True, repr=False)
class Plan(Result):
    """What a deploy would send: YAML, and remarks."""

    yaml: str
    notes: list[str]
    kind = "plan"

    def data(self) -> dict[str, Any]:
        """Return the YAML and the remarks."""
        return {"yaml": self.yaml, "notes": self.notes}

    def text(self) -> str:
        """Return YAML with the remarks as comments."""
        notes = [f"# {line}" for note in self.notes for line in note.splitlines()]
        return "\n".join([*notes, self.yaml.rstrip("\n")])


@dataclass(frozen=True, repr=False)
class Routes(Result):
    """The routes of a service, as the protocol's ``route`` objects."""

    name: str
    title: str
    routes: list[dict[str, Any]]
    kind = "routes"

    def data(self) -> dict[str, Any]:
        """Return name, title and routes."""
        return {"name": self.name, "title": self.title, "routes": self.routes}

    def text(self) -> str:
        """Return a table."""
        rows = [render.route_row(route) for route in self.routes]
        return "\n".join([self.title, *render.text_table(render.ROUTE_HEAD, rows)])


@dataclass(frozen=True, repr=False)
class Answer(Result):
    """A service's answer; ``value`` is it as a Python value, ``raw`` its bytes."""

    name: str
    route: str
    status: int
    ms: float
    via: str
    method: str
    content_type: str
    value: Any
    raw: bytes
    kind = "request"

    def data(self) -> dict[str, Any]:
        """Return what happened, without the answer itself."""
        return {
            "name": self.name,
            "route": self.route,
            "status": self.status,
            "ms": self.ms,
            "via": self.via,
        }

    def text(self) -> str:
        """Return one line about the exchange."""
        way = "directly" if self.via == "direct" else "through a port-forward"
        took = render.milliseconds(self.ms)
        return f"{self.method} {self.route} of {self.name}: {self.status} in {took}, {way}"


@dataclass(frozen=True, repr=False)
class Forwards(Result):
    """Open local ports, as the protocol's ``forward`` objects."""

    forwards: list[dict[str, Any]]
    kind = "forward"

    def data(self) -> dict[str, Any]:
        """Return the ports."""
        return {"forwards": self.forwards}

    def text(self) -> str:
        """Return one line for each port."""
        if not self.forwards:
            return "No port is open."
        return "\n".join(render.forward_line(forward) for forward in self.forwards)


@dataclass(frozen=True, repr=False)
class Deleted(Result):
    """What a delete removed."""

    name: str
    items: list[dict[str, Any]]
    ms: float
    kind = "delete"

    def data(self) -> dict[str, Any]:
        """Return name, what is gone as ``Kind/name``, and how long it took."""
        return {"name": self.name, "deleted": self._gone(), "ms": self.ms}

    def text(self) -> str:
        """Return what is gone and what stayed."""
        kept = [render.item_line(item) for item in self.items if item["fate"] == "kept"]
        took = render.milliseconds(self.ms)
        lines = [f"Deleted {self.name} in {took}: {', '.join(self._gone()) or 'nothing'}"]
        return "\n".join(lines + [f"  {line}" for line in kept])

    def _gone(self) -> list[str]:
        return [
            f"{item['kind']}/{item['name']}"
            for item in self.items
            if item["fate"] != "kept"
        ]
