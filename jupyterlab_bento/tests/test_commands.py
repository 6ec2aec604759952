# SPDX-License-Identifier: BSD-3-Clause
"""The verbs, beyond what the command line's own tests run through."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyterlab_bento import commands, results
from jupyterlab_bento.errors import BentoError
from jupyterlab_bento.grammar import parse
from jupyterlab_bento.lookup import look_up
from jupyterlab_bento.words import split

from .conftest import Fake, deployment, operation

Run = Callable[..., results.Result]


@pytest.fixture
def run(fake: Fake) -> Run:
    """Run a magic's line as a kernel with some variables would."""

    def run_line(line: str, cell: str | None = None, **variables: Any) -> results.Result:
        context = commands.Context(
            client=fake.client(),
            look_up=lambda text: look_up(text, variables),
            read_input=None if cell is None else cell.encode,
            input_is_data=cell is not None,
            provenance={"notebook": "/n.ipynb", "cell": "c1"},
        )
        return commands.run(parse(split(line)), context)

    return run_line


class Tag:
    """A tag as BentoML has it."""

    def __str__(self) -> str:
        return "fraud:v1"


class Bento:
    """A bento as BentoML has it: its tag is computed."""

    @property
    def tag(self) -> Tag:
        return Tag()


@pytest.mark.parametrize(
    ("word", "tag"),
    [
        ("bento", "fraud:v1"),
        ("tag_text", "other:v2"),
        ("holder.bento", "fraud:v1"),
        ('made["x"]', "third:v3"),
        ("unknown", "unknown"),
        ("number", "number"),
        ("prose", "prose"),
        ("bento:v9", "bento:v9"),
        ("'tag_text'", "tag_text"),
        ("my-bento.x", "my-bento.x"),
    ],
)
def test_a_tag_or_what_holds_one(run: Run, fake: Fake, word: str, tag: str) -> None:
    fake.script(deploy_plan={"result": {"yaml": "a: 1\n", "notes": ["Careful."]}})
    holder = type("Holder", (), {"bento": Bento()})()
    plan = run(
        f"deploy {word} --dry-run",
        bento=Bento(),
        tag_text="other:v2",
        holder=holder,
        made={"x": "third:v3"},
        number=5,
        prose="some words",
    )
    assert fake.received("deploy.plan")[0]["params"]["tag"] == tag
    assert plan.text() == "# Careful.\na: 1"


