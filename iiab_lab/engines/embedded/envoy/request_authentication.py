"""RequestAuthentications that apply to a Pod → Envoy's JWT filter: a bad token is refused with 401, none at all passes.

What a token claims is left to AuthorizationPolicies. One provider per rule, as Istio writes them (istio/istio,
pilot/pkg/security/authn/policy_applier.go). Keys stand in the policy, or the proxy itself fetches them from a Service.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from ..objects.kinds import Key
from ..objects.meta import Object
from ..rules import service_names
from . import http, outbound, rbac
from .durations import seconds

Resource = dict[str, Any]

_CACHED, _PATIENCE = "300s", "5s"
_SPACED = ("permission", "scope")


def rules(policies: Sequence[Object]) -> list[Object]:
    found = [rule for policy in policies for rule in (policy.get("spec") or {}).get("jwtRules") or ()]
    return sorted(found, key=lambda rule: str(rule.get("issuer", "")))


def key_service(uri: str) -> tuple[Key, int] | None:
    """(Service, port) behind a jwksUri; None where it is no Service of the platform."""
    parts = urlsplit(uri)
    service = service_names.service(parts.hostname or "")
    return (service, parts.port or 80) if service else None


def filters(wanted: Sequence[Object]) -> list[Resource]:
    if not wanted:
        return []
    providers = {f"origins-{index}": _provider(rule) for index, rule in enumerate(wanted)}
    matching = {"match": {"prefix": "/"}, "requires": _requirement([*providers])}
    return [http.http_filter("jwt_authn", providers=providers, rules=[matching], bypass_cors_preflight=True)]


def _requirement(names: list[str]) -> Resource:
    """Any one token, or none; where several places are looked at, each that holds one must hold a good one."""
    named: list[Resource] = [{"provider_name": name} for name in names]
    each = [_any([one, {"allow_missing": {}}]) for one in named]
    return each[0] if len(each) == 1 else _any([*named, {"requires_all": {"requirements": each}}])


def _any(requirements: list[Resource]) -> Resource:
    return {"requires_any": {"requirements": requirements}}


def _provider(rule: Object) -> Resource:
    made: Resource = {
        "payload_in_metadata": rbac.PAYLOAD,
        "normalize_payload_in_metadata": {
            "space_delimited_claims": sorted({*_SPACED, *(rule.get("spaceDelimitedClaims") or ())})
        },
        "forward": rule.get("forwardOriginalToken", False),
        **_keys(rule),
    }
    copied = {
        "issuer": "issuer",
        "audiences": "audiences",
        "fromParams": "from_params",
        "fromCookies": "from_cookies",
        "outputPayloadToHeader": "forward_payload_header",
    }
    made |= {theirs: rule[ours] for ours, theirs in copied.items() if rule.get(ours)}
    if rule.get("fromHeaders"):
        made["from_headers"] = [
            {"name": item["name"], "value_prefix": item.get("prefix", "")} for item in rule["fromHeaders"]
        ]
    if rule.get("outputClaimToHeaders"):
        made["claim_to_headers"] = [
            {"header_name": item["header"], "claim_name": item["claim"]} for item in rule["outputClaimToHeaders"]
        ]
    return made


def _keys(rule: Object) -> Resource:
    asked = key_service(rule.get("jwksUri", ""))
    if asked is None:
        return {"local_jwks": {"inline_string": rule.get("jwks", "")}}
    uri = {
        "uri": rule["jwksUri"],
        "cluster": outbound.name_of(*asked),
        "timeout": seconds(rule.get("timeout", _PATIENCE)),
    }
    return {"remote_jwks": {"http_uri": uri, "cache_duration": _CACHED}}
