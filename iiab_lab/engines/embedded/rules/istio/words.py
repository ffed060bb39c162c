"""The smallest parts of Istio's configuration (hosts, names, durations, headers, regexes, ports) → what is wrong with each.

Every function yields messages, none where all is well. Source of the rules and their words: istio/istio, pkg/config/validation,
pkg/config/validation/agent and pkg/config/labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .. import regexes
from ..autoscaling.literals import duration

Found = Iterator[str]

_RANGES = (100, 103), (200, 208), (226, 226), (300, 305), (307, 308), (400, 418), (421, 426), (428, 429), (500, 508)
STATUSES = {
    str(code) for first, last in (*_RANGES, (431, 431), (451, 451), (510, 511)) for code in range(first, last + 1)
}
# Fields that hold a duration.
DURATIONS = (
    "timeout",
    "perTryTimeout",
    "backoff",
    "fixedDelay",
    "maxAge",
    "interval",
    "baseEjectionTime",
    "connectTimeout",
    "idleTimeout",
)

_LABEL = r"[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?"
_DNS_LABEL, _WILD_LABEL = re.compile(_LABEL), re.compile(rf"\*|(?:\*|\*-)?{_LABEL}")
_TAG = re.compile(rf"({_LABEL}(?:\.{_LABEL})*/)?((?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])")
_TAG_VALUE = re.compile(r"((?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~A-Za-z0-9]+")
_HEADER_VALUE = re.compile("[^\x00-\x08\x0a-\x1f\x7f]*")
_PSEUDO = (":method", ":scheme", ":authority", ":path", ":status")
_LONGEST_REGEX = 1024


def texts(part: Any, path: str) -> Iterator[tuple[str, str, str]]:
    """(path, field, text) at any depth, but for headers that are set: their names are the user's."""
    for name, value in part.items() if isinstance(part, dict) else ():
        if isinstance(value, str):
            yield f"{path}.{name}", name, value
        elif name not in ("set", "add"):
            yield from texts(value, f"{path}.{name}")
    for index, item in enumerate(part if isinstance(part, list) else ()):
        yield from texts(item, f"{path}[{index}]")


def is_label(text: str) -> bool:
    return len(text) <= 63 and bool(_DNS_LABEL.fullmatch(text))


def domain(name: str) -> Found:
    """A host, of which the first label may be or begin with a wildcard."""
    if len(name) > 255:
        yield f'domain name "{name}" too long (max 255)'
    elif not name:
        yield "empty domain name not allowed"
    else:
        first, dot, rest = name.partition(".")
        if len(first) > 63 or not _WILD_LABEL.fullmatch(first):
            yield f'domain name "{name}" invalid (label "{first}" invalid)'
        elif dot:
            yield from fqdn(rest)


def fqdn(name: str) -> Found:
    """Its last label may be empty, as in `istio.io.`."""
    parts = name.split(".")
    if re.fullmatch(r"[+-]?\d+", parts[-1]):
        yield f'domain name "{name}" invalid (top level domain "{parts[-1]}" cannot be all-numeric)'
        return
    wrong = [label for label in (parts if parts[-1] else parts[:-1]) if not is_label(label)]
    if wrong:
        yield f'domain name "{name}" invalid (label "{wrong[0]}" invalid)'


def gateways(names: Sequence[str]) -> Found:
    for name in names:
        namespace, slash, own = name.partition("/")
        if not slash:
            yield from fqdn(name)
            return
        if not namespace or not own:
            yield "config namespace and gateway name cannot be empty"
        if not is_label(namespace):
            yield f'invalid value for namespace: "{namespace}"'
        if not is_label(own):
            yield f'invalid value for gateway name: "{own}"'


