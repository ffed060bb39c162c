"""A SecurityPolicy on the one route of a shop, in force at a real Envoy; what is asked there, and what the policy was told of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from iiab_lab.engines.embedded.envoy.edge import Edge
from iiab_lab.engines.embedded.objects.meta import Object

from .askers import Issuer
from .gateway import route, to
from .tier_1 import Tier1
from .tier_2 import running_lab

A, B = Issuer("a.example", keys=2), Issuer("b.example")
CLAIMS = [{"claim": "sub", "header": "x-sub"}]
SERVICE = [{"name": "authorizer", "port": 80}]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tier1]:
    with running_lab(tmp_path_factory.mktemp("tier-1"), Tier1) as made:
        yield made


def provider(issuer: Issuer, *keys: int, name: str = "", **more: Any) -> Object:
    own = {"name": name or issuer.name[0], "issuer": f"https://{issuer.name}", "audiences": ["models"]}
    return (
        own | ({} if "remoteJWKS" in more else {"localJWKS": {"type": "Inline", "inline": issuer.jwks(*keys)}}) | more
    )


def policy(namespace: str = "shop", **spec: Any) -> Object:
    target = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "web"}
    meta = {"name": "web", "namespace": namespace}
    return {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "SecurityPolicy",
        "metadata": meta,
        "spec": {"targetRefs": [target], **spec},
    }


def jwt(*providers: Object, **more: Any) -> Object:
    return {"providers": list(providers), **more}


def allow(**rule: Any) -> Object:
    return {"rules": [{"action": "Allow", **rule}]}


def apply(lab: Tier1, *others: Object, **spec: Any) -> Edge:
    lab.backend("v1")
    return lab.apply(*lab.service("v1", "v1"), route([{"backendRefs": to("v1")}]), policy(**spec), *others)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def ask(lab: Tier1, path: str = "/", method: str = "GET", **headers: str) -> aiohttp.ClientResponse:
    """On a connection of its own: those that were there before a change end with the next response, which is as before."""
    return lab.get(path, method, Connection="close", **headers)


def status(lab: Tier1, token: str = "", path: str = "/", method: str = "GET", **headers: str) -> int:
    return ask(lab, path, method, **(bearer(token) if token else {}), **headers).status


def verdict(made: Edge) -> tuple[bool, str, str]:
    (spoken,) = made.policies
    return tuple(spoken.conditions["Accepted"])  # type: ignore[return-value]
