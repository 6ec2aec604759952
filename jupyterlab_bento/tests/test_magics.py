# SPDX-License-Identifier: BSD-3-Clause
"""The magics in real kernels."""

from __future__ import annotations

import os
import queue
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from jupyterlab_bento.errors import protocol
from jupyterlab_bento.results import MIME

from .conftest import BRIDGE, FAKE, ROOT, Fake, make_bento, operation, wait_for

SECONDS = 40.0
SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIATESTLEAK0001",
    "AWS_SECRET_ACCESS_KEY": "s3cr3tLEAKs3cr3tLEAK",
    "AWS_SESSION_TOKEN": "FwoGZXIvYXdzEBYaLEAKLEAK",
}


@dataclass
class Output:
    """What a cell put out."""

    error: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    bundles: list[dict[str, Any]] = field(default_factory=list)

    @property
    def shown(self) -> str:
        """All that a reader sees of it, an error included."""
        plain = [str(bundle.get("text/plain", "")) for bundle in self.bundles]
        return "\n".join([self.text, *plain, *self.error.get("traceback", [])])

    def data(self, kind: str) -> Any:
        """Return the machine-readable output of a kind, the last one."""
        found = [bundle[MIME] for bundle in self.bundles if MIME in bundle]
        return [output for output in found if output["kind"] == kind][-1]["data"]


class Kernel:
    """A real kernel of this environment with the magics loaded."""

    def __init__(self, folder: Path) -> None:
        self._sockets = tempfile.TemporaryDirectory(prefix="bento-", dir="/tmp")
        environment = {
            **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
            **SECRETS,
            "HOME": str(folder),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "JUPYTER_PLATFORM_DIRS": "1",
            "XDG_RUNTIME_DIR": self._sockets.name,
            "JPY_SESSION_NAME": "work/churn.ipynb",
            "PYTHONPATH": str(ROOT),
        }
        self._manager = KernelManager()
        self._manager.start_kernel(env=environment, cwd=str(folder))
        self._client: BlockingKernelClient = self._manager.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=SECONDS)
        loaded = self.run("%load_ext jupyterlab_bento")
        assert not loaded.error, loaded.error

    def start(self, code: str) -> str:
        """Send a cell; returns what :meth:`finish` needs."""
        return str(self._client.execute(code, allow_stdin=False))

    def finish(self, identity: str) -> Output:
        """Collect what a cell puts out until it has ended."""
        output = Output()
        while True:
            message = self._client.get_iopub_msg(timeout=SECONDS)
            content = message["content"]
            if message["parent_header"].get("msg_id") != identity:
                continue
            kind = message["msg_type"]
            if kind == "status" and content["execution_state"] == "idle":
                return output
            if kind == "stream":
                output.text += content["text"]
            elif kind == "error":
                output.error = content
            elif kind in ("display_data", "execute_result", "update_display_data"):
                output.bundles.append(content["data"])

    def run(self, code: str) -> Output:
        """Run a cell."""
        return self.finish(self.start(code))

    def interrupt(self) -> None:
        """Interrupt the kernel as the button does."""
        self._manager.interrupt_kernel()

    def stop(self) -> None:
        """End the kernel and forget it."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()
        self._sockets.cleanup()


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Give a kernel with the real bridge."""
    if not BRIDGE.is_file():
        pytest.skip('the bridge is not built: run "npm run build"')
    one = Kernel(tmp_path_factory.mktemp("kernel"))
    yield one
    one.stop()


@pytest.fixture(scope="module")
def scripted(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Kernel, Fake]]:
    """Give a kernel whose bridge follows a scenario."""
    folder = tmp_path_factory.mktemp("scripted")
    fake = Fake(folder)
    one = Kernel(folder)
    one.run(
        f"import os; from jupyterlab_bento import supervisor\n"
        f"os.environ['FAKE_SCENARIO'] = {str(fake.scenario_file)!r}\n"
        f"os.environ['FAKE_RECORD'] = {str(fake.record_file)!r}\n"
        f"program = [{sys.executable!r}, {str(FAKE)!r}]\n"
        "supervisor.bridge_command = lambda path: [*program, '--socket', str(path)]"
    )
    yield one, fake
    one.stop()
    fake.check()


def test_the_kernels_store_wins(kernel: Kernel, tmp_path: Path) -> None:
    for home, tag in ((tmp_path / "a", "churn:1"), (tmp_path / "b", "iris:2")):
        make_bento(home, tag)
        kernel.run(f"import os; os.environ['BENTOML_HOME'] = {str(home)!r}")
        listed = kernel.run("%bento list")
        assert not listed.error
        data = listed.data("list")
        assert data["home"] == str(home)
        assert [bento["tag"] for bento in data["bentos"]] == [tag]
        assert tag in listed.shown


def test_a_list_is_a_value(kernel: Kernel, tmp_path: Path) -> None:
    make_bento(tmp_path, "churn:1")
    kernel.run(f"import os; os.environ['BENTOML_HOME'] = {str(tmp_path)!r}")
    shown = kernel.run("bentos = %bento list\nprint(len(bentos), bentos[0]['tag'])")
    assert (shown.text, shown.bundles) == ("1 churn:1\n", [])


def test_errors_are_short_and_teach(kernel: Kernel) -> None:
    failed = kernel.run("%bento status")
    assert failed.error["ename"] == "BentoError"
    first, *rest = failed.error["traceback"]
    assert first == "BentoError: No Kubernetes cluster is configured. [noCluster]"
    assert "KUBECONFIG" in "\n".join(rest)
    assert "line" not in failed.shown
    assert "File" not in failed.shown


