"""A publication → the Kubernetes objects that make it so, in the order in which they are applied.

Two routes on one path: whoever sends x-api-key goes by key, everybody else by token. Object names are the original's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from .. import edge
from ..platform import CERTIFICATE, CONFIG_MAP, GATEWAY, GRANT, ROUTE, SECURITY, TRAFFIC, Kind, Object
from .publication import Publication

CLIENT, SUBJECT, TENANT, KEY = "x-client-id", "x-jwt-sub", "x-jwt-tenant", "x-api-key"
LABELS = {"app": "published-model"}
# Whose certificate is the Gateway's own; every other name gets a listener and a certificate.
COVERED = ("api.router.inference-in-a-box", "api.inference-in-a-box")
_GROUP = "gateway.networking.k8s.io"
_INGRESS = {"name": "istio-ingressgateway", "namespace": "istio-system", "port": 443}


def base(namespace: str, model: str) -> str:
    return f"published-model-{namespace}-{model}"


def names(namespace: str, model: str) -> set[str]:
    """Of its routes: they hold a namespace and a model without telling where one ends, so that two models may share one."""
    return {base(namespace, model) + door for door in ("", "-jwt")}


def metadata_name(model: str) -> str:
    return f"published-model-metadata-{model}"


def secret_name(model: str, key: str = "") -> str:
    return f"published-model-apikey-{model}" + (f"-{key}" if key else "")


def all_of(publication: Publication) -> list[Object]:
    doors = [
        *(_route(publication, door) for door in ("", "-jwt")),
        _by_key(publication),
        _by_token(publication),
        *(_limits(publication, door, header) for door, header in (("", CLIENT), ("-jwt", SUBJECT))),
    ]
    return [_grant(publication), *doors]


def metadata(publication: Publication) -> Object:
    labels = LABELS | {"type": "metadata", "model": publication.model}
    name = metadata_name(publication.model)
    return _object(CONFIG_MAP, name, publication.namespace, labels, data={"publication.json": publication.dump()})


def secret(publication: Publication, name: str, key_id: str, value: str) -> Object:
    labels = LABELS | {"type": "apikey", "model": publication.model}
    obj = _object(Kind("v1", "Secret"), name, publication.namespace, labels)
    return obj | {"type": "Opaque", "stringData": {key_id: value}}


def hostname_objects(host: str) -> list[Object]:
    """A certificate and a listener for a name that the Gateway's own does not cover; the listener alone of its manager."""
    if host in COVERED:
        return []
    name = f"published-{hashlib.sha256(host.encode()).hexdigest()[:10]}"
    certificate = _object(CERTIFICATE, name, edge.NAMESPACE, LABELS, spec=_certificate(name, host))
    listener = {
        "name": name,
        "protocol": "HTTPS",
        "port": 443,
        "hostname": host,
        "tls": {"mode": "Terminate", "certificateRefs": [{"name": name, "kind": "Secret", "group": ""}]},
        "allowedRoutes": {"namespaces": {"from": "Same"}},
    }
    gateway = _object(GATEWAY, edge.NAME, edge.NAMESPACE, {}, spec={"listeners": [listener]})
    del gateway["metadata"]["labels"]
    return [certificate, gateway]


def _certificate(name: str, host: str) -> Object:
    return {
        "secretName": name,
        "dnsNames": [host],
        "duration": "2160h",
        "privateKey": {"algorithm": "ECDSA", "size": 256},
        "usages": ["digital signature", "server auth"],
        "issuerRef": {"kind": "ClusterIssuer", "name": "lab-ca"},
    }


def tenant_door(model: str, namespace: str, tenant: str) -> list[Object]:
    """A hostname of a model's own, for its tenant's tokens alone: how a model is called that nobody has published."""
    name, host = door_name(model, namespace), door_host(model, namespace)
    rule = {
        "filters": _filters(model, tenant, {"hostname": backend_host(model, namespace)}),
        "backendRefs": [_INGRESS],
    }
    spec = {"parentRefs": [{"name": edge.NAME}], "hostnames": [host], "rules": [rule]}
    labels = {"app": "model-door", "model": model, "tenant": tenant}
    return [
        _object(ROUTE, name, edge.NAMESPACE, labels, spec=spec),
        _object(SECURITY, name, edge.NAMESPACE, labels, spec=token_policy(name, tenant)),
    ]


def door_name(model: str, namespace: str) -> str:
    """The dot is in no namespace and in no model: no other pair has this name."""
    return f"model-{namespace}.{model}"


def door_host(model: str, namespace: str) -> str:
    return f"{model}.{namespace}.models.inference-in-a-box"


def backend_host(model: str, namespace: str) -> str:
    """What tier 2 knows the model by."""
    return f"{model}-predictor.{namespace}.svc.cluster.local"


def _route(publication: Publication, door: str) -> Object:
    by_key = {"headers": [{"name": KEY, "type": "RegularExpression", "value": ".+"}]} if not door else {}
    paths = list(dict.fromkeys(path for _, path in publication.doors))
    path = {"type": "ReplaceFullPath", "replaceFullPath": f"/v1/models/{publication.model}:predict"}
    rewrite = {"hostname": backend_host(publication.model, publication.namespace), "path": path}
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": path}, **by_key} for path in paths],
        "filters": _filters(publication.model, publication.tenant, rewrite),
        "backendRefs": [_INGRESS],
    }
    spec = {
        "parentRefs": [{"name": edge.NAME}],
        "hostnames": list(dict.fromkeys(host for host, _ in publication.doors)),
        "rules": [rule],
    }
    return _here(ROUTE, publication, door, spec)


