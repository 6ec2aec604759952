# SPDX-License-Identifier: BSD-3-Clause
"""Errors: texts, exit codes, and that no secret gets through."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyterlab_bento import client
from jupyterlab_bento.errors import BentoError, UsageError, exit_code, fill, protocol
from jupyterlab_bento.scrub import scrub


def test_speaks_the_protocol_that_is_described() -> None:
    assert protocol()["version"] == client.PROTOCOL
    assert set(protocol()["methods"]) >= client.REPEATABLE


@pytest.mark.parametrize(
    ("code", "number"),
    [
        ("internal", 1),
        ("usage", 2),
        ("timeout", 3),
        ("requestTimeout", 3),
        ("forbidden", 4),
        ("noCluster", 5),
        ("bridgeStartFailed", 5),
        ("fromTheFuture", 1),
    ],
)
def test_exit_codes(code: str, number: int) -> None:
    assert exit_code(code) == number


def test_texts_by_code() -> None:
    error = BentoError("notPickedUp", {"object": "BentoRequest/a", "seconds": 30})
    assert str(error).startswith("No operator has picked up BentoRequest/a within 30 s.")
    assert "namespace {namespace}" in str(error)
    assert error.hint
    assert not error.retryable


def test_what_travelled_is_kept() -> None:
    wire = {
        "code": "buildFailed",
        "params": {"tag": "a:1"},
        "message": "The image build of a:1 failed",
        "hint": "Look.",
        "retryable": True,
        "details": ["line 1", "line 2"],
    }
    error = BentoError.from_wire(wire)
    assert (error.code, str(error), error.retryable) == (
        "buildFailed",
        "The image build of a:1 failed",
        True,
    )
    assert error.lines() == [
        "The image build of a:1 failed [buildFailed]",
        "  Look.",
        "  | line 1",
        "  | line 2",
    ]
    assert error._render_traceback_()[0].startswith("BentoError: The image build")


@pytest.mark.parametrize("data", [None, "text", {}, {"code": 5}, []])
def test_errors_of_another_shape(data: object) -> None:
    error = BentoError.from_wire(data, "reason")
    assert (error.code, "reason" in str(error)) == ("internal", True)


def test_usage_errors() -> None:
    assert UsageError("Wrong.", "Usage: x").lines() == ["Wrong. [usage]", "  Usage: x"]


@given(st.dictionaries(st.from_regex(r"\w+", fullmatch=True), st.text()))
def test_fills_what_is_given(params: dict[str, str]) -> None:
    template = " ".join(f"{{{name}}}" for name in params) + " {absent0}"
    expected = " ".join(params.values()) + " {absent0}"
    if "absent0" not in params:
        assert fill(template, params) == expected


SECRETS = [
    "AKIATESTLEAK0001",
    "s3cr3tLEAKs3cr3tLEAK",
    "FwoGZXIvYXdzEBYaLEAKLEAK",
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJMRUFLIn0.c2lnTEVBSw",
    "sigLEAK0123456789abcdef",
]


@pytest.mark.parametrize(
    "text",
    [
        "<AWSAccessKeyId>AKIATESTLEAK0001</AWSAccessKeyId>",
        "http://s3/b/k?X-Amz-Credential=AKIATESTLEAK0001%2F2024&x=1",
        "http://s3/b/k?X-Amz-Signature=sigLEAK0123456789abcdef&x=1",
        "X-Amz-Security-Token=FwoGZXIvYXdzEBYaLEAKLEAK",
        "https://b/k?AWSAccessKeyId=AKIATESTLEAK0001&Signature=sigLEAK0123456789abcdef",
        "Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJMRUFLIn0.c2lnTEVBSw",
        '{"authorization": "Bearer sigLEAK0123456789abcdef", "b": 1}',
        '{"headers": "{\\"cookie\\": \\"a=sigLEAK0123456789abcdef; b=2\\"}"}',
        "Cookie: auth=sigLEAK0123456789abcdef; _xsrf=2|sigLEAK0123456789abcdef",
        "Set-Cookie: a=sigLEAK0123456789abcdef; Path=/",
        "got token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJMRUFLIn0.c2lnTEVBSw here",
        "http://minio:s3cr3tLEAKs3cr3tLEAK@minio:9000/b",
        "AWS_SECRET_ACCESS_KEY=s3cr3tLEAKs3cr3tLEAK",
        '"secretAccessKey": "s3cr3tLEAKs3cr3tLEAK"',
        "sessionToken: 'FwoGZXIvYXdzEBYaLEAKLEAK'",
        "password=s3cr3tLEAKs3cr3tLEAK&user=x",
        "basic c2lnTEVBSzAxMjM0NTY3ODlhYmNkZWY=",
    ],
)
def test_scrubs(text: str) -> None:
    clean = scrub(text)
    assert "LEAK" not in clean
    assert "c2lnTEVBSz" not in clean
    assert "***" in clean
    error = BentoError("internal", {"reason": text}, details=[text])
    whole = json.dumps([error.lines(), error.params, str(error), repr(error)])
    assert "LEAK" not in whole


def test_scrubs_the_values_of_our_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing+special/looking")
    assert scrub("S3 said nothing+special/looking is wrong") == "S3 said *** is wrong"


@pytest.mark.parametrize(
    "text",
    [
        "The bento a:1 needs the model m:2.",
        "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give a role.",
        "http://minio-service.kubeflow:9000/bucket?versionId=5",
        '{"method": "deploy.start", "ms": 5, "code": "ok"}',
        "service:svc",
        "s3://bucket/prefix/bentos/a/1/0123456789abcdef.tar",
        "Give --yes to delete without a question.",
    ],
)
def test_leaves_the_rest_alone(text: str) -> None:
    assert scrub(text) == text


@given(st.text())
def test_scrubbing_twice_changes_nothing(text: str) -> None:
    assert scrub(scrub(text)) == scrub(text)
