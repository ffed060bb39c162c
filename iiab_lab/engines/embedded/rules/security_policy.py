"""A SecurityPolicy as it comes in → what the expressions (CEL) of its CustomResourceDefinition refuse, and where.

Source of the rules and their words: envoyproxy/gateway, charts/gateway-crds-helm, x-kubernetes-validations. And more, where
the proxy would go and fetch what a policy names: keys are only ever asked of a Service of the platform.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from ..objects.meta import Object
from . import service_names

Found = Iterator[tuple[str, str]]
"""(field, message)"""


def problems(obj: Object) -> list[tuple[str, str]]:
    spec = obj.get("spec") or {}
    return [
        (field, f'Invalid value: "object": {said}')
        for part in (_whole(spec), _jwt(spec.get("jwt")), _ext_auth(spec.get("extAuth")), _rules(spec))
        for field, said in part
    ]


def _whole(spec: Object) -> Found:
    rules = (spec.get("authorization") or {}).get("rules") or ()
    if "jwt" not in spec and any("jwt" in (rule.get("principal") or {}) for rule in rules):
        yield "spec", "if authorization.rules.principal.jwt is used, jwt must be defined"


def _jwt(jwt: Object | None) -> Found:
    if jwt and "optional" in jwt and "failOpen" in jwt:
        yield "spec.jwt", "optional and failOpen cannot both be set; failOpen already tolerates a missing JWT"
    for index, provider in enumerate((jwt or {}).get("providers") or ()):
        yield from _provider(provider, f"spec.jwt.providers[{index}]")


def _provider(provider: Object, path: str) -> Found:
    if provider.get("recomputeRoute") and not provider.get("claimToHeaders"):
        yield path, "claimToHeaders must be specified if recomputeRoute is enabled."
    if "remoteJWKS" not in provider and "localJWKS" not in provider:
        yield path, "either remoteJWKS or localJWKS must be specified."
    if "remoteJWKS" in provider and "localJWKS" in provider:
        yield path, "remoteJWKS and localJWKS cannot both be specified."
    if "localJWKS" in provider:
        local = provider["localJWKS"]
        wanted = {"Inline": {"inline"}, "ValueRef": {"valueRef"}}[local.get("type", "Inline")]
        if local.keys() & {"inline", "valueRef"} != wanted:
            yield f"{path}.localJWKS", "Exactly one of inline or valueRef must be set with correct type."
    if "remoteJWKS" in provider:
        yield from _remote(provider["remoteJWKS"], f"{path}.remoteJWKS")


def _remote(remote: Object, path: str) -> Found:
    """With backendRefs the uri only says what that Service is asked for."""
    try:
        parts = urlsplit(remote["uri"])
        named = service_names.service(parts.hostname or "") if parts.port != 0 else None
    except ValueError as error:
        yield f"{path}.uri", f"{error} → http://NAME.NAMESPACE.svc.cluster.local:PORT/PATH"
        return
    known = parts.scheme in ("http", "https") and parts.hostname and not parts.username
    if not known or not (remote.get("backendRefs") or (named and parts.scheme == "http")):
        yield (
            f"{path}.uri",
            "keys are fetched from Services of the platform alone → http://NAME.NAMESPACE.svc.cluster.local:PORT/PATH, "
            "or the Service in backendRefs",
        )


def _ext_auth(wanted: Object | None) -> Found:
    if wanted is None:
        return
    kinds = wanted.keys() & {"grpc", "http"}
    if not kinds:
        yield "spec.extAuth", "one of grpc or http must be specified"
    if len(kinds) > 1:
        yield "spec.extAuth", "only one of grpc or http can be specified"
    for kind in sorted(kinds):
        path, service = f"spec.extAuth.{kind}", wanted[kind]
        if not service.get("backendRefs"):
            yield path, "backendRef or backendRefs needs to be set"
        if any(
            ref.get("kind", "Service") == "Service" and "port" not in ref for ref in service.get("backendRefs") or ()
        ):
            yield f"{path}.backendRefs[0]", "Must have port for Service reference"
        if "path" in service and "pathOverride" in service:
            yield path, "only one of path or pathOverride can be specified"
    for index, item in enumerate(wanted.get("contextExtensions") or ()):
        if "value" not in item:
            where = f"spec.extAuth.contextExtensions[{index}]"
            yield where, "Exactly one of value or valueRef must be set with correct type."


def _rules(spec: Object) -> Found:
    for index, rule in enumerate((spec.get("authorization") or {}).get("rules") or ()):
        path = f"spec.authorization.rules[{index}]"
        if "principal" not in rule and "cel" not in rule:
            yield path, "at least one of principal or cel must be specified"
        if "operation" in rule and not rule["operation"].keys() & {"methods", "path"}:
            yield f"{path}.operation", "at least one of methods or path must be specified"
        principal = rule.get("principal")
        if principal is not None and not principal.keys() & {"clientCIDRs", "jwt", "headers"}:
            yield (
                f"{path}.principal",
                "at least one of clientCIDRs, jwt, headers, or clientIPGeoLocations must be specified",
            )
        jwt = (principal or {}).get("jwt")
        if jwt is not None and not jwt.keys() & {"claims", "scopes"}:
            yield f"{path}.principal.jwt", "at least one of claims or scopes must be specified"
