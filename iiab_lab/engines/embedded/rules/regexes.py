"""A regular expression of RE2's language, and other text that goes into Envoy's configuration → what is wrong with it."""

from __future__ import annotations

import re

import re2

_BOUNDED = re2.Options()
_BOUNDED.log_errors = False
# Some 6,000 steps, compiled in milliseconds. A thousand letters can ask for so many that it takes ten seconds, in which neither
# the control plane nor the proxy does anything else.
_BOUNDED.max_mem = 128 * 1024
# What RE2 says → what Go's parser of the same language says.
_IN_GO = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid repetition size": "invalid repeat count",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "pattern too large - compile failed": "expression too large",
}
# What ends a line, or a string: Envoy refuses it in a name or a path.
BROKEN = re.compile("[\0\n\r]")


def error(text: str) -> str:
    """In the words of the controllers, which are programs in Go; "" where it compiles."""
    try:
        re2.compile(text, _BOUNDED)
    except re2.error as wrong:
        said, _, expression = _decoded(wrong).partition(": ")
        return f"error parsing regexp: {_IN_GO.get(said, said)}: `{expression or text[:40]}`"
    return ""


def _decoded(wrong: re2.error) -> str:
    (said,) = wrong.args
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)
