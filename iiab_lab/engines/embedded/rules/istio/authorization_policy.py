"""What of an AuthorizationPolicy Istio's webhook refuses, in its words (istio/istio, pkg/config/validation); [] if nothing.

And a little more: what Istio lets through and Envoy would then refuse, which there leaves the proxy with its old policies.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence

from ...objects.meta import Object, annotations_of

_LITERAL = re.compile(r"[a-zA-Z0-9\-._~%!$&'()+,;:@=]+")
_HEADER = re.compile(r":?[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BOOL = ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")
_LONGEST = 1024  # of a value; Envoy compiles some to regular expressions, whose size it limits
_TEMPLATE = 256
_ADDRESSES, _ACCOUNTS, _DOMAINS = ("ipBlocks", "remoteIpBlocks"), "serviceAccounts", "trustDomains"
_SOURCE = ("principals", "requestPrincipals", "namespaces", _ACCOUNTS, _DOMAINS, *_ADDRESSES)
_OPERATION = ("ports", "methods", "paths", "hosts")
_BY_TOKEN = ("principals", "requestPrincipals", "namespaces", _ACCOUNTS, _DOMAINS)
_GONE = {
    "destination.namespace": "attribute destination.namespace is replaced by the metadata.namespace",
    "destination.labels": "attribute {} is replaced by the workload selector",
    "destination.name": "deprecated attribute destination.name: only supported in v1alpha1",
    "destination.user": "deprecated attribute destination.user: only supported in v1alpha1",
}
_PLAIN = ("source.namespace", "source.principal")
_TOKENS = ("request.auth.principal", "request.auth.audiences", "request.auth.presenter", "connection.sni")
_NAMED = ("request.headers", "request.auth.claims")


def problems(obj: Object) -> list[str]:
    spec, meta = obj.get("spec") or {}, obj["metadata"]
    found = [f"invalid policy {meta['name']}.{meta.get('namespace', '')}: {said}" for said in _policy(spec)]
    return [*_dry_run(obj), *found]


def _dry_run(obj: Object) -> Iterator[str]:
    said, action = annotations_of(obj).get("istio.io/dry-run"), (obj.get("spec") or {}).get("action", "ALLOW")
    where = f"{obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}"
    if said is None:
        return
    if action not in ("ALLOW", "DENY"):
        yield f"the annotation istio.io/dry-run currently only supports action ALLOW/DENY, found action {action} in {where}"
    elif said not in _BOOL:
        yield f'{where} has annotation istio.io/dry-run with invalid value ({said}): parsing "{said}": invalid syntax'


def _policy(spec: Object) -> Iterator[str]:
    action, rules = spec.get("action", "ALLOW"), spec.get("rules") or []
    if action in ("CUSTOM", "DENY") and not rules:
        yield (
            f"{action} action without `rules` is meaningless as it will never be triggered, "
            "add an empty rule `{}` if you want it be triggered for every request"
        )
    if action == "CUSTOM" and rules and not (spec.get("provider") or {}).get("name"):
        yield "`provider.name` must not be empty"
    if "provider" in spec and action != "CUSTOM":
        yield f"`provider` must not be with non CUSTOM action, found {action}"
    for index, rule in enumerate(rules):
        if action == "CUSTOM":
            yield from _unsupported(rule)
        yield from _rule(rule, index)


def _unsupported(rule: Object) -> Iterator[str]:
    """CUSTOM is decided before the caller's token, and by Istio before its identity, is looked at."""
    sources = [item.get("source") or {} for item in rule.get("from") or ()]
    fields = [name for field in _BY_TOKEN for name in (field, _not(field))]
    found = [f"From.{name[0].upper()}{name[1:]}" for source in sources for name in fields if source.get(name)]
    keys = [when.get("key", "") for when in rule.get("when") or ()]
    forbidden = ("source.namespace", "source.serviceAccount", "source.trustDomain", "source.principal")
    found += [key for key in keys if key in forbidden or key.startswith("request.auth.")]
    yield from (f"{name} is currently not supported with CUSTOM action" for name in found)


def _rule(rule: Object, index: int) -> Iterator[str]:
    for part, inner in (("from", "source"), ("to", "operation")):
        if part in rule and not rule[part]:
            yield f"`{part}` must not be empty, found at rule {index}"
        for item in rule.get(part) or ():
            if inner not in item:
                yield f"`{part}.{inner}` must not be nil, found at rule {index}"
            elif not any(item[inner].values()):
                yield f"`{part}.{inner}` must not be empty, found at rule {index}"
            else:
                yield from _fields(item[inner], _SOURCE if part == "from" else _OPERATION)
    for condition in rule.get("when") or ():
        yield from _condition(condition)


def _fields(item: Object, fields: Sequence[str]) -> Iterator[str]:
    for field in fields:
        for name in (field, _not(field)):
            values = item.get(name) or []
            yield from _values(f"{name[0].upper()}{name[1:]}", field, values)


def _values(name: str, field: str, values: Sequence[str]) -> Iterator[str]:
    yield from common(name, values)
    if field in _ADDRESSES:
        yield from addresses(values)
    elif field == "ports":
        yield from ports(values)
    elif field == _ACCOUNTS:
        yield from _accounts(name, values)
    elif field == _DOMAINS:
        yield from _domains(name, values)
    elif field == "paths":
        yield from _paths(name, values)


