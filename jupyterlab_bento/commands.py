# SPDX-License-Identifier: BSD-3-Clause
"""The verbs: what ``%bento`` and ``jupyter bento`` do."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import data, render, results
from .client import Client
from .deploying import deploy
from .errors import BentoError, UsageError
from .grammar import MAGIC, Command, help_text
from .progress import Silent, View
from .values import resources, scale

#: What a variable's text must look like to be meant as a tag; the bridge checks it.
_TAG = re.compile(r"[\w.-]+(:[\w.-]+)?")


@dataclass
class Context:
    """Where a command runs: what it may ask of its surroundings."""

    client: Client
    prefix: str = MAGIC
    #: Finds a variable of the kernel; None on the command line.
    look_up: Callable[[str], Any] | None = None
    #: Gives what ``-`` stands for: standard input, or the rest of the cell.
    read_input: Callable[[], bytes] | None = None
    #: The rest of the cell stands for DATA that was left out.
    input_is_data: bool = False
    #: Shows lines and asks a question; answers None where nobody can be asked.
    confirm: Callable[[list[str], str], bool | None] = lambda _lines, _question: None
    view: View = field(default_factory=Silent)
    #: Notebook and cell that the command comes from.
    provenance: dict[str, str] = field(default_factory=dict)


def run(command: Command, context: Context) -> results.Result:
    """Run a command and return its result. Raises :class:`BentoError`."""
    if context.input_is_data and command.verb != "request":
        raise UsageError(
            f"{command.verb} takes no data: write {context.prefix} on one line."
        )
    return _VERBS[command.verb](command, context)


def bento_home() -> dict[str, str]:
    """Return the store's folder as parameters, when this process has set one.

    Read at each call, since a kernel may change ``BENTOML_HOME`` at any time.
    """
    home = os.environ.get("BENTOML_HOME")
    return {"home": str(Path(home).expanduser().absolute())} if home else {}


def _target(command: Command) -> dict[str, Any]:
    return {**_namespace(command), "name": command.words["NAME"]}


def _namespace(command: Command) -> dict[str, Any]:
    namespace = command.option("namespace")
    return {"namespace": namespace} if namespace else {}


def _help(command: Command, context: Context) -> results.Result:
    return results.Text(help_text(command.word("VERB"), context.prefix))


def _list(command: Command, context: Context) -> results.Result:
    rows: dict[str, dict[str, Any]] = {}
    bad: dict[str, dict[str, Any]] = {}

    def take(chunk: dict[str, Any]) -> None:
        rows.update({bento["tag"]: bento for bento in chunk.get("bentos") or []})
        bad.update({entry["path"]: entry for entry in chunk.get("bad") or []})

    params: dict[str, Any] = {**bento_home(), "sizes": command.option("sizes")}
    answer = context.client.request("store.list", params, on_progress=take)
    wanted = command.word("NAME")
    bentos = [
        bento for bento in rows.values() if wanted in (None, bento["name"], bento["tag"])
    ]
    if wanted and not bentos:
        known = ", ".join(sorted({bento["name"] for bento in rows.values()})) or "none"
        missing = {"tag": wanted, "home": answer["home"], "known": known}
        raise BentoError("bentoNotFound", missing)
    bentos.sort(key=lambda bento: (bento.get("createdAt") or "", bento["tag"]))
    return results.Bentos(str(answer["home"]), bentos, list(bad.values()))


def _deploy(command: Command, context: Context) -> results.Result:
    tag = _tag(command.words["TAG"], context)
    spec = {**bento_home(), **deploy_spec(command, tag)}
    if context.provenance:
        spec["provenance"] = context.provenance
    if command.option("dry-run"):
        plan = context.client.request("deploy.plan", spec)
        return results.Plan(str(plan["yaml"]), [str(note) for note in plan["notes"]])
    return deploy(
        context.client,
        spec,
        wait=command.option("wait"),
        timeout=command.option("timeout"),
        view=context.view,
        prefix=context.prefix,
    )


def _tag(word: str, context: Context) -> str:
    """Return the tag that a word is, or that the variable of that name holds."""
    if context.look_up is None or ":" in word or getattr(word, "quoted", False):
        return word
    try:
        value = context.look_up(word)
    except BentoError:
        return word
    if isinstance(value, str):
        return value if _TAG.fullmatch(value) else word
    # A bento of the library: its tag is computed, and asking for it is why it was named.
    tag = getattr(value, "tag", None)
    return word if tag is None else str(tag)


def deploy_spec(command: Command, tag: str) -> dict[str, Any]:
    """Return the protocol's ``deploySpec`` that the options describe."""
    option = command.option
    spec: dict[str, Any] = {"tag": tag, **_namespace(command)}
    for name, key in (("name", "name"), ("to", "destination"), ("image", "image")):
        if option(name):
            spec[key] = option(name)
    server = scale(option("replicas"), option("cpu"), option("memory"), option("gpu"))
    if server:
        spec["apiServer"] = server
    if option("runner"):
        spec["runners"] = dict(option("runner"))
    if option("env"):
        spec["envs"] = option("env")
    wanted = (("cpu", option("builder-cpu")), ("memory", option("builder-memory")))
    builder = resources(wanted)
    if builder:
        spec["builder"] = builder
    return spec


def _status(command: Command, context: Context) -> results.Result:
    name = command.word("NAME")
    if name is None:
        answer = context.client.request("deployment.list", _namespace(command))
        return results.Deployments(str(answer["namespace"]), answer["deployments"])
    return results.Status(context.client.request("deployment.get", _target(command)))


