"""A Service that a workload's own proxy asks (for keys, for a verdict) → a cluster of that proxy, over the mesh's mTLS.

The proxy asks as its workload: whoever runs the Service says by policy who may. Its endpoints stand in place, as there is
one such cluster at most on most proxies (see `http.downstream_tls` on files that Envoy follows).
"""

from __future__ import annotations

from typing import Any

from ..objects.kinds import Key
from . import http
from .world import IDENTITY, World, backend, spiffe

Resource = dict[str, Any]


def host_of(service: Key) -> str:
    return f"{service.name}.{service.namespace}.svc.cluster.local"


def name_of(service: Key, port: int) -> str:
    return f"outbound|{port}||{host_of(service)}"


def cluster(world: World, service: Key, port: int, root: str) -> Resource:
    """Without endpoints where there is no such Service: what asks it is then refused. `root` is the mesh's CA, PEM."""
    found = backend(world, service, port)
    accounts = found.accounts if found else ()
    sans = [{"san_type": "URI", "matcher": {"exact": spiffe(*account)}} for account in accounts]
    sans = sans or [{"san_type": "URI", "matcher": {"prefix": f"spiffe://cluster.local/ns/{service.namespace}/sa/"}}]
    tls = http.upstream_tls(f"outbound_.{port}_._.{host_of(service)}", root, sans, IDENTITY)
    name, plain = name_of(service, port), bool(accounts) and not (found and found.meshed)
    return http.cluster(name, http.fixed(name, found.addresses if found else []), None if plain else tls)