def export_to(namespace: str, names: Sequence[str]) -> Found:
    seen: set[str] = set()
    for name in names:
        key = namespace if name == "." else name
        if key in seen:
            same = f" for entry {name}" if key == name else f": . and current namespace {namespace}"
            yield f"duplicate entries in exportTo{same}"
        elif key == "~":
            yield "exportTo ~ (none) is not allowed for Istio configuration objects"
        elif key != "*" and not is_label(key):
            yield "only .,*, or a valid DNS 1123 label is allowed as exportTo entry"
        seen.add(key)
    if "*" in seen and len(names) > 1:
        yield "cannot have both public (*) and non-public exportTo values for a resource"


def labels(pairs: Mapping[str, str]) -> Found:
    for key, value in pairs.items():
        if not _TAG.fullmatch(key) or len(key.rpartition("/")[2]) > 63:
            yield f'invalid tag key: "{key}"'
        if not _TAG_VALUE.fullmatch(value):
            yield f'invalid tag value: "{value}"'


def port(number: int) -> Found:
    if not 1 <= number <= 65535:
        yield f"port number {number} must be in the range 1..65535"


def is_duration(text: str) -> bool:
    """Of a millisecond at least, and in Go's words: `1.5s`, `1h30m`."""
    try:
        return duration(text) >= 0.001
    except ValueError:
        return False


def go_duration(text: str) -> Found:
    try:
        duration(text)
    except ValueError as error:
        yield f"bad Duration: {error}"


def regex(text: str, where: str) -> Found:
    if not text:
        yield f'"{where}": regex string match should not be empty'
    elif len(text) > _LONGEST_REGEX:
        yield f'"{where}": regex is too large, max length allowed is {_LONGEST_REGEX}'
    elif why := regexes.error(text):
        yield f'"{where}": {why}; Istio uses RE2 style regex-based match (https://github.com/google/re2/wiki/Syntax)'


def string_match(match: Mapping[str, Any], where: str) -> Found:
    if match.get("prefix") == "":
        yield f'"{where}": prefix string match should not be empty'
    if "regex" in match:
        yield from regex(match["regex"], where)


def matched_header(name: str) -> Found:
    if not name:
        yield "header name cannot be empty"
    elif name not in _PSEUDO and not _HEADER_NAME.fullmatch(name):
        yield f"header name {name} is not a valid header name"


def listed_header(name: str) -> Found:
    """As CORS lists them."""
    if not name:
        yield "header name cannot be empty"
    elif not _HEADER_NAME.fullmatch(name):
        yield f"header name {name} is not a valid header name"


def is_authority(name: str) -> bool:
    return name.lower() in (":authority", "host")


def header_changes(changes: Mapping[str, Any]) -> Found:
    """`changes` is {"request": …, "response": …}. The authority is set in requests alone."""
    for side in ("request", "response"):
        asked = changes.get(side) or {}
        for verb in ("add", "set"):
            for name, value in (asked.get(verb) or {}).items():
                yield from _changed_header(name, authority=side == "request")
                yield from header_value(value)
        for name in asked.get("remove") or ():
            yield from _changed_header(name, authority=False)


def _changed_header(name: str, *, authority: bool) -> Found:
    if not name:
        yield "header name cannot be empty"
    elif authority and is_authority(name):
        return
    elif name.lower() == "host":
        yield f'invalid header "{name}": cannot set Host header'
    elif name.startswith(":"):
        yield f'invalid header "{name}": header cannot have ":" prefix'


def header_value(value: str) -> Found:
    """A percent sign begins a variable of Envoy's, unless it is doubled."""
    if not _HEADER_VALUE.fullmatch(value):
        yield f"header value configuration {value} is invalid"
        return
    rest = value.replace("%%", "")
    if rest.count("%") % 2:
        ends = "Un-escaped %" if rest.endswith("%") else f"Un-terminated variable expression '{value}'"
        yield f"header value configuration: invalid header configuration. {ends}"


def percentage(value: float) -> Found:
    if not (value == 0 or 0.0001 <= value <= 100):
        yield f"percentage {value:g} is neither 0.0, nor in range [0.0001, 100.0]"


def status(code: int) -> Found:
    if not 200 <= code <= 600:
        yield f"HTTP status {code} is not in range 200-599"
