"""A request and the workload it is sent to, as that workload's proxy sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Object = dict[str, Any]
TRUST_DOMAIN = "cluster.local"


@dataclass(frozen=True)
class Call:
    """`identity` as Istio writes it, cluster.local/ns/NAMESPACE/sa/ACCOUNT; "" for a caller who shows no certificate.

    `path` without its query, and normalised; `claims` of a valid token, None without one; header names in lower case.
    """

    identity: str = ""
    method: str = "GET"
    path: str = "/"
    host: str = ""
    port: int = 8080
    headers: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, Any] | None = None
    source_ip: str = "127.0.0.1"
    remote_ip: str = "127.0.0.1"
    destination_ip: str = "127.0.0.1"
    sni: str = ""


class Workload(NamedTuple):
    """Pods that policies cannot tell apart: their namespace, a name for people, their labels, what they listen on.

    `names` are (name, containerPort) of those ports that have one."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    ports: tuple[int, ...]
    names: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def identity(namespace: str, account: str) -> str:
    return f"{TRUST_DOMAIN}/ns/{namespace}/sa/{account}"
