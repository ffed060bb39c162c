"""Random AuthorizationPolicies, and calls that come near what they say: a value of a policy, or that value bent a little."""

from __future__ import annotations

import random
from typing import Any

from iiab_lab.mesh_access import Call
from iiab_lab.mesh_access.calls import Object

ISSUER = "https://identity.lab"
IDENTITIES = (
    "",
    "cluster.local/ns/shop/sa/web",
    "cluster.local/ns/shop/sa/web-2",
    "cluster.local/ns/shop-2/sa/web",
    "cluster.local/ns/my.shop/sa/data",
    "cluster.local/ns/myxshop/sa/data",
    "other.domain/ns/shop/sa/web",
)
PATHS = (
    "/",
    "/admin",
    "/administrator",
    "/v1/models/iris:predict",
    "/v1/models/",
    "/v1/models",
    "/v1/models/iris/infer",
    "/a.b",
    "/aXb",
    "/a/b/c/d",
    "/x/a.b",
)
HOSTS = ("web.shop", "WEB.shop", "webxshop", "shop.example.com", "api.example.com")
METHODS = ("GET", "POST", "PUT")
HEADERS: tuple[dict[str, str], ...] = ({}, {"x-tenant": "a"}, {"x-tenant": "a.b"}, {"x-tenant": "axb", "x-empty": ""})
CLAIMS: tuple[dict[str, Any] | None, ...] = (
    None,
    {"sub": "ann"},
    {"sub": "an.n", "aud": "models", "tenant": "a"},
    {"sub": "bob", "aud": ["models", "keys"], "azp": "app", "tenant": "a.b"},
    {"sub": "bob", "roles": {"lab": ["admin", "user"]}, "scope": "read write"},
    {"sub": "bob", "tenant": "axb", "roles": {"lab": "user"}, "level": 3},
)
SNIS = ("workload.mesh.local", "other.mesh.local")
_BLOCKS = ("127.0.0.1", "127.0.0.0/8", "10.0.0.0/8", "::1", "0.0.0.0/0")
_TEMPLATES = (
    "/v1/{*}",
    "/v1/{*}/{*}",
    "/v1/{**}",
    "/{**}",
    "/{*}/b/{**}",
    "/{*}",
    "/a/{**}/d",
    "/v1/models/{*}/infer",
    "/{**}/",
)
_SUBJECTS = ("ann", "an.n", "bob")


def bent(chance: random.Random, value: str) -> str:
    """The value, its start, its end, anything, or nearly the value."""
    cut = chance.randrange(len(value) + 1)
    others = (value, value, value, f"{value[:cut]}*", f"*{value[cut:]}", "*", f"{value}x", value[:-1] or "x")
    return chance.choice(others)


def _some(chance: random.Random, values: tuple[str, ...]) -> list[str]:
    return [bent(chance, chance.choice(values)) for _ in range(chance.choice((1, 1, 2)))]


def _plain(chance: random.Random, values: tuple[str, ...]) -> list[str]:
    return chance.sample(values, chance.choice((1, 1, 2)))


def _put(chance: random.Random, made: Object, field: str, values: list[str], likely: float) -> None:
    if chance.random() < likely:
        made[field if chance.random() < 0.7 else f"not{field[0].upper()}{field[1:]}"] = values


def _source(chance: random.Random) -> Object:
    made: Object = {}
    shown = tuple(filter(None, IDENTITIES))
    while not made:
        _put(chance, made, "requestPrincipals", _some(chance, tuple(f"{ISSUER}/{one}" for one in _SUBJECTS)), 0.2)
        _put(chance, made, "ipBlocks", _plain(chance, _BLOCKS), 0.1)
        _put(chance, made, "remoteIpBlocks", _plain(chance, _BLOCKS), 0.1)
        domains = [chance.choice(("*", "cluster.local", "cluster.*", "*.domain", "clusterxlocal"))]
        _put(chance, made, "trustDomains", domains, 0.1)
        if chance.random() < 0.2:
            _put(chance, made, "serviceAccounts", _plain(chance, ("web", "shop-2/web", "my.shop/data", "data")), 1)
        else:
            _put(chance, made, "principals", _some(chance, shown), 0.4)
            _put(chance, made, "namespaces", _some(chance, ("shop", "shop-2", "my.shop")), 0.3)
    return made