def test_usage_errors_teach(kernel: Kernel) -> None:
    failed = kernel.run("%bento dploy churn")
    assert failed.error["ename"] == "UsageError"
    assert "Did you mean deploy?" in failed.shown
    assert len(failed.error["traceback"]) <= 3
    body = kernel.run("%%bento list\nx")
    assert "takes no data" in body.shown


def test_errors_can_be_caught(kernel: Kernel) -> None:
    caught = kernel.run(
        "from jupyterlab_bento import BentoError\n"
        "try:\n    get_ipython().run_line_magic('bento', 'status')\n"
        "except BentoError as error:\n    print(error.code, error.hint)"
    )
    assert caught.text.startswith("noCluster ")
    assert not caught.error


def test_helps(kernel: Kernel) -> None:
    text = kernel.run("%bento help deploy").text
    assert "%bento deploy TAG [OPTIONS]" in text
    assert "--wait" in text


def test_a_killed_bridge_is_back_for_the_next_cell(kernel: Kernel) -> None:
    killed = kernel.run(
        "import os, signal; from jupyterlab_bento.client import HOLDER\n"
        "get_ipython().run_line_magic('bento', 'list')\n"
        "os.kill(HOLDER.supervisor.pid, signal.SIGKILL)\n"
        "get_ipython().run_line_magic('bento', 'list')\n"
        "print('here')"
    )
    assert killed.text == "here\n", killed.error


def test_the_kernel_shows_no_secret(kernel: Kernel) -> None:
    leaky = " ".join(SECRETS.values())
    for code in (
        f"%bento deploy churn --to 's3://{leaky}'",
        f"%bento list {SECRETS['AWS_SECRET_ACCESS_KEY']}",
        f"%bento request churn /p {{'{leaky}': 1}}",
    ):
        failed = kernel.run(code)
        assert failed.error
        assert "LEAK" not in failed.shown


ANSWER = {
    "status": 200,
    "statusText": "OK",
    "headers": {},
    "contentType": "application/json",
    "body": {"kind": "inline", "encoding": "utf8", "data": '{"p": [0.5]}'},
    "ms": 12.5,
    "via": "forward",
}


def test_an_interrupt_stops_the_waiting_only(scripted: tuple[Kernel, Fake]) -> None:
    kernel, fake = scripted
    fake.script(
        deploy_start={"result": operation()},
        operation_follow={"progress": [operation(request="done")], "hang": True},
        operation_list={"result": {"operations": []}},
    )
    identity = kernel.start("%bento deploy churn:1 --wait")
    wait_for(lambda: fake.received("operation.follow"))
    wait_for(lambda: _has_shown(kernel, identity, "request"))
    kernel.interrupt()
    stopped = kernel.finish(identity)
    assert "Deploying churn goes on in the cluster" in stopped.shown
    assert '"%bento status churn"' in stopped.shown
    assert len(stopped.error["traceback"]) == 1
    assert fake.received("operation.cancel") == []
    (cancelled,) = wait_for(lambda: fake.received("$/cancelRequest"))
    (followed,) = fake.received("operation.follow")
    assert cancelled["params"]["id"] == followed["id"]
    assert kernel.run("print('alive')").text == "alive\n"
    assert fake.received("deploy.start")[0]["params"]["provenance"]["notebook"] == (
        "work/churn.ipynb"
    )


def _has_shown(kernel: Kernel, identity: str, word: str) -> bool:
    """Read one message of a cell that runs; tell whether the word is in it."""
    try:
        message = kernel._client.get_iopub_msg(timeout=0.2)
    except queue.Empty:
        return False
    ours = message["parent_header"].get("msg_id") == identity
    text = str(message["content"].get("data", {}).get("text/plain", ""))
    return ours and f"✓ {word}" in text


def test_requests_with_variables(scripted: tuple[Kernel, Fake]) -> None:
    kernel, fake = scripted
    fake.script(service_request={"result": ANSWER})
    kernel.run("rows = [{'a': 1}]")
    answered = kernel.run("answer = %bento request churn /predict rows\nprint(answer['p'])")
    assert answered.text == "[0.5]\n"
    assert answered.data("request")["via"] == "forward"
    cell = kernel.run('%%bento request churn /predict\n{"rows": [2]}')
    assert "{'p': [0.5]}" in cell.shown
    sent = [message["params"] for message in fake.received("service.request")]
    bodies = [params["body"]["data"].strip() for params in sent]
    assert bodies == ['[{"a": 1}]', '{"rows": [2]}']


def test_deletes_only_when_told(scripted: tuple[Kernel, Fake]) -> None:
    kernel, fake = scripted
    item = {"kind": "BentoDeployment", "name": "churn", "fate": "explicit"}
    fake.script(
        deployment_planDelete={"result": {"items": [item]}},
        deployment_delete={"result": {"items": [item], "ms": 40}},
    )
    unasked = kernel.run("%bento delete churn")
    assert "confirmationNeeded" in unasked.shown
    assert "BentoDeployment churn: goes" in unasked.shown
    assert fake.received("deployment.delete") == []
    deleted = kernel.run("%bento delete churn --yes")
    assert deleted.data("delete")["deleted"] == ["BentoDeployment/churn"]


def test_what_the_bridge_says_is_scrubbed(scripted: tuple[Kernel, Fake]) -> None:
    kernel, fake = scripted
    leaky = f"{' '.join(SECRETS.values())} X-Amz-Signature=sigLEAK0123456789abcdef"
    texts = protocol()["errors"]["buildFailed"]
    error = {**texts, "code": "buildFailed", "params": {"reason": leaky}}
    error.update(message=leaky, hint=leaky, retryable=False, details=[leaky])
    fake.script(deployment_list={"error": error})
    failed = kernel.run("%bento status")
    assert failed.error
    assert "***" in failed.shown
    assert "LEAK" not in str(failed.error)
