"""SecurityPolicies → who passes: API keys, Envoy's JWT filter with one provider per policy, RBAC matchers rule by rule.

As Envoy Gateway does it: a key or token must be valid before any rule is looked at (401), rules are taken in their order and
the first that matches decides, else defaultAction (403). A policy that cannot be translated closes its routes (500).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..objects.kinds import CONFIG_MAP, SECRET, Key
from ..objects.meta import Object
from . import api_keys, cel
from .verdicts import Invalid, Verdict
from .world import World, secret_text

Resource = dict[str, Any]

_HTTP = "type.googleapis.com/envoy.extensions.filters.http"
_METADATA_INPUT = "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.DynamicMetadataInput"
_METADATA = "type.googleapis.com/envoy.extensions.matching.input_matchers.metadata.v3.Metadata"
_ACTION = "type.googleapis.com/envoy.config.rbac.v3.Action"
_CEL_INPUT = "type.googleapis.com/xds.type.matcher.v3.HttpAttributesCelMatchInput"
_CEL = "type.googleapis.com/xds.type.matcher.v3.CelMatcher"
_HEADER_INPUT = "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput"
ACCEPTED = Verdict(True, "Accepted", "Policy has been accepted.")


class Security(NamedTuple):
    """Of one policy: providers for the JWT filter, what its routes carry, and the verdict on it."""

    policy: Object
    providers: dict[str, Resource]
    requirement: Resource
    per_route: Resource
    verdict: Verdict


def translate(world: World, policy: Object) -> Security:
    name = f"securitypolicy/{policy['metadata']['namespace']}/{policy['metadata']['name']}"
    providers: dict[str, Resource] = {}
    per_route: Resource = {}
    try:
        for provider in (policy["spec"].get("jwt") or {}).get("providers") or ():
            providers[f"{name}/{provider['name']}"] = _provider(world, policy, provider)
        if "apiKeyAuth" in policy["spec"]:
            per_route[api_keys.FILTER] = api_keys.per_route(world, policy)
        if "authorization" in policy["spec"]:
            rules = _authorization(policy["spec"]["authorization"])
            per_route["envoy.filters.http.rbac"] = {"@type": f"{_HTTP}.rbac.v3.RBACPerRoute", "rbac": rules}
    except (Invalid, cel.NotCel) as error:
        return Security(policy, {}, {}, {}, Verdict(False, "Invalid", str(error)))
    requirement: Resource = {}
    if providers:
        named = [{"provider_name": key} for key in providers]
        requirement = {name: named[0] if len(named) == 1 else {"requires_any": {"requirements": named}}}
        per_route["envoy.filters.http.jwt_authn"] = {
            "@type": f"{_HTTP}.jwt_authn.v3.PerRouteConfig",
            "requirement_name": name,
        }
    return Security(policy, providers, requirement, per_route, ACCEPTED)


def _provider(world: World, policy: Object, provider: Object) -> Resource:
    made: Resource = {
        "forward": True,
        "jwt_cache_config": {"jwt_cache_size": 1000},
        "payload_in_metadata": provider["name"],
        "normalize_payload_in_metadata": {"space_delimited_claims": ["scope", "scp"]},
        "local_jwks": {"inline_string": _jwks(world, policy, provider.get("localJWKS") or {})},
    }
    made |= {field: provider[field] for field in ("issuer", "audiences") if field in provider}
    if provider.get("claimToHeaders"):
        made["claim_to_headers"] = [
            {"header_name": item["header"], "claim_name": item["claim"]} for item in provider["claimToHeaders"]
        ]
    return made


def _jwks(world: World, policy: Object, source: Object) -> str:
    if source.get("type", "Inline") == "Inline":
        if "inline" not in source:
            raise Invalid("jwt provider: localJWKS is needed; the embedded engine fetches no remote key set")
        return str(source["inline"])
    reference = source["valueRef"]
    key = Key(policy["metadata"]["namespace"], reference["name"])
    if reference["kind"] == "Secret":
        text = secret_text(world, key, "jwks") if world.get(SECRET, key) else None
    else:
        data = (world.get(CONFIG_MAP, key) or {}).get("data") or {}
        text = data.get("jwks") or next(iter(data.values()), None)
    if not text:
        raise Invalid(f"jwt provider: no key set in {reference['kind']} {key}")
    return text


def _authorization(wanted: Object) -> Resource:
    """Envoy's matcher tree: rules in order, first match decides."""
    matchers = [
        {"predicate": _all(_predicates(rule)), "on_match": _action(rule["action"], rule.get("name", f"rule-{index}"))}
        for index, rule in enumerate(wanted.get("rules") or ())
    ]
    default = _action(wanted.get("defaultAction", "Deny"), "default")
    tree: Resource = {"on_no_match": default}
    if matchers:
        tree["matcher_list"] = {"matchers": matchers}
    return {"matcher": tree}


def _predicates(rule: Object) -> list[Resource]:
    principal = rule.get("principal") or {}
    found = []
    if "cel" in rule:
        matcher = {"@type": _CEL, "expr_match": {"parsed_expr": cel.parse(rule["cel"])}}
        found.append(_single({"@type": _CEL_INPUT}, {"custom_match": {"name": "cel", "typed_config": matcher}}))
    if "jwt" in principal:
        jwt = principal["jwt"]
        found += [
            _claim(jwt["provider"], ["scope"], {"list_match": {"one_of": _exact(s)}}) for s in jwt.get("scopes") or ()
        ]
        for claim in jwt.get("claims") or ():
            wrapped = [_listed(claim, _exact(value)) for value in claim["values"]]
            found.append(_any([_claim(jwt["provider"], claim["name"].split("."), value) for value in wrapped]))
    for header in principal.get("headers") or ():
        source = {"@type": _HEADER_INPUT, "header_name": header["name"].lower()}
        found.append(_any([_single(source, {"value_match": {"exact": value}}) for value in header["values"]]))
    if not found:
        raise Invalid(
            f"authorization rule {rule.get('name', '')!r} names nobody; give it a principal or a cel expression"
        )
    return found


def _exact(value: str) -> Resource:
    return {"string_match": {"exact": value}}


def _listed(claim: Object, matcher: Resource) -> Resource:
    return {"list_match": {"one_of": matcher}} if claim.get("valueType") == "StringArray" else matcher


def _claim(provider: str, path: list[str], value: Resource) -> Resource:
    steps = [{"key": provider}, *({"key": step} for step in path)]
    source = {"@type": _METADATA_INPUT, "filter": "envoy.filters.http.jwt_authn", "path": steps}
    matcher = {"@type": _METADATA, "value": value}
    return _single(source, {"custom_match": {"name": "metadata", "typed_config": matcher}})


def _single(source: Resource, match: Resource) -> Resource:
    return {"single_predicate": {"input": {"name": "input", "typed_config": source}, **match}}


def _all(predicates: list[Resource]) -> Resource:
    return predicates[0] if len(predicates) == 1 else {"and_matcher": {"predicate": predicates}}


def _any(predicates: list[Resource]) -> Resource:
    return predicates[0] if len(predicates) == 1 else {"or_matcher": {"predicate": predicates}}


def _action(action: str, name: str) -> Resource:
    return {"action": {"name": name, "typed_config": {"@type": _ACTION, "name": name, "action": action.upper()}}}
