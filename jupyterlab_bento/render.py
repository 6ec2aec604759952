# SPDX-License-Identifier: BSD-3-Clause
"""Turns the protocol's objects into lines and tables for the reader."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Any

BENTO_HEAD = ("TAG", "CREATED", "SERVICE", "BENTOML", "SIZE", "MODELS", "NOTES")
DEPLOYMENT_HEAD = ("NAME", "STATE", "READY", "TAG", "SINCE")
ROUTE_HEAD = ("METHOD", "ROUTE", "TAKES", "MEANING")
_SIZES = ("B", "KiB", "MiB", "GiB")
_MARKS = {"pending": "·", "running": "…", "done": "✓", "failed": "✗", "skipped": "-"}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plain(text: object) -> str:
    """Return text without control characters, which a terminal would obey."""
    return _CONTROL.sub("", str(text))


def size(count: float | None) -> str:
    """Return a number of bytes for the reader, empty when it is not known."""
    if count is None:
        return ""
    for unit in _SIZES[:-1]:
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} {_SIZES[-1]}"


def seconds(value: float) -> str:
    """Return a duration for the reader, for instance ``0.4 s`` or ``2 min 05 s``."""
    if value < 60:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min"


def milliseconds(value: float) -> str:
    """Return a duration given in milliseconds for the reader."""
    return f"{value:.0f} ms" if value < 1000 else seconds(value / 1000)


def instant(text: str | None) -> str:
    """Return a moment of the protocol to the minute, empty when it is not known."""
    return (text or "")[:16].replace("T", " ")


def in_words(state: str) -> str:
    """Return a state as words: ``rollingOut`` reads ``rolling out``."""
    return re.sub(r"([A-Z])", lambda letter: f" {letter[1].lower()}", plain(state))


def bento_row(bento: dict[str, Any]) -> list[str]:
    """Return the cells of a bento."""
    tag = str(bento["tag"]) + (" (latest)" if bento.get("latest") else "")
    models = bento.get("models") or []
    model_size = bento.get("modelSize")
    return [
        tag,
        instant(bento.get("createdAt")),
        str(bento.get("service", "")),
        str(bento.get("bentomlVersion", "")),
        size(bento.get("size")),
        str(len(models)) + (f", {size(model_size)}" if model_size is not None else ""),
        "; ".join(map(str, bento.get("notes") or [])),
    ]


def deployment_row(view: dict[str, Any]) -> list[str]:
    """Return the cells of a deployment."""
    return [
        str(view["name"]),
        in_words(view["state"]),
        _replicas(view),
        str(view.get("tag", "")),
        instant(view.get("since")),
    ]


def _replicas(view: dict[str, Any]) -> str:
    replicas = view.get("replicas") or {}
    return f"{replicas.get('ready', 0)}/{replicas.get('wanted', 0)}"


def route_row(route: dict[str, Any]) -> list[str]:
    """Return the cells of a route."""
    names = ("method", "path", "contentType", "summary")
    return [str(route.get(name, "")) for name in names]


def forward_line(forward: dict[str, Any]) -> str:
    """Return an open port in a line."""
    error = f": {forward['error']}" if forward.get("error") else ""
    where = f"{forward['address']} -> {forward['name']} in {forward['namespace']}"
    return plain(f"{where} ({forward['state']}{error})")


def item_line(item: dict[str, Any]) -> str:
    """Return one thing of a deletion in a line."""
    fates = {"explicit": "goes", "owned": "goes with its owner", "kept": "stays"}
    note = f" ({item['note']})" if item.get("note") else ""
    fate = fates.get(item["fate"], item["fate"])
    return plain(f"{item['kind']} {item['name']}: {fate}{note}")


def stage_line(stage: dict[str, Any], running_ms: float | None = None) -> str:
    """Return a stage in a line: mark, name, duration, bytes, note."""
    ms = running_ms if running_ms is not None else stage.get("ms")
    parts = [
        f"{_MARKS.get(stage['state'], '?')} {stage['stage']:<9}",
        f"{seconds(ms / 1000):>11}" if ms is not None else " " * 11,
    ]
    sent = stage.get("bytes")
    if sent:
        done, total = sent["done"], sent["total"]
        whole = f" of {size(total)}" if done < total else ""
        parts.append(f"{size(done)}{whole}")
    if stage.get("note"):
        parts.append(plain(stage["note"]))
    return "  ".join(parts).rstrip()


def finding_lines(view: dict[str, Any]) -> list[str]:
    """Return why something is not ready: what, where it shows, what to do."""
    lines = []
    for finding in view.get("findings") or []:
        evidence = finding.get("evidence") or {}
        lines.append(plain(f"! {finding['message']}"))
        if evidence.get("object"):
            shown = f"{evidence['object']} {evidence.get('field', '')}"
            lines.append(plain(f"  {shown}: {evidence.get('value', '')}"))
        if finding.get("hint"):
            lines.append(plain(f"  {finding['hint']}"))
    return lines


def status_lines(view: dict[str, Any]) -> list[str]:
    """Return a deployment in detail."""
    head = f"{view['name']} in {view['namespace']}: {in_words(view['state'])}"
    lines = [f"{head}, {_replicas(view)} ready, since {instant(view.get('since'))}"]
    for label, name in (("tag", "tag"), ("image", "image")):
        if view.get(name):
            lines.append(f"  {label:<6} {plain(view[name])}")
    lines += [f"  {stage_line(stage)}" for stage in view.get("stages") or []]
    for pod in view.get("pods") or []:
        lines.append(f"  pod {_pod(pod)}")
    return lines + [f"  {line}" for line in finding_lines(view)]


def _pod(pod: dict[str, Any]) -> str:
    role = pod.get("runner") or pod.get("role", "")
    state = "terminating" if pod.get("terminating") else pod.get("phase", "")
    ready = "ready" if pod.get("ready") else "not ready"
    containers = pod.get("containers") or []
    restarts = sum(container.get("restarts", 0) for container in containers)
    reasons = [
        f"{container['name']} {container['reason']}"
        for container in containers
        if container.get("reason") and container.get("state") != "running"
    ]
    words = [f"{pod['name']} ({role}): {state}, {ready}"]
    words += [f"{restarts} restarts"] if restarts else []
    return plain(", ".join([*words, *reasons]))


def text_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table as lines; columns that are empty everywhere are left out."""
    table = [[plain(cell) for cell in row] for row in [list(head), *rows]]
    used = [column for column in range(len(head)) if any(row[column] for row in table[1:])]
    widths = {column: max(len(row[column]) for row in table) for column in used}
    return [
        "  ".join(row[column].ljust(widths[column]) for column in used).rstrip()
        for row in table
    ]


def html_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()
) -> str:
    """Return a table as HTML with everything escaped, and remarks below it."""
    used = [column for column in range(len(head)) if any(row[column] for row in rows)]
    lines = []
    if used:
        cells = "".join(f"<th>{escape(head[column].capitalize())}</th>" for column in used)
        lines.append(f"<table><thead><tr>{cells}</tr></thead><tbody>")
        for row in rows:
            cells = "".join(f"<td>{escape(row[column])}</td>" for column in used)
            lines.append(f"<tr>{cells}</tr>")
        lines.append("</tbody></table>")
    lines += [f"<p>{escape(note)}</p>" for note in notes]
    return "".join(lines)