def _operation(chance: random.Random) -> Object:
    made: Object = {}
    while not made:
        _put(chance, made, "hosts", _some(chance, HOSTS), 0.25)
        _put(chance, made, "methods", _some(chance, METHODS), 0.3)
        paths = [chance.choice(_TEMPLATES)] if chance.random() < 0.4 else _some(chance, PATHS)
        _put(chance, made, "paths", paths, 0.5)
        _put(chance, made, "ports", _plain(chance, ("8080", "80", "9090")), 0.15)
    return made


def _condition(chance: random.Random) -> Object:
    choices = {
        "request.headers[x-tenant]": _some(chance, ("a", "a.b")),
        "request.headers[X-Empty]": _some(chance, ("", "e"))[:1],
        "source.ip": _plain(chance, _BLOCKS),
        "remote.ip": _plain(chance, _BLOCKS),
        "source.namespace": _some(chance, ("shop", "my.shop")),
        "source.principal": _some(chance, tuple(filter(None, IDENTITIES))),
        "source.serviceAccount": _plain(chance, ("web", "my.shop/data")),
        "source.trustDomain": [chance.choice(("cluster.local", "other.*"))],
        "request.auth.principal": _some(chance, (f"{ISSUER}/ann", f"{ISSUER}/bob")),
        "request.auth.audiences": _some(chance, ("models", "keys")),
        "request.auth.presenter": _some(chance, ("app",)),
        "request.auth.claims[tenant]": _some(chance, ("a", "a.b")),
        "request.auth.claims[roles][lab]": _some(chance, ("admin", "user")),
        "request.auth.claims[scope]": _some(chance, ("read",)),
        "request.auth.claims[level]": ["3"],
        "destination.ip": _plain(chance, _BLOCKS),
        "destination.port": _plain(chance, ("8080", "80")),
        "connection.sni": _some(chance, SNIS),
    }
    key = chance.choice(list(choices))
    made: Object = {"key": key}
    _put(chance, made, "values", [value or "*" for value in choices[key]], 1)
    return made


def _rule(chance: random.Random) -> Object:
    made: Object = {}
    if chance.random() < 0.6:
        made["from"] = [{"source": _source(chance)} for _ in range(chance.choice((1, 1, 2)))]
    if chance.random() < 0.6:
        made["to"] = [{"operation": _operation(chance)} for _ in range(chance.choice((1, 1, 2)))]
    if chance.random() < 0.5:
        made["when"] = [_condition(chance) for _ in range(chance.choice((1, 1, 2)))]
    return made


def policy(chance: random.Random, name: str) -> Object:
    action = chance.choice(("ALLOW", "ALLOW", "ALLOW", "DENY", "DENY", "AUDIT"))
    spec: Object = {"action": action}
    if chance.random() < 0.3:
        spec["selector"] = {"matchLabels": {"app": chance.choice(("web", "web", "other"))}}
    rules = [_rule(chance) for _ in range(chance.choice((1, 1, 2, 3)))]
    if action == "DENY" or chance.random() < 0.9:
        spec["rules"] = rules
    namespace = chance.choice(("shop", "shop", "shop", "istio-system", "elsewhere"))
    meta: Object = {"name": name, "namespace": namespace}
    if action != "AUDIT" and chance.random() < 0.1:
        meta["annotations"] = {"istio.io/dry-run": "true"}
    return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": meta, "spec": spec}


def call(chance: random.Random) -> Call:
    identity = chance.choice(IDENTITIES)
    claims = chance.choice(CLAIMS)
    return Call(
        identity,
        chance.choice(METHODS),
        chance.choice(PATHS),
        chance.choice(HOSTS),
        8080,
        chance.choice(HEADERS),
        claims and {"iss": ISSUER, **claims},
        sni=chance.choice(SNIS) if identity else "",
    )
