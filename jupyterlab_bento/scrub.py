# SPDX-License-Identifier: BSD-3-Clause
"""Takes secrets out of text before anyone can read it."""

from __future__ import annotations

import os
import re

MASK = "***"

_SECRET_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)
#: Shorter values would turn up inside harmless words.
_SHORTEST_SECRET = 8

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # Header lines, as text or as JSON: all of the value, since a cookie has spaces.
    (
        re.compile(
            r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|x-xsrftoken)"
            r"(\\?[\"']?\s*[:=]\s*)(\\?[\"'])?(?(3)[^\"']*|[^\r\n]+)"
        ),
        rf"\1\2\3{MASK}",
    ),
    # Queries of presigned addresses, both signature versions.
    (
        re.compile(
            r"(?i)(X-Amz-[\w-]{1,40}|AWSAccessKeyId|Signature)(=|%3D)[^&\s\"'<>\\]+"
        ),
        rf"\1\2{MASK}",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), rf"\1 {MASK}"),
    # Passwords in addresses.
    (
        re.compile(
            r"(?<![\w+.-])([a-zA-Z][\w+.-]{0,20}://)[^/\s:@\"']{0,200}:[^/\s@\"']{1,500}@"
        ),
        rf"\1{MASK}@",
    ),
    # JSON Web Tokens, service account tokens among them.
    (re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"), MASK),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{8,}"), MASK),
    (
        re.compile(
            r"(?i)((?:secret|session|access|api|id)[-_]?"
            r"(?:access[-_]?)?(?:key|token)(?:[-_]?id)?|password|passwd)"
            r"(\\?[\"']?\s*[:=]\s*\\?[\"']?)[^\s\"',;&}<\\]+"
        ),
        rf"\1\2{MASK}",
    ),
)


def scrub(text: str) -> str:
    """Return the text with everything masked that looks like a secret.

    Masks access keys, session tokens, bearer tokens, presigned queries, passwords
    in addresses, ``Authorization`` and ``Cookie`` values, and the values of this
    process's own AWS variables wherever they stand.
    """
    for name in _SECRET_VARIABLES:
        value = os.environ.get(name, "")
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, MASK)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
