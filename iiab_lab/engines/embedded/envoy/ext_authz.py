"""CUSTOM AuthorizationPolicies → requests that one of them matches are put to the authorization service it names.

Two filters, as Istio has them: RBAC's shadow rules note which policy matched, and Envoy's ext_authz asks only then. Whatever
is wrong with the provider closes what the policies match (istio/istio, pilot/pkg/security/authz/builder).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..objects.kinds import Key
from ..objects.meta import Object
from ..rules import service_names
from ..rules.istio.mesh_config import Provider
from . import authorization, outbound
from .durations import seconds
from .http import http_filter

Resource = dict[str, Any]

_MARK, _PREFIX = "istio_ext_authz_", "istio-ext-authz"
_LONGEST = "600s"
_HEADERS = {
    "headersToUpstreamOnAllow": "allowed_upstream_headers",
    "headersToDownstreamOnDeny": "allowed_client_headers",
    "headersToDownstreamOnAllow": "allowed_client_headers_on_success",
}
_BODY = {
    "maxRequestBytes": "max_request_bytes",
    "allowPartialMessage": "allow_partial_message",
    "packAsBytes": "pack_as_bytes",
}


def asked(policies: Sequence[Object], known: Mapping[str, Provider]) -> dict[str, Provider]:
    """Of those that CUSTOM policies name, the providers there are."""
    return {name: known[name] for name in _names(policies) if name in known}


def filters(policies: Sequence[Object], known: Mapping[str, Provider], ports: Mapping[int, int]) -> list[Resource]:
    made = []
    names = _names(policies)
    for name in names:
        chosen = [policy for policy in authorization.of_action(policies, "CUSTOM") if _provider(policy) == name]
        named = authorization.named_rules(chosen, ports, f"{_PREFIX}-{name}-")
        if len(names) > 1 or name not in known:  # Istio takes one provider per workload
            closed = {f"{policy}-deny-due-to-bad-CUSTOM-action": rule for policy, rule in named.items()}
            made.append(http_filter("rbac", rules={"action": "DENY", "policies": closed}))
            continue
        noted = {"shadow_rules": {"action": "DENY", "policies": named}, "shadow_rules_stat_prefix": _MARK}
        made += [http_filter("rbac", **noted), http_filter("ext_authz", **_asking(name, known[name]))]
    return made


def service_of(provider: Provider) -> tuple[Key, int]:
    service = service_names.service(provider["service"])
    assert service, "a provider's Service is checked when its ConfigMap is read"
    return service, provider["port"]


def _names(policies: Sequence[Object]) -> list[str]:
    return sorted({_provider(policy) for policy in authorization.of_action(policies, "CUSTOM")})


def _provider(policy: Object) -> str:
    return str((policy["spec"].get("provider") or {}).get("name", ""))


def _asking(name: str, provider: Provider) -> Resource:
    noted = {
        "filter": "envoy.filters.http.rbac",
        "path": [{"key": f"{_MARK}shadow_effective_policy_id"}],
        "value": {"string_match": {"prefix": f"{_PREFIX}-{name}-"}},
    }
    made: Resource = {
        "transport_api_version": "V3",
        "failure_mode_allow": provider.get("failOpen", False),
        "filter_enabled_metadata": noted,
        "http_service": _service(provider),
    }
    if "statusOnError" in provider:
        made["status_on_error"] = {"code": int(provider["statusOnError"])}
    if body := provider.get("includeRequestBodyInCheck"):
        made["with_request_body"] = {_BODY[field]: value for field, value in body.items()}
    if shown := provider.get("includeRequestHeadersInCheck"):
        made["allowed_headers"] = _patterns(shown)
    return made


def _service(provider: Provider) -> Resource:
    cluster, timeout = outbound.name_of(*service_of(provider)), seconds(provider.get("timeout", _LONGEST))
    made: Resource = {
        "server_uri": {"uri": f"http://{provider['service']}", "cluster": cluster, "timeout": timeout},
        "path_prefix": provider.get("pathPrefix", ""),
    }
    if added := provider.get("includeAdditionalHeadersInCheck"):
        listed = [{"key": key, "value": added[key]} for key in sorted(added)]
        made["authorization_request"] = {"headers_to_add": listed}
    answered = {theirs: _patterns(provider[ours]) for ours, theirs in _HEADERS.items() if provider.get(ours)}
    return made | ({"authorization_response": answered} if answered else {})


def exactly(headers: Sequence[str]) -> Resource:
    """Headers by their names, in whatever case."""
    return {"patterns": [{"exact": header, "ignore_case": True} for header in headers]}


def _patterns(headers: Sequence[str]) -> Resource:
    return {"patterns": [{**_pattern(header), "ignore_case": True} for header in headers]}


def _pattern(header: str) -> Resource:
    if header.startswith("*"):
        return {"suffix": header[1:]}
    return {"prefix": header[:-1]} if header.endswith("*") else {"exact": header}
