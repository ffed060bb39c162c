"""Objects of security.istio.io on their way in, and the MeshConfig → or 422 by the rules of their definitions, or 400.

The first in the words of the API server for rules in CEL, the second in those of Istio's webhook. What is let in, Envoy
takes: no policy of one tenant can hold up the configuration of another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .....errors import ApiError
from ...objects.meta import Object, key_of
from ...rules.istio import authorization_policy, mesh_config, request_authentication
from ..causes import Cause
from ..structural import invalid
from . import Admit
from .istio import denied

_CONFIG = "config.webhook.istio.io"


def authorization(admit: Admit) -> Object | None:
    return _checked(admit, _authorization_causes, authorization_policy.problems)


def request(admit: Admit) -> Object | None:
    return _checked(admit, _request_causes, request_authentication.problems)


def peer(admit: Admit) -> Object | None:
    return _checked(admit, _peer_causes, lambda _: [])


def config(admit: Admit) -> Object | None:
    """Istio reads it as it comes and says in a log what is wrong; here it does not come in."""
    obj = admit.object
    if obj is not None and key_of(obj) == mesh_config.KEY:
        try:
            mesh_config.providers(obj)
        except ValueError as error:
            why = f'admission webhook "{_CONFIG}" denied the request: {error}'
            raise ApiError(400, "BadRequest", why) from None
    return obj


def _checked(
    admit: Admit, causes: Callable[[Object], Iterator[Cause]], problems: Callable[[Object], list[str]]
) -> Object | None:
    obj = admit.object
    if obj is None or admit.subresource:
        return obj
    if wrong := [*_selector(obj.get("spec") or {}), *causes(obj.get("spec") or {})]:
        raise invalid(admit.kind.kind, admit.kind.group, obj["metadata"]["name"], wrong)
    if said := problems(obj):
        raise denied(said)
    return obj


def _selector(spec: Object) -> Iterator[Cause]:
    labels = (spec.get("selector") or {}).get("matchLabels") or {}
    where = "spec.selector.matchLabels"
    if any("*" in key for key in labels):
        yield where, 'Invalid value: "object": wildcard not allowed in label key match'
    if "" in labels:
        yield where, 'Invalid value: "object": key must not be empty'
    for key, value in labels.items():
        if "*" in value:
            yield f"{where}.{key}", 'Invalid value: "string": wildcard not allowed in label value match'
    if "selector" in spec and "targetRefs" in spec:
        yield "spec", 'Invalid value: "object": only one of targetRefs or selector can be set'


def _authorization_causes(spec: Object) -> Iterator[Cause]:
    for index, rule in enumerate(spec.get("rules") or ()):
        for place, item in enumerate(rule.get("from") or ()):
            given = (item.get("source") or {}).keys()
            if given & {"serviceAccounts", "notServiceAccounts"} and given & {
                "principals",
                "notPrincipals",
                "namespaces",
                "notNamespaces",
            }:
                said = "Cannot set serviceAccounts with namespaces or principals"
                yield f"spec.rules[{index}].from[{place}].source", f'Invalid value: "object": {said}'


def _request_causes(spec: Object) -> Iterator[Cause]:
    for index, rule in enumerate(spec.get("jwtRules") or ()):
        if "jwks" in rule and "jwksUri" in rule:
            yield f"spec.jwtRules[{index}]", 'Invalid value: "object": only one of jwks or jwksUri can be set'


def _peer_causes(spec: Object) -> Iterator[Cause]:
    ports = spec.get("portLevelMtls")
    if ports is None:
        return
    if not (spec.get("selector") or {}).get("matchLabels"):
        yield "spec", 'Invalid value: "object": portLevelMtls requires selector'
    if not all(port.isascii() and port.isdigit() and 0 < int(port) <= 65535 for port in ports):
        yield "spec.portLevelMtls", 'Invalid value: "object": port must be between 1-65535'