def _filters(model: str, tenant: str, rewrite: Object) -> list[Object]:
    """KServe reads a body as JSON under that type alone, and curl -d says another: so the route says it."""
    said = {"x-tenant": tenant, "x-model-name": model, "x-gateway": edge.NAME, "content-type": "application/json"}
    headers = [{"name": name, "value": value} for name, value in said.items()]
    return [
        {"type": "URLRewrite", "urlRewrite": rewrite},
        {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": headers}},
    ]


def _by_key(publication: Publication) -> Object:
    refs = [
        {"name": key.secret, "namespace": publication.namespace, "kind": "Secret", "group": ""}
        for key in publication.keys
    ]
    keys = {
        "credentialRefs": refs,
        "extractFrom": [{"headers": [KEY]}],
        "forwardClientIDHeader": CLIENT,
        "sanitize": True,
    }
    target = _target(base(publication.namespace, publication.model))
    return _here(SECURITY, publication, "", {"targetRefs": [target], "apiKeyAuth": keys})


def _by_token(publication: Publication) -> Object:
    tenants = publication.config.authentication.allowedTenants
    route = base(publication.namespace, publication.model) + "-jwt"
    return _here(SECURITY, publication, "-jwt", token_policy(route, publication.tenant, tenants))


def token_policy(route: str, owner: str, others: Iterable[str] = ()) -> Object:
    """The spec of a SecurityPolicy: tokens of these tenants, each of its own issuer, with the scope `infer`."""
    providers = {"identity": owner} | {f"identity-{tenant}": tenant for tenant in sorted({*others} - {owner})}
    rules = [
        {
            "name": f"allowed-{tenant}",
            "action": "Allow",
            "principal": {
                "jwt": {"provider": name, "scopes": ["infer"], "claims": [{"name": "tenant", "values": [tenant]}]}
            },
        }
        for name, tenant in providers.items()
    ]
    return {
        "targetRefs": [_target(route)],
        "jwt": {"providers": [_provider(name, tenant) for name, tenant in providers.items()]},
        "authorization": {"defaultAction": "Deny", "rules": rules},
    }


def _provider(name: str, tenant: str) -> Object:
    keys = {"group": "", "kind": "ConfigMap", "name": f"identity-jwks-{tenant}"}
    return {
        "name": name,
        "issuer": f"https://identity.inference-in-a-box/tenants/{tenant}",
        "audiences": ["inference-in-a-box"],
        "localJWKS": {"type": "ValueRef", "valueRef": keys},
        "claimToHeaders": [{"claim": "tenant", "header": TENANT}, {"claim": "sub", "header": SUBJECT}],
    }


def _limits(publication: Publication, door: str, header: str) -> Object:
    own = publication.config.rateLimiting.model_dump()
    rules = [*_rules(own, {"name": header, "type": "Distinct"})]
    if not door:
        for key in publication.keys:
            rules += _rules(key.limits, {"name": header, "type": "Exact", "value": key.id}) if key.limits else []
    name = f"published-model-rate-limit-{publication.namespace}-{publication.model}{door}"
    spec = {
        "targetRefs": [_target(base(publication.namespace, publication.model) + door)],
        "mergeType": "StrategicMerge",  # the Gateway's breaker, retries and timeouts stay
        "rateLimit": {"type": "Global", "global": {"rules": rules}},
    }
    return _object(TRAFFIC, name, edge.NAMESPACE, _labels(publication), spec=spec)


def _rules(limits: dict[str, int], header: Object) -> list[Object]:
    """A minute's requests and their burst, an hour's; and never more than a minute's within a second."""
    who = {"clientSelectors": [{"headers": [header]}]}
    minute, burst = limits.get("requestsPerMinute", 0), limits.get("burstLimit", 0)
    wanted = [(minute + burst, "Minute"), (limits.get("requestsPerHour", 0), "Hour")]
    wanted += [(minute + burst, "Second")] if burst else []
    return [who | {"limit": {"requests": requests, "unit": unit}} for requests, unit in wanted if requests]


def _grant(publication: Publication) -> Object:
    spec = {
        "from": [{"group": SECURITY.api_version.partition("/")[0], "kind": SECURITY.kind, "namespace": edge.NAMESPACE}],
        "to": [{"group": "", "kind": "Secret", "name": key.secret} for key in publication.keys],
    }
    return _object(
        GRANT, f"published-model-grant-{publication.model}", publication.namespace, _labels(publication), spec=spec
    )


def _here(kind: Kind, publication: Publication, door: str, spec: Object) -> Object:
    name = base(publication.namespace, publication.model) + door
    return _object(kind, name, edge.NAMESPACE, _labels(publication), spec=spec)


def _target(route: str) -> Object:
    return {"group": _GROUP, "kind": ROUTE.kind, "name": route}


def _labels(publication: Publication) -> dict[str, str]:
    return LABELS | {"model": publication.model, "tenant": publication.tenant}


def _object(kind: Kind, name: str, namespace: str, labels: dict[str, str], **body: Any) -> Object:
    meta = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta, **body}
