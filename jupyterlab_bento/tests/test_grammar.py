# SPDX-License-Identifier: BSD-3-Clause
"""The grammar: what is understood, what is refused, and how it teaches."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyterlab_bento import values
from jupyterlab_bento.commands import deploy_spec
from jupyterlab_bento.errors import UsageError
from jupyterlab_bento.grammar import COMMAND, MAGIC, help_text, parse
from jupyterlab_bento.verbs import VERBS
from jupyterlab_bento.words import as_words, split


@pytest.mark.parametrize(
    ("line", "spec"),
    [
        ("deploy a:1", {"tag": "a:1"}),
        ("deploy a -n ds --name b", {"tag": "a", "namespace": "ds", "name": "b"}),
        ("deploy --name b a", {"tag": "a", "name": "b"}),
        ("deploy a --to s3://x/y", {"tag": "a", "destination": "s3://x/y"}),
        ("deploy a --image r/i:1", {"tag": "a", "image": "r/i:1"}),
        (
            "deploy a --replicas 2",
            {"tag": "a", "apiServer": {"minReplicas": 2, "maxReplicas": 2}},
        ),
        (
            "deploy a --replicas=1-3 --cpu 300m-500m --memory 1Gi --gpu 1",
            {
                "tag": "a",
                "apiServer": {
                    "minReplicas": 1,
                    "maxReplicas": 3,
                    "resources": {
                        "requests": {"cpu": "300m", "memory": "1Gi", "gpu": "1"},
                        "limits": {"cpu": "500m", "memory": "1Gi", "gpu": "1"},
                    },
                },
            },
        ),
        (
            "deploy a --runner m1:replicas=1-2,cpu=1 --runner m2:memory=2Gi",
            {
                "tag": "a",
                "runners": {
                    "m1": {
                        "minReplicas": 1,
                        "maxReplicas": 2,
                        "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}},
                    },
                    "m2": {
                        "resources": {
                            "requests": {"memory": "2Gi"},
                            "limits": {"memory": "2Gi"},
                        }
                    },
                },
            },
        ),
        (
            'deploy a --env A=1 --env "B=x y=z"',
            {
                "tag": "a",
                "envs": [{"name": "A", "value": "1"}, {"name": "B", "value": "x y=z"}],
            },
        ),
        (
            "deploy a --builder-cpu 2 --builder-memory 1Gi-4Gi",
            {
                "tag": "a",
                "builder": {
                    "requests": {"cpu": "2", "memory": "1Gi"},
                    "limits": {"cpu": "2", "memory": "4Gi"},
                },
            },
        ),
    ],
)
def test_deploy_spec(line: str, spec: dict[str, Any]) -> None:
    command = parse(split(line))
    assert deploy_spec(command, command.words["TAG"]) == spec


@pytest.mark.parametrize(
    ("line", "words", "rest"),
    [
        ("request f", {"NAME": "f"}, []),
        ("request f /p", {"NAME": "f", "ROUTE": "/p"}, []),
        ("request --via direct f /p x=1 y=2", {"NAME": "f", "ROUTE": "/p"}, ["x=1", "y=2"]),
        ("request f /p -", {"NAME": "f", "ROUTE": "/p"}, ["-"]),
        ("request f /p -1.5", {"NAME": "f", "ROUTE": "/p"}, ["-1.5"]),
        ("request f /p -H A:b {} -o out", {"NAME": "f", "ROUTE": "/p"}, ["{}"]),
        ("request f /p -- --x", {"NAME": "f", "ROUTE": "/p"}, ["--x"]),
        ("list", {}, []),
        ("list a:1 --sizes", {"NAME": "a:1"}, []),
        ("forward --port 3000 f", {"NAME": "f"}, []),
    ],
)
def test_words_get_their_names(line: str, words: dict[str, str], rest: list[str]) -> None:
    command = parse(split(line))
    assert (command.words, command.rest) == (words, rest)


@pytest.mark.parametrize(
    ("line", "teaches"),
    [
        ("delte x", "Did you mean delete?"),
        ("deploy", "TAG is missing"),
        ("delete", "NAME is missing"),
        ("status a b", '"b" is one word too many'),
        ("request f predict", "did you mean /predict?"),
        ("deploy a --wat", "--wat"),
        ("deploy a --wai", "--wai"),
        ("deploy a --replicas 0", "at least 1"),
        ("deploy a --replicas 3-2", "at least 1, the maximum not below"),
        ("deploy a --replicas x", "write 2 or 1-4"),
        ("deploy a --timeout soon", "write 90s, 20m or 1h30m"),
        ("deploy a --timeout 0", "out of range"),
        ("deploy a --runner x", "NAME:replicas=2"),
        ("deploy a --runner x:disk=1", "is not one of replicas, cpu"),
        ("deploy a --env X", "NAME=VALUE"),
        ("deploy a --cpu ''", "write 500m"),
        ("request f /p --via moon", "direct"),
        ("request f /p --header x", "NAME:VALUE"),
        ("forward f --port 0", "not a port"),
        ("help nothing", 'no verb "nothing"'),
        ("list --json", "--json"),
    ],
)
def test_teaches(line: str, teaches: str) -> None:
    with pytest.raises(UsageError) as caught:
        help_text(parse(split(line)).word("VERB"))
    text = "\n".join(caught.value.lines())
    assert teaches in text
    assert caught.value.exit_code == 2
    assert MAGIC in text or "Verbs:" in text


def test_json_belongs_to_the_command_line() -> None:
    assert parse(as_words(["list", "--json"]), COMMAND).json


@pytest.mark.parametrize("line", ["", "help", "--help", "-h"])
def test_help_without_a_verb(line: str) -> None:
    command = parse(split(line))
    assert (command.verb, command.words) == ("help", {})


@pytest.mark.parametrize("name", list(VERBS))
@pytest.mark.parametrize("prefix", [MAGIC, COMMAND])
def test_each_verb_helps(name: str, prefix: str) -> None:
    assert parse(split(f"{name} --help"), prefix).words == {"VERB": name}
    text = help_text(name, prefix)
    for option in VERBS[name].options:
        assert option.flags[0] in text
    assert f"  {prefix} {name}" in text
    assert name in help_text(None, prefix)


@pytest.mark.parametrize("verb", VERBS.values(), ids=lambda verb: verb.name)
def test_examples_are_understood(verb: Any) -> None:
    for example in verb.examples:
        assert parse(split(example)).verb == verb.name


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1.5", 1.5), ("90s", 90), ("20m", 1200), ("1h30m", 5400), ("500ms", 0.5)],
)
def test_durations(text: str, seconds: float) -> None:
    assert values.duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("500m", ("500m", "500m")),
        ("300m-500m", ("300m", "500m")),
        ("1e-3", ("1e-3", "1e-3")),
        ("1e-3-2e-3", ("1e-3", "2e-3")),
        ("1E-2Gi", ("1E-2Gi", "1E-2Gi")),
        ("1Gi-2Gi", ("1Gi", "2Gi")),
    ],
)
def test_quantities(text: str, pair: tuple[str, str]) -> None:
    assert values.quantities(text) == pair


@given(st.integers(1, 9999), st.integers(0, 99))
def test_replica_ranges_come_through(least: int, more: int) -> None:
    most = min(least + more, 9999)
    assert values.replicas(f"{least}-{most}") == (least, most)


@given(st.text())
def test_readers_refuse_in_words(text: str) -> None:
    for read in (values.duration, values.replicas, values.port, values.runner):
        try:
            read(text)
        except ArgumentTypeError as error:
            assert len(str(error)) > len(text)


@given(st.lists(st.text(min_size=1), max_size=6))
def test_any_words_are_understood_or_refused(words: list[str]) -> None:
    try:
        parse(as_words(words), COMMAND)
    except UsageError as error:
        assert error.message
