# SPDX-License-Identifier: BSD-3-Clause
"""The command line: exit codes, what is printed where, and the JSON object."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jupyterlab_bento import cli
from jupyterlab_bento.client import BridgeHolder
from jupyterlab_bento.errors import protocol

from .conftest import ROOT, Fake, deployment, make_bento, operation


def run(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "jupyterlab_bento", *arguments],
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        timeout=50,
        check=False,
    )


def failure(code: str, **extra: Any) -> dict[str, Any]:
    """Return an error as the bridge would send it."""
    texts = protocol()["errors"][code]
    error = {"code": code, "params": {}, "retryable": False, "details": []}
    return {"error": {**error, **texts, **extra}}


def test_lists_a_store(
    real: BridgeHolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_bento(tmp_path, "churn:1")
    make_bento(tmp_path, "iris:2")
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    done = run("list", "churn", "--json")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["ok"]) == (0, True)
    assert answer["data"]["home"] == str(tmp_path)
    assert [bento["tag"] for bento in answer["data"]["bentos"]] == ["churn:1"]
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (["nonsense"], 2, "usage"),
        (["deploy"], 2, "usage"),
        (["list", "nothing"], 1, "bentoNotFound"),
        (["status"], 5, "noCluster"),
        (["deploy", "churn", "--dry-run"], 5, "noCluster"),
    ],
)
def test_failures_in_a_process_of_its_own(
    real: BridgeHolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    status: int,
    code: str,
) -> None:
    make_bento(tmp_path, "churn:1")
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    monkeypatch.setenv("JUPYTERLAB_BENTO_NAMESPACE", "ds-team")
    monkeypatch.setenv("JUPYTERLAB_BENTO_S3_URL", "s3://models/bentos")
    done = run(*arguments, "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == status, answer
    assert (answer["ok"], answer["code"]) == (False, code)
    assert set(answer) == {"ok", "code", "hint", "data"}
    assert set(answer["data"]) == {"message", "params", "details"}
    assert answer["hint"]
    assert "%bento" not in done.stdout.decode()


def test_words_for_a_reader(real: BridgeHolder) -> None:
    done = run("dploy", "x")
    text = done.stderr.decode()
    assert (done.returncode, done.stdout) == (2, b"")
    assert text.startswith('There is no verb "dploy". Did you mean deploy?')
    assert "jupyter bento help" in text
    assert "Traceback" not in text
    assert run().stdout.decode().startswith("From a bento to a running")


@pytest.mark.parametrize(
    ("code", "status"),
    [("forbidden", 4), ("timeout", 3), ("clusterUnreachable", 5), ("noNamespace", 2)],
)
def test_exit_codes_by_error(
    fake: Fake, capsys: pytest.CaptureFixture[str], code: str, status: int
) -> None:
    fake.script(deployment_list=failure(code))
    assert cli.main(["status"]) == status
    printed = capsys.readouterr()
    assert f"[{code}]" in printed.err
    assert printed.out == ""


def test_deploys_and_waits(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    ended = operation(state="done", request="done")
    fake.script(
        deploy_start={"result": operation()},
        operation_follow={"progress": [operation(export="running")], "result": ended},
        deployment_wait={"result": deployment("ready", build="done", ready="done")},
    )
    options = ["--wait", "--replicas", "2", "--cpu", "300m-500m", "--env", "A=1"]
    assert cli.main(["deploy", "churn:1", *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Deploying churn:1 as churn in ds-team"
    stages = [line.split()[1] for line in lines if line.startswith("✓")]
    assert stages == ["export", "request", "build", "ready"], lines
    (sent,) = fake.received("deploy.start")
    server = {"minReplicas": 2, "maxReplicas": 2}
    limits = {"requests": {"cpu": "300m"}, "limits": {"cpu": "500m"}}
    assert sent["params"]["apiServer"] == {**server, "resources": limits}


def test_deploys_as_json(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake.script(
        deploy_start={"result": operation()},
        operation_follow={"result": operation(state="done", request="done")},
    )
    assert cli.main(["deploy", "churn:1", "--json"]) == 0
    printed = capsys.readouterr()
    answer = json.loads(printed.out)
    assert answer["data"]["name"] == "churn"
    assert [stage["stage"] for stage in answer["data"]["stages"]] == ["export", "request"]
    assert "export" in printed.err
    assert fake.received("deployment.wait") == []


def test_a_failed_deploy_says_why(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    cause = failure("buildFailed", message="The image build failed", details=["no pip"])
    fake.script(
        deploy_start={"result": operation()},
        operation_follow={"result": operation(state="done", request="done")},
        deployment_wait=cause,
    )
    assert cli.main(["deploy", "churn:1", "--wait"]) == 1
    text = capsys.readouterr().err
    assert "The image build failed [buildFailed]" in text
    assert "| no pip" in text


def test_an_interrupt_says_what_goes_on(
    fake: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.script(
        deploy_start={"result": operation(request="done")},
        operation_follow={"hang": True},
    )

    def interrupt(_view: object, _board: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("jupyterlab_bento.progress.Terminal.show", interrupt)
    monkeypatch.setattr("jupyterlab_bento.progress.Terminal.end", lambda *_: None)
    assert cli.main(["deploy", "churn:1", "--wait"]) == 130
    text = capsys.readouterr().err
    assert "Deploying churn goes on in the cluster" in text
    assert 'Look with "jupyter bento status churn"' in text


ANSWER = {
    "status": 200,
    "statusText": "OK",
    "headers": {},
    "contentType": "application/json",
    "body": {"kind": "inline", "encoding": "utf8", "data": '{"p": [0.5]}'},
    "ms": 12.5,
    "via": "forward",
}


def test_requests(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake.script(service_request={"result": ANSWER})
    assert cli.main(["request", "churn", "/predict", '{"rows": [1]}']) == 0
    assert json.loads(capsys.readouterr().out) == {"p": [0.5]}
    (sent,) = fake.received("service.request")
    assert json.loads(sent["params"]["body"]["data"]) == {"rows": [1]}
    assert cli.main(["request", "churn", "/predict", "rows=[1]", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert (data["answer"], data["via"]) == ({"p": [0.5]}, "forward")


def test_an_answer_goes_to_a_file(
    fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.script(service_request={"result": ANSWER})
    out = tmp_path / "answer.json"
    assert cli.main(["request", "churn", "/predict", "--out", str(out)]) == 0
    assert json.loads(out.read_text()) == {"p": [0.5]}
    assert str(out) in capsys.readouterr().out


def test_a_service_that_refuses(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    body = {"kind": "inline", "encoding": "utf8", "data": '{"error": "3 columns"}'}
    refused = {**ANSWER, "status": 400, "statusText": "Bad Request", "body": body}
    fake.script(service_request={"result": refused})
    assert cli.main(["request", "churn", "/predict", "5", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["code"] == "requestFailed"
    assert "3 columns" in answer["data"]["message"]
    assert '"jupyter bento request churn" lists the routes' in answer["hint"]


PLAN = {
    "items": [
        {"kind": "BentoDeployment", "name": "churn", "fate": "explicit"},
        {"kind": "Secret", "name": "keep", "fate": "kept"},
    ]
}


def test_deletes_nothing_unasked(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake.script(deployment_planDelete={"result": PLAN})
    assert cli.main(["delete", "churn"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert fake.received("deployment.delete") == []


def test_deletes(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake.script(
        deployment_planDelete={"result": PLAN},
        deployment_delete={"result": {**PLAN, "ms": 40}},
    )
    assert cli.main(["delete", "churn", "--yes", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["deleted"] == ["BentoDeployment/churn"]


def test_a_bridge_that_dies_in_a_delete_finishes_it(
    fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.script(
        deployment_planDelete={"result": PLAN},
        deployment_delete={"dieOnce": True, "result": {**PLAN, "ms": 40}},
    )
    assert cli.main(["delete", "churn", "--yes"]) == 0
    assert len(fake.received("deployment.delete")) == 2
    assert "BentoDeployment/churn" in capsys.readouterr().out


def test_a_bridge_that_dies_in_a_deploy_does_not_deploy_twice(
    fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.script(
        deploy_start={"die": True},
        operation_list={"result": {"operations": [operation()]}},
        operation_follow={"result": operation(state="done", request="done")},
    )
    assert cli.main(["deploy", "churn:1"]) == 0
    assert len(fake.received("deploy.start")) == 1
    assert "churn" in capsys.readouterr().out


def test_a_request_is_never_sent_twice(
    fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.script(service_request={"die": True})
    assert cli.main(["request", "churn", "/predict", "5"]) == 5
    assert "[bridgeLost]" in capsys.readouterr().err
    assert len(fake.received("service.request")) == 1


def test_shows_no_secret(
    fake: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cr3tLEAKs3cr3tLEAK")
    query = "X-Amz-Signature=sigLEAK0123456789abcdef"
    leaky = f"GET http://s3/b/k?{query} with s3cr3tLEAKs3cr3tLEAK"
    cause = failure("buildFailed", message=leaky, hint=leaky, details=[leaky])
    fake.script(deployment_list=cause, start={"log": leaky})
    for arguments in (["status"], ["status", "--json"]):
        assert cli.main(arguments) == 1
        printed = capsys.readouterr()
        assert "LEAK" not in printed.out + printed.err
        assert "***" in printed.out + printed.err
    runtime = Path(os.environ["JUPYTER_RUNTIME_DIR"])
    for file in runtime.rglob("*"):
        assert not file.is_file() or "LEAK" not in file.read_text()