def common(name: str, values: Sequence[str]) -> Iterator[str]:
    """What no value of any field may be."""
    if "" in values:
        yield f"empty value not allowed, found in {name}"
    if any(len(value) > _LONGEST for value in values):
        yield f"value longer than {_LONGEST} characters, found in {name}: Envoy would refuse it → shorten it"
    if any(re.search(r"[\x00-\x1f\x7f]", value) for value in values):
        yield f"control character, found in {name}: no request can have it → remove it"


def addresses(values: Sequence[str]) -> Iterator[str]:
    for value in values:
        address, slash, length = value.partition("/")
        try:
            most = ipaddress.ip_address(address).max_prefixlen
            good = "%" not in address and (not slash or (length.isascii() and length.isdigit() and int(length) <= most))
        except ValueError:
            good = False
        if not good:
            yield f'bad CIDR range ({value}): netip.ParsePrefix("{value}")' if slash else f"bad IP address ({value})"


def ports(values: Sequence[str]) -> Iterator[str]:
    for value in values:
        if not re.fullmatch(r"[0-9]{1,10}", value) or int(value) > 65535:
            yield f"bad port ({value}): → a number up to 65535"


def _accounts(name: str, values: Sequence[str]) -> Iterator[str]:
    wanted = "expected format 'serviceAccount' or 'namespace/serviceAccount', found"
    for value in filter(None, values):
        parts = value.split("/")
        if "*" in value:
            yield f"wildcard not allowed, found in {name}"
        elif len(parts) > 2:
            yield f'{wanted} "{value}" in {name}'
        elif not all(parts):
            yield f'{wanted} empty {"serviceAccount" if parts[0] else "namespace"} "{value}" in {name}'


def _domains(name: str, values: Sequence[str]) -> Iterator[str]:
    for value in values:
        if value.count("*") > 1:
            yield f'at most one wildcard is allowed, found in {name}: "{value}"'
        elif "*" in value and not (value.startswith("*") or value.endswith("*")):
            yield f'wildcard is only allowed at the start or end, found in {name}: "{value}"'
        elif "/" in value:
            yield f"trust domain must not contain '/', found in {name}: \"{value}\""


def _paths(name: str, values: Sequence[str]) -> Iterator[str]:
    for value in values:
        yield from _template(name, value)
        path, rest = value.strip("/"), False
        for part in path.split("/"):
            where = f"invalid or unsupported path {path}, found in {name}. "
            if part in ("{*}", "{**}"):
                if rest:
                    yield f"{where}{{**}} is not the last operator"
                rest = rest or part == "{**}"
            elif "{" in part or "}" in part:
                yield f"{where}Contains '{{' or '}}' beyond a supported path template"
            elif ("{*}" in value or "{**}" in value) and not _LITERAL.fullmatch(part):
                yield f"{where}Contains segment {part} with invalid string literal"


def _template(name: str, value: str) -> Iterator[str]:
    """Envoy falls over a template of another shape."""
    if ("{*}" in value or "{**}" in value) and (not value.startswith("/") or "//" in value or len(value) > _TEMPLATE):
        said = f"a template begins with one slash, has no empty segment and at most {_TEMPLATE} characters"
        yield f"invalid or unsupported path {value}, found in {name}. → {said}"


def _condition(condition: Object) -> Iterator[str]:
    key = condition.get("key", "")
    if not key:
        yield "`key` must not be empty"
    elif not condition.get("values") and not condition.get("notValues"):
        yield f"at least one of `values` or `notValues` must be set for key {key}"
    else:
        for field, said in (("values", "value"), ("notValues", "notValue")):
            wrong = next(_attribute(key, condition.get(field) or []), "")
            if wrong:
                yield f"invalid `{said}` for `key` {key}: {wrong}"


def _attribute(key: str, values: Sequence[str]) -> Iterator[str]:
    yield from common(key, values)
    name, bracket, inside = key.partition("[")
    if bracket and name in _NAMED:
        yield from _bracketed(key, name, inside)
    elif key in ("source.ip", "remote.ip", "destination.ip"):
        yield from addresses(values)
    elif key == "destination.port":
        yield from ports(values)
    elif key == "source.serviceAccount":
        yield from _accounts(key, values)
    elif key == "source.trustDomain":
        yield from _domains(key, values)
    elif name in _GONE:
        yield _GONE[name].format(key)
    elif name in _NAMED:
        yield f"bad key ({key}): should have format a[b]"
    elif key.startswith("experimental.envoy.filters."):
        yield f"attribute {key} is not served by this engine → use request.headers or request.auth.claims"
    elif key not in (*_PLAIN, *_TOKENS):
        yield f"unknown attribute: {key}"


def _bracketed(key: str, name: str, inside: str) -> Iterator[str]:
    names = inside.removesuffix("]").split("][") if name == "request.auth.claims" else [inside.removesuffix("]")]
    if not inside.endswith("]") or not all(names):
        yield f"bad key ({key}): should have format a[b]"
    elif name == "request.headers" and not _HEADER.fullmatch(names[0]):
        yield f"bad key ({key}): {names[0]!r} is no name of a header"


def _not(field: str) -> str:
    return f"not{field[0].upper()}{field[1:]}"
