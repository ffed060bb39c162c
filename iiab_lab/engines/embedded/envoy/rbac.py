"""One rule of an AuthorizationPolicy → one policy of Envoy's RBAC: what is done (permissions) and by whom (principals).

Everything that a rule names must hold, of each field's values one, of its `not` values none (istio/istio,
pilot/pkg/security/authz/model).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..objects.meta import Object
from . import matchers

Resource = dict[str, Any]
Values = Sequence[str]

JWT, PAYLOAD = "envoy.filters.http.jwt_authn", "payload"


class Side(NamedTuple):
    """Envoy writes the same algebra in two ways."""

    all: str
    any: str
    many: str
    negation: str

    def every(self, parts: list[Resource]) -> Resource:
        return {self.all: {self.many: parts or [{"any": True}]}}

    def either(self, parts: list[Resource]) -> Resource:
        return {self.any: {self.many: parts}}

    def none_of(self, parts: list[Resource]) -> Resource:
        return {self.negation: self.either(parts)}


DOING, WHO = Side("and_rules", "or_rules", "rules", "not_rule"), Side("and_ids", "or_ids", "ids", "not_id")
NEVER: Resource = {"permissions": [DOING.none_of([{"any": True}])], "principals": [WHO.none_of([{"any": True}])]}


class Place(NamedTuple):
    """Where a rule is read: the namespace of its policy, and the workload's ports, containerPort → port on loopback."""

    namespace: str
    ports: Mapping[int, int]


Matcher = Callable[[str, Place], Resource]


def policy(rule: Object, place: Place) -> Resource:
    conditions = [(*_attribute(when["key"]), when) for when in rule.get("when") or ()]
    common = {
        side: [part for s, match, when in conditions if s is side for part in _parts(side, match, when, place)]
        for side in (DOING, WHO)
    }
    sources = [item.get("source") or {} for item in rule.get("from") or ()]
    operations = [item.get("operation") or {} for item in rule.get("to") or ()]
    return {
        "permissions": [_item(DOING, _OPERATION, one, place, common[DOING]) for one in operations or [{}]],
        "principals": [_item(WHO, _SOURCE, one, place, common[WHO]) for one in sources or [{}]],
    }


def _item(side: Side, fields: Mapping[str, Matcher], item: Object, place: Place, common: list[Resource]) -> Resource:
    parts: list[Resource] = []
    for field, match in fields.items():
        values = {"values": item.get(field), "notValues": item.get(f"not{field[0].upper()}{field[1:]}")}
        parts += _parts(side, match, values, place)
    return side.every([*parts, *common])


def _parts(side: Side, match: Matcher, given: Object, place: Place) -> Iterable[Resource]:
    if given.get("values"):
        yield side.either([match(value, place) for value in given["values"]])
    if given.get("notValues"):
        yield side.none_of([match(value, place) for value in given["notValues"]])


def _identity(matcher: Callable[[str], Resource]) -> Matcher:
    return lambda value, _: {"authenticated": {"principal_name": matcher(value)}}


def _account(value: str, place: Place) -> Resource:
    return {"authenticated": {"principal_name": matchers.service_account(value, place.namespace)}}


def _block(field: str) -> Matcher:
    def match(value: str, place: Place) -> Resource:
        address, _, length = value.partition("/")
        return {field: {"address_prefix": address, "prefix_len": int(length or (128 if ":" in address else 32))}}

    return match


def _port(value: str, place: Place) -> Resource:
    """A Pod has ports of its own here; one that it does not open is never asked for."""
    own = place.ports.get(int(value))
    return {"destination_port": own} if own else {"not_rule": {"any": True}}


def _path(value: str, _: Place) -> Resource:
    if "{*}" not in value and "{**}" not in value:
        return {"url_path": {"path": matchers.string(value)}}
    template = value.replace("{*}", "*").replace("{**}", "**")
    kind = "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"
    return {"uri_template": {"name": "uri-template", "typed_config": {"@type": kind, "path_template": template}}}


def _header(name: str, *, ignore_case: bool = False) -> Matcher:
    return lambda value, _: {"header": matchers.header(name, value, ignore_case=ignore_case)}


def _claim(*path: str) -> Matcher:
    return lambda value, _: _metadata(path, matchers.any_value([matchers.string(value)]))


def _request_principal(value: str, _: Place) -> Resource:
    issuer, subject = matchers.request_principal(value)
    return WHO.every(
        [_metadata(("iss",), {"string_match": issuer}), _metadata(("sub",), {"string_match": subject})],
    )


def _metadata(path: Sequence[str], value: Resource) -> Resource:
    keys = [{"key": key} for key in (PAYLOAD, *path)]
    return {"sourced_metadata": {"metadata_matcher": {"filter": JWT, "path": keys, "value": value}}}


_OPERATION: dict[str, Matcher] = {
    "hosts": _header(":authority", ignore_case=True),
    "methods": _header(":method"),
    "paths": _path,
    "ports": _port,
}
_SOURCE: dict[str, Matcher] = {
    "principals": _identity(matchers.principal),
    "requestPrincipals": _request_principal,
    "serviceAccounts": _account,
    "trustDomains": _identity(matchers.trust_domain),
    "namespaces": _identity(matchers.namespace),
    "remoteIpBlocks": _block("remote_ip"),
    "ipBlocks": _block("direct_remote_ip"),
}
_ATTRIBUTES: dict[str, tuple[Side, Matcher]] = {
    "destination.ip": (DOING, _block("destination_ip")),
    "destination.port": (DOING, _port),
    "connection.sni": (DOING, lambda value, _: {"requested_server_name": matchers.string(value)}),
    "source.ip": (WHO, _SOURCE["ipBlocks"]),
    "remote.ip": (WHO, _SOURCE["remoteIpBlocks"]),
    "source.namespace": (WHO, _SOURCE["namespaces"]),
    "source.serviceAccount": (WHO, _SOURCE["serviceAccounts"]),
    "source.trustDomain": (WHO, _SOURCE["trustDomains"]),
    "source.principal": (WHO, _SOURCE["principals"]),
    "request.auth.principal": (WHO, _request_principal),
    "request.auth.audiences": (WHO, _claim("aud")),
    "request.auth.presenter": (WHO, _claim("azp")),
}


def _attribute(key: str) -> tuple[Side, Matcher]:
    """`request.headers[x]` and `request.auth.claims[a][b]` carry a name."""
    name, bracket, inside = key.partition("[")
    if not bracket:
        return _ATTRIBUTES[key]
    inside = inside.removesuffix("]")
    return WHO, _header(inside) if name == "request.headers" else _claim(*inside.split("]["))
