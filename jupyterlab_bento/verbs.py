# SPDX-License-Identifier: BSD-3-Clause
"""The verbs of ``%bento`` and ``jupyter bento`` with their options and examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import values


@dataclass(frozen=True)
class Option:
    """One option. Without ``metavar`` it is a switch; ``many`` collects a list."""

    flags: tuple[str, ...]
    help: str
    metavar: str = ""
    read: Callable[[str], Any] = str
    many: bool = False
    choices: tuple[str, ...] | None = None
    default: Any = None


@dataclass(frozen=True)
class Verb:
    """One verb with its help. ``words`` are (name, required, meaning) in order."""

    name: str
    summary: str
    form: str
    words: tuple[tuple[str, bool, str], ...]
    options: tuple[Option, ...]
    examples: tuple[str, ...]
    more: str = ""
    #: Whether the last word may come any number of times.
    open_ended: bool = False


_NAMESPACE = Option(
    ("--namespace", "-n"), "namespace; found from where you are by default", "NAME"
)
VERBS: dict[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb(
            "list",
            "List the bentos of the local store.",
            "list [NAME]",
            (("NAME", False, "a bento's name or tag; all when absent"),),
            (Option(("--sizes",), "measure bentos and their models"),),
            ("list", "list fraud_detection --sizes"),
        ),
        Verb(
            "deploy",
            "Export a bento to S3, have its image built, and deploy it.",
            "deploy TAG",
            (
                (
                    "TAG",
                    True,
                    (
                        "name:version, name:latest or name; in a notebook also a "
                        "variable that holds a tag or a bento"
                    ),
                ),
            ),
            (
                Option(
                    ("--name",),
                    "name of the deployment; from the bento's by default",
                    "NAME",
                ),
                _NAMESPACE,
                Option(
                    ("--to",),
                    "where the archive goes; JUPYTERLAB_BENTO_S3_URL by default",
                    "S3URL",
                ),
                Option(
                    ("--image",),
                    "an image that exists already: nothing is exported or built",
                    "IMAGE",
                ),
                Option(
                    ("--replicas",),
                    "number of API servers, or MIN-MAX",
                    "N",
                    values.replicas,
                ),
                Option(
                    ("--cpu",),
                    "CPU of the API server: 500m, or REQUEST-LIMIT like 300m-500m",
                    "AMOUNT",
                    values.quantities,
                ),
                Option(
                    ("--memory",),
                    "memory of the API server: 1Gi, or REQUEST-LIMIT",
                    "AMOUNT",
                    values.quantities,
                ),
                Option(("--gpu",), "GPUs of the API server", "N", values.quantities),
                Option(
                    ("--runner",),
                    "scale of one runner: NAME:replicas=2,cpu=500m,"
                    "memory=1Gi,gpu=1; repeat for others",
                    "SPEC",
                    values.runner,
                    many=True,
                ),
                Option(
                    ("--env",),
                    "environment variable of all pods; repeat for others",
                    "NAME=VALUE",
                    values.variable,
                    many=True,
                ),
                Option(
                    ("--builder-cpu",),
                    "CPU of the image build",
                    "AMOUNT",
                    values.quantities,
                ),
                Option(
                    ("--builder-memory",),
                    "memory of the image build",
                    "AMOUNT",
                    values.quantities,
                ),
                Option(("--wait",), "wait until every pod is ready, or say why not"),
                Option(
                    ("--timeout",),
                    "longest wait, 20m by default; deploying goes on after it",
                    "TIME",
                    values.duration,
                    default=1200.0,
                ),
                Option(
                    ("--dry-run",),
                    "print the objects as they would be sent, and change nothing",
                ),
            ),
            (
                "deploy fraud_detection:latest --wait",
                "deploy summarizer --name summarizer-test --replicas 2 --memory 1Gi",
                "deploy fraud_detection --runner fraud_model:replicas=2,cpu=300m-500m",
                "deploy fraud_detection --dry-run",
            ),
            "Without --wait it ends when the objects are created: the cluster does the "
            "rest. Interrupting stops the waiting, not the deploying.",
        ),
        Verb(
            "status",
            "Show the deployments of a namespace, or one of them in detail.",
            "status [NAME]",
            (("NAME", False, "a deployment's name; all when absent"),),
            (_NAMESPACE,),
            ("status", "status fraud-detection"),
        ),
        Verb(
            "request",
            "Send a request to a deployed service and return its answer.",
            "request NAME [ROUTE] [DATA]",
            (
                ("NAME", True, "a deployment's name"),
                (
                    "ROUTE",
                    False,
                    (
                        "path of the route, like /predict; without it the service's "
                        "routes are listed"
                    ),
                ),
                ("DATA", False, "what to send, in one of the forms above"),
            ),
            (
                _NAMESPACE,
                Option(
                    ("--method", "-X"),
                    "HTTP method; the route's own by default",
                    "METHOD",
                    str.upper,
                ),
                Option(
                    ("--header", "-H"),
                    "header of the request; repeat for others",
                    "NAME:VALUE",
                    values.header,
                    many=True,
                ),
                Option(("--content-type",), "content type of DATA", "TYPE"),
                Option(
                    ("--timeout",), "longest wait for the answer", "TIME", values.duration
                ),
                Option(
                    ("--via",),
                    "how to reach the service; what works by default",
                    "WAY",
                    choices=("direct", "forward"),
                ),
                Option(("--out", "-o"), "write the answer to a file", "FILE"),
            ),
            (
                "request fraud-detection",
                'request fraud-detection /predict {"rows": [[1, 2, 3]]}',
                'request summarizer /summarize text="a long text" words=30',
                "request classifier /classify @photo.png",
            ),
            "DATA is one of: JSON; name=value pairs, which make an object (a value is "
            "JSON if it reads as such, else text); @FILE; - for standard input or, with "
            "%%bento, the rest of the cell; in a notebook also a variable, like rows, "
            'config.rows[0] or data["test"], with arrays and data frames as JSON. '
            "Nothing is evaluated or called.",
            open_ended=True,
        ),
        Verb(
            "forward",
            "Open a local port to a deployed service, or list the open ones.",
            "forward [NAME]",
            (("NAME", False, "a deployment's name; lists the open ports when absent"),),
            (
                _NAMESPACE,
                Option(
                    ("--port", "-p"),
                    "port to listen on; a free one by default",
                    "PORT",
                    values.port,
                ),
                Option(("--stop",), "close the port again"),
            ),
            (
                "forward fraud-detection --port 3000",
                "forward",
                "forward fraud-detection --stop",
            ),
        ),
        Verb(
            "delete",
            "Delete a deployment with its request, its image build and its pods.",
            "delete NAME",
            (("NAME", True, "a deployment's name"),),
            (_NAMESPACE, Option(("--yes", "-y"), "do not ask")),
            ("delete fraud-detection", "delete fraud-detection --yes"),
            "First shows what goes and what stays, then asks.",
        ),
        Verb(
            "help",
            "Show this help, or the help of a verb.",
            "help [VERB]",
            (("VERB", False, "one of the verbs"),),
            (),
            ("help deploy",),
        ),
    )
}
