"""Istio's notation for strings → Envoy's matchers: `exact`, `prefix*`, `*suffix`, and `*` for anything that is there.

Whatever is not that star is a literal, also where Envoy needs a regular expression.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

Resource = dict[str, Any]

_SCHEME = "spiffe://"
_PRESENT: Resource = {"safe_regex": {"regex": ".+"}}


def string(value: str) -> Resource:
    if value == "*":
        return _PRESENT
    if value.startswith("*"):
        return {"suffix": value[1:]}
    return {"prefix": value[:-1]} if value.endswith("*") else {"exact": value}


def header(name: str, value: str, *, ignore_case: bool = False) -> Resource:
    if value == "*":
        return {"name": name, "present_match": True}
    return {"name": name, "string_match": string(value) | ({"ignore_case": True} if ignore_case else {})}


def principal(value: str) -> Resource:
    """Istio writes identities without their scheme."""
    if value == "*":
        return _PRESENT
    if value.startswith("*"):
        return _regex(f"{_SCHEME}.*{re.escape(value[1:])}")
    return {"prefix": _SCHEME + value[:-1]} if value.endswith("*") else {"exact": _SCHEME + value}


def namespace(value: str) -> Resource:
    """The star may stand anywhere here. Istio's `.*` lets it run on into the account, and *a means any; here it stays within."""
    return _regex(f"{_SCHEME}[^/]+/ns/{'[^/]*'.join(map(re.escape, value.split('*')))}/.*")


def service_account(value: str, namespace: str) -> Resource:
    """`account` of the policy's own namespace, or `namespace/account`."""
    given, slash, account = value.partition("/")
    home, account = (given, account) if slash else (namespace, value)
    return _regex(f"{_SCHEME}.+/ns/{re.escape(home)}/(.+/|)sa/{re.escape(account)}(/.+)?")


def trust_domain(value: str) -> Resource:
    if value == "*":
        return {"prefix": _SCHEME}
    if "*" not in value:
        return {"prefix": f"{_SCHEME}{value}/"}
    return _regex(f"{_SCHEME}{'[^/]*'.join(map(re.escape, value.split('*')))}/.*")


def request_principal(value: str) -> tuple[Resource, Resource]:
    """→ matchers for iss and sub. Written ISSUER/SUBJECT; an issuer may hold slashes, so the last one counts."""
    issuer, slash, subject = value.rpartition("/")
    if not slash:
        issuer, subject = ("", value) if value.startswith("*") else (value, "")
    if value == "*":
        return _PRESENT, _PRESENT
    if value.startswith("*"):
        return string(issuer) if slash else _PRESENT, {"exact": subject} if slash else {"suffix": subject[1:]}
    if value.endswith("*"):
        rest = _PRESENT if subject == "*" else {"prefix": subject[:-1]}
        return ({"exact": issuer}, rest) if slash else ({"prefix": issuer[:-1]}, _PRESENT)
    return {"exact": issuer}, {"exact": subject}


def any_value(values: Sequence[Resource]) -> Resource:
    """Matchers for strings → one for a value that is such a string, or a list that holds one."""
    listed = [{"string_match": value} for value in values]
    one = listed[0] if len(listed) == 1 else {"or_match": {"value_matchers": listed}}
    return {"or_match": {"value_matchers": [{"list_match": {"one_of": one}}, one]}}


def _regex(text: str) -> Resource:
    return {"safe_regex": {"regex": text}}
