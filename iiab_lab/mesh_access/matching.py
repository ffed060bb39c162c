"""One value of a policy and what a request has there → whether they match. No value is ever a regular expression.

`exact`, `prefix*`, `*suffix`, `*` for anything that is there; paths may hold `{*}`, one segment, and `{**}`, the rest.
"""

from __future__ import annotations

import ipaddress
import string
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_SEGMENT = frozenset(string.ascii_letters + string.digits + "-._~%!$&'()+,;:@=*")


def text(value: str, given: str | None) -> bool:
    if given is None:
        return False
    if value == "*":
        return given != ""
    if value.startswith("*"):
        return given.endswith(value[1:])
    return given.startswith(value[:-1]) if value.endswith("*") else given == value


def header(value: str, given: str | None) -> bool:
    """An empty header is there, too."""
    return given is not None if value == "*" else text(value, given)


def host(value: str, given: str) -> bool:
    return header(value.lower(), given.lower())


def path(value: str, given: str) -> bool:
    if "{*}" not in value and "{**}" not in value:
        return text(value, given)
    return _template(value.split("/"), given.split("/"))


def _template(wanted: Sequence[str], given: Sequence[str]) -> bool:
    if not wanted or not given:
        return not wanted and not given
    first, rest = wanted[0], wanted[1:]
    if first == "{**}":
        longest = next((index for index, part in enumerate(given) if not _SEGMENT.issuperset(part)), len(given))
        return any(_template(rest, given[count:]) for count in range(1, longest + 1))
    fits = (given[0] != "" and _SEGMENT.issuperset(given[0])) if first == "{*}" else given[0] == first
    return fits and _template(rest, given[1:])


def address(value: str, given: str) -> bool:
    return ipaddress.ip_address(given) in ipaddress.ip_network(value, strict=False)


def principal(value: str, identity: str) -> bool:
    return identity != "" and text(value, identity)


def namespace(value: str, identity: str) -> bool:
    """The star may stand anywhere, and stays within the namespace."""
    _, own, _ = parts(identity)
    return own != "" and _starred(value, own)


def account(value: str, identity: str, home: str) -> bool:
    given, slash, name = value.rpartition("/")
    _, own, shown = parts(identity)
    return shown != "" and (given if slash else home, name) == (own, shown)


def trust_domain(value: str, identity: str) -> bool:
    domain, _, _ = parts(identity)
    return domain != "" and _starred(value, domain)


def parts(identity: str) -> tuple[str, str, str]:
    """→ (trust domain, namespace, account), each "" where there is no identity."""
    domain, ns, own, sa, name = [*identity.split("/"), *[""] * 5][:5]
    return (domain, own, name) if (ns, sa) == ("ns", "sa") else ("", "", "")


def request_principal(value: str, claims: Mapping[str, Any] | None) -> bool:
    """ISSUER/SUBJECT of the token; an issuer may hold slashes, the last one parts the two."""
    issuer, subject = ((claims or {}).get(name) for name in ("iss", "sub"))
    if not isinstance(issuer, str) or not isinstance(subject, str):
        return False
    if value == "*":
        return issuer != "" and subject != ""
    before, slash, after = value.rpartition("/")
    if value.startswith("*"):
        return text(before, issuer) and subject == after if slash else issuer != "" and subject.endswith(value[1:])
    if value.endswith("*"):
        return issuer == before and text(after, subject) if slash else issuer.startswith(value[:-1]) and subject != ""
    return (issuer, subject) == ((before, after) if slash else (value, ""))


def claim(value: str, path: Iterable[str], claims: Mapping[str, Any] | None) -> bool:
    """A claim that is such a string, or a list that holds one; the words of a scope are a list."""
    found: Any = claims
    names = tuple(path)
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    if isinstance(found, str) and names in (("scope",), ("permission",)):
        found = found.split(" ")
    listed = found if isinstance(found, list) else [found]
    return any(isinstance(one, str) and text(value, one) for one in listed)


def _starred(value: str, given: str) -> bool:
    first, *middle = value.split("*")
    if not middle:
        return given == value
    *middle, last = middle
    if not given.startswith(first) or not given[len(first) :].endswith(last):
        return False
    rest = given[len(first) : len(given) - len(last)]
    for piece in middle:
        _, found, rest = rest.partition(piece) if piece else ("", "-", rest)
        if not found:
            return False
    return True
