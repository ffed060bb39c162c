"""What somebody sent → what may be kept of it: no query, and nothing that has the shape of a credential.

A path or a host is the sender's own text, and people paste tokens into either. Names of Kubernetes are lower case; keys and
tokens are runs of mixed case, or long ones of digits among letters: those go. A secret that looks like a name cannot be told from one.
"""

from __future__ import annotations

import re
from functools import lru_cache

_MOST = 512
MARK = "[redacted]"
_QUERY = re.compile(r"(?:[?#]|%3f|%23).*", re.I | re.S)
_USER = re.compile(r"(//|^)[^/@]*@")
_JWT = re.compile(r"eyJ[\w%+=-]*(?:\.[\w%+=-]*)*")
_NAMED = re.compile(
    r"((?:api[-_]?key|key|token|secret|pass(?:word|wd)?|pwd|code|session(?:id)?|sig(?:nature)?|auth\w*|cookie|jwt|bearer|basic)"
    r"(?:=|:|%3d|%3a|\s|%20|\+)+)[^/;&,]+",
    re.I,
)
_RUN = re.compile(r"[\w%+~-]{12,}=*")
_WORDS = re.compile(r"[A-Z]?[a-z]+(?:[A-Z][a-z]+)*")  # as kinds are written
_HEX = re.compile(r"[0-9a-f]{32,}|[0-9A-F]{32,}", re.A)


@lru_cache(8192)
def clean(text: str) -> str:
    kept = _QUERY.sub("", text)
    for pattern, instead in ((_USER, r"\1"), (_JWT, MARK), (_NAMED, rf"\g<1>{MARK}")):
        kept = pattern.sub(instead, kept)
    kept = _RUN.sub(_judged, kept)
    return kept if len(kept) <= _MOST else kept[:_MOST] + "…"


def _judged(found: re.Match[str]) -> str:
    return MARK if _secret(found[0]) else found[0]


def _secret(run: str) -> bool:
    plain = run.replace("-", "").replace("_", "")
    digit, upper, lower = (any(map(test, run)) for test in (str.isdigit, str.isupper, str.islower))
    if _HEX.search(plain) or (upper and lower and not _WORDS.fullmatch(run)):
        return True
    return digit and plain == run and len(run) >= 24  # one unbroken run: a name has hyphens