def _request(command: Command, context: Context) -> results.Result:
    route = command.word("ROUTE")
    if route is None:
        answer = context.client.request("service.routes", _target(command))
        name = str(command.words["NAME"])
        return results.Routes(name, str(answer["title"]), answer["routes"])
    body = data.parse_data(
        command.rest, look_up=context.look_up, read_input=context.read_input
    )
    if body is None and context.input_is_data and context.read_input:
        body = data.bytes_body(context.read_input())
    params = {**_target(command), "path": route}
    for name, key in (("method", "method"), ("via", "via")):
        if command.option(name):
            params[key] = command.option(name)
    if command.option("header"):
        params["headers"] = dict(command.option("header"))
    if command.option("timeout"):
        params["timeout"] = round(command.option("timeout") * 1000)
    if body is not None:
        params["contentType"] = command.option("content-type") or body.content_type
        params["body"] = _send_body(context.client, body)
    answer = context.client.request("service.request", params)
    method = command.option("method") or ("GET" if body is None else "POST")
    return _answer(command, context, answer, str(method))


def _send_body(client: Client, body: data.Body) -> dict[str, Any]:
    if body.size <= data.INLINE_BYTES:
        return dict(body.inline())
    size = body.size
    if body.file is None:
        return {"kind": "blob", "id": client.put_blob(body.data, size), "size": size}
    with body.file.open("rb") as file:
        return {"kind": "blob", "id": client.put_blob(file, size), "size": size}


def _answer(
    command: Command, context: Context, answer: dict[str, Any], method: str
) -> results.Result:
    name, route = str(command.words["NAME"]), str(command.words["ROUTE"])
    out = command.option("out")
    succeeded = 200 <= answer["status"] < 300
    raw = _fetch_body(context.client, answer["body"], out if succeeded else None)
    content_type = str(answer.get("contentType", ""))
    value = data.decode_answer(raw, content_type)
    if not succeeded:
        raise _request_failed(name, method, route, answer, value)
    return results.Answer(
        name=name,
        route=route,
        status=int(answer["status"]),
        ms=answer["ms"],
        via=str(answer["via"]),
        method=method,
        content_type=content_type,
        value=Path(out) if out else value,
        raw=raw,
    )


def _fetch_body(client: Client, body: dict[str, Any], out: str | None) -> bytes:
    """Return the bytes of an answer; written to ``out`` instead when it is given."""
    if body["kind"] == "blob" and out:
        with Path(out).expanduser().open("wb") as file:
            client.get_blob(str(body["id"]), file)
        return b""
    if body["kind"] == "blob":
        raw = client.get_blob(str(body["id"]))
    else:
        raw = data.inline_bytes(body)
    if out:
        Path(out).expanduser().write_bytes(raw)
        return b""
    return raw


def _request_failed(
    name: str, method: str, route: str, answer: dict[str, Any], value: Any
) -> BentoError:
    status = int(answer["status"])
    actions = {
        404: f'The service has no such route; "{MAGIC} request {name}" lists them.',
        405: f'Another method is needed; "{MAGIC} request {name}" lists the routes.',
    }
    action = f'Correct the data; "{MAGIC} request {name}" lists the routes.'
    if status >= 500:
        action = f'Look at its pods with "{MAGIC} status {name}".'
    reason = data.failure_reason(value) if value is not None else ""
    return BentoError(
        "requestFailed",
        {
            "name": name,
            "status": status,
            "method": method,
            "path": route,
            "reason": reason or str(answer.get("statusText") or "no reason given"),
            "action": actions.get(status, action),
        },
    )


def _forward(command: Command, context: Context) -> results.Result:
    name = command.word("NAME")
    stop, port = command.option("stop"), command.option("port")
    if name is None and (stop or port):
        raise UsageError("NAME is missing: which deployment?")
    if name is None:
        return results.Forwards(context.client.request("forward.list")["forwards"])
    if not stop:
        params = {**_target(command), **({"port": port} if port else {})}
        return results.Forwards([context.client.request("forward.open", params)])
    wanted = command.option("namespace")
    found = [
        forward
        for forward in context.client.request("forward.list")["forwards"]
        if forward["name"] == name
        and wanted in (None, forward["namespace"])
        and port in (None, forward["port"])
    ]
    if not found:
        hint = f'See "{MAGIC} forward" for the open ones.'
        raise BentoError("notFound", {"what": f"An open port to {name}", "hint": hint})
    closed = [
        context.client.request("forward.close", {"id": forward["id"]}) for forward in found
    ]
    return results.Forwards(closed)


def _delete(command: Command, context: Context) -> results.Result:
    target = _target(command)
    name = str(target["name"])
    items = context.client.request("deployment.planDelete", target)["items"]
    if not command.option("yes"):
        lines = [f"Deleting {name}:", *(f"  {render.item_line(item)}" for item in items)]
        answer = context.confirm(lines, f"Delete {name}? [y/N] ")
        if answer is None:
            raise BentoError("confirmationNeeded", {"name": name})
        if not answer:
            raise BentoError("notConfirmed")
    deleted = _delete_once(context.client, target, items)
    return results.Deleted(name, deleted["items"], deleted["ms"])


def _delete_once(
    client: Client, target: dict[str, Any], items: list[dict[str, Any]]
) -> dict[str, Any]:
    """Delete; when the bridge dies meanwhile, finish what it had begun."""
    try:
        answer: dict[str, Any] = client.request("deployment.delete", target)
    except BentoError as error:
        if error.code != "bridgeLost":
            raise
        try:
            answer = client.request("deployment.delete", target)
        except BentoError as again:
            if again.code != "notFound":
                raise
            answer = {"items": items, "ms": 0}
    return answer


_VERBS: dict[str, Callable[[Command, Context], results.Result]] = {
    "help": _help,
    "list": _list,
    "deploy": _deploy,
    "status": _status,
    "request": _request,
    "forward": _forward,
    "delete": _delete,
}
