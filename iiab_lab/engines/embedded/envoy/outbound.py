"""A Service that a workload's own proxy asks (for keys, for a verdict) → a cluster of that proxy, over the mesh's mTLS.

The proxy asks as its workload: whoever runs the Service says by policy who may. Its endpoints stand in place, as there is
one such cluster at most on most proxies (see `http.downstream_tls` on files that Envoy follows).
"""

from __future__ import annotations

from typing import Any

from ..objects.kinds import Key
from . import http
from .world import IDENTITY, Backend, World, backend, spiffe

Resource = dict[str, Any]


def host_of(service: Key) -> str:
    return f"{service.name}.{service.namespace}.svc.cluster.local"


def name_of(service: Key, port: int, subset: str = "") -> str:
    return f"outbound|{port}|{subset}|{host_of(service)}"


def mutual_tls(service: Key, port: int, found: Backend | None, root: str, subset: str = "") -> Resource:
    """Istio's own: whoever answers shows one of the accounts behind the Service, or any of its namespace while there is none."""
    names = [{"exact": spiffe(*account)} for account in (found.accounts if found else ())]
    names = names or [{"prefix": f"spiffe://cluster.local/ns/{service.namespace}/sa/"}]
    sans = [{"san_type": "URI", "matcher": name} for name in names]
    return http.upstream_tls(f"outbound_.{port}_.{subset}_.{host_of(service)}", root, sans, IDENTITY)


def cluster(world: World, service: Key, port: int, root: str) -> Resource:
    """Without endpoints where there is no such Service: what asks it is then refused. `root` is the mesh's CA, PEM."""
    found = backend(world, service, port)
    name, tls = name_of(service, port), mutual_tls(service, port, found, root)
    addresses = found.addresses if found else []
    return http.cluster(name, http.fixed(name, addresses), None if found and found.plain else tls)