def test_says_where_it_comes_from_and_which_store(
    run: Run, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENTOML_HOME", "relative")
    fake.script(deploy_plan={"result": {"yaml": "", "notes": []}})
    run("deploy a --dry-run")
    params = fake.received("deploy.plan")[0]["params"]
    assert params["provenance"] == {"notebook": "/n.ipynb", "cell": "c1"}
    assert params["home"] == str(Path.cwd() / "relative")


def test_without_wait_it_ends_with_the_objects(run: Run, fake: Fake) -> None:
    ended = operation("done", preflight="done", export="done", request="done")
    fake.script(deploy_start={"result": operation()}, operation_follow={"result": ended})
    made = run("deploy a")
    assert isinstance(made, results.Deployment)
    assert not fake.received("deployment.wait")
    assert {stage["stage"] for stage in made.data()["stages"]} == {
        "preflight",
        "export",
        "request",
    }


def test_a_bridge_that_forgot_the_operation(run: Run, fake: Fake) -> None:
    gone = {"code": "notFound", "params": {}, "message": "gone", "hint": ""}
    wire = {**gone, "retryable": False, "details": []}
    created = operation(preflight="done", export="done", request="done")
    fake.script(
        deploy_start={"result": created},
        operation_follow={"error": wire},
        deployment_wait={"result": deployment("ready", build="done", ready="done")},
    )
    made = run("deploy a --wait")
    assert isinstance(made, results.Deployment)
    assert made.state == "ready"
    fake.script(deploy_start={"result": operation()}, operation_follow={"error": wire})
    with pytest.raises(BentoError, match="gone"):
        run("deploy a --wait")


def test_a_cancelled_deploy(run: Run, fake: Fake) -> None:
    fake.script(
        deploy_start={"result": operation()},
        operation_follow={"result": operation("cancelled")},
    )
    with pytest.raises(BentoError) as caught:
        run("deploy a")
    assert caught.value.code == "cancelled"


BENTOS = [
    {"tag": "a:2", "name": "a", "createdAt": "2024-02-01T00:00:00Z", "latest": True},
    {"tag": "a:1", "name": "a", "createdAt": "2024-01-01T00:00:00Z", "size": 2048},
    {"tag": "b:1", "name": "b", "createdAt": "2024-03-01T00:00:00Z", "models": [{}]},
]


def test_lists_what_was_asked_for(run: Run, fake: Fake) -> None:
    chunks = [
        {"bentos": [{"tag": "a:1", "name": "a"}], "bad": []},
        {"bentos": BENTOS, "bad": [{"path": "/s/x", "reason": "no <yaml>"}]},
    ]
    answer = {"home": "/s", "count": 3, "bad": 1}
    fake.script(store_list={"progress": chunks, "result": answer})
    found = run("list a")
    assert isinstance(found, results.Bentos)
    assert [bento["tag"] for bento in found] == ["a:1", "a:2"]
    assert (len(found), found[1]["tag"]) == (2, "a:2")
    assert "a:2 (latest)" in found.text()
    assert "! /s/x: no <yaml>" in found.text()
    assert "no &lt;yaml&gt;" in found.bundle()["text/html"]
    assert found.bundle()[results.MIME]["kind"] == "list"
    with pytest.raises(BentoError) as caught:
        run("list c")
    assert (caught.value.code, caught.value.hint) == ("bentoNotFound", "Known: a, b")


def test_an_empty_store(run: Run, fake: Fake) -> None:
    fake.script(store_list={"result": {"home": "/s", "count": 0, "bad": 0}})
    assert run("list").text() == "No bentos in /s."


def test_a_cell_as_data(run: Run, fake: Fake) -> None:
    body = {"kind": "inline", "encoding": "utf8", "data": "[true]"}
    answer = {
        "status": 200,
        "statusText": "OK",
        "headers": {},
        "contentType": "application/json",
        "body": body,
        "ms": 12.4,
        "via": "forward",
    }
    fake.script(service_request={"result": answer})
    for line in ("request a /p", "request a /p -"):
        got = run(line, cell='{"x": 1}\n')
        assert isinstance(got, results.Answer)
        assert got.value == [True]
        sent = fake.received("service.request")[-1]["params"]
        assert sent["contentType"] == "application/json"
        assert sent["body"]["data"] == '{"x": 1}\n'
    assert got.text() == "POST /p of a: 200 in 12 ms, through a port-forward"
    with pytest.raises(BentoError, match="takes no data"):
        run("status", cell="x")


def test_options_of_a_request(run: Run, fake: Fake) -> None:
    body = {"kind": "inline", "encoding": "utf8", "data": ""}
    answer = {"status": 204, "contentType": "", "body": body, "ms": 1, "via": "direct"}
    fake.script(service_request={"result": answer})
    got = run("request a /p -X put -H A:b --via direct --timeout 1.5s --content-type x/y 5")
    assert isinstance(got, results.Answer)
    assert got.value is None
    sent = fake.received("service.request")[0]["params"]
    assert sent["method"] == "PUT"
    assert (sent["headers"], sent["via"]) == ({"A": "b"}, "direct")
    assert (sent["timeout"], sent["contentType"]) == (1500, "x/y")


def test_lists_routes(run: Run, fake: Fake) -> None:
    routes = [{"path": "/p", "method": "POST", "summary": "Predicts"}]
    fake.script(service_routes={"result": {"title": "A service", "routes": routes}})
    text = run("request a").text()
    assert text.splitlines() == [
        "A service",
        "METHOD  ROUTE  MEANING",
        "POST    /p     Predicts",
    ]


def port(identity: str, name: str, number: int) -> dict[str, Any]:
    return {
        "id": identity,
        "namespace": "ds",
        "name": name,
        "address": f"http://127.0.0.1:{number}",
        "port": number,
        "state": "listening",
        "connections": 0,
    }


def test_ports(run: Run, fake: Fake) -> None:
    two = [port("1", "a", 4001), port("2", "a", 4002), port("3", "b", 4003)]
    fake.script(
        forward_open={"result": two[0]},
        forward_list={"result": {"forwards": two}},
        forward_close={"result": {**two[0], "state": "closed"}},
    )
    assert run("forward a -p 4001").text() == "http://127.0.0.1:4001 -> a in ds (listening)"
    assert len(run("forward").text().splitlines()) == 3
    assert "closed" in run("forward a --stop --port 4002").text()
    run("forward a --stop")
    closed = [message["params"]["id"] for message in fake.received("forward.close")]
    assert closed == ["2", "1", "2"]
    with pytest.raises(BentoError) as caught:
        run("forward c --stop")
    assert caught.value.code == "notFound"
    with pytest.raises(BentoError, match="NAME is missing"):
        run("forward --stop")


def test_details_of_one(run: Run, fake: Fake) -> None:
    view = deployment("degraded", build="done", ready="running")
    view["pods"] = [
        {
            "name": "a-1",
            "role": "runner",
            "runner": "r",
            "phase": "Running",
            "ready": False,
            "terminating": False,
            "createdAt": "2024-01-01T00:00:00Z",
            "containers": [
                {
                    "name": "main",
                    "state": "waiting",
                    "restarts": 3,
                    "reason": "CrashLoop\x1b[31m",
                }
            ],
        }
    ]
    view["findings"] = [
        {
            "message": "It restarts.",
            "hint": "Look at its log.",
            "evidence": {"object": "Pod/a-1", "field": "status", "value": "3"},
        }
    ]
    fake.script(deployment_get={"result": view})
    text = run("status a").text()
    assert "pod a-1 (r): Running, not ready, 3 restarts, main CrashLoop[31m" in text
    assert "! It restarts.\n    Pod/a-1 status: 3\n    Look at its log." in text
