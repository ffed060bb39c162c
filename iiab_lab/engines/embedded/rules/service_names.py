"""Services that a container's arguments name → `IIAB_HOSTS`, which tells what a cluster's DNS and kube-proxy would.

`NAME.NAMESPACE.svc.cluster.local:PORT=ADDRESS:PORT`, separated by commas. Whoever calls a Service here reads its
EndpointSlices; a program without an account, such as the storage initializer, cannot.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from ..objects.kinds import ENDPOINT_SLICE, SERVICE, Key, Kind
from ..objects.meta import Object
from ..objects.names import SERVICE_NAME

HOSTS = "IIAB_HOSTS"
List = Callable[[Kind, str, dict[str, str]], list[Object]]
_NAMED = re.compile(r"(?<![\w.-])([a-z0-9-]+)\.([a-z0-9-]+)\.svc\.cluster\.local(?![\w.-])")


def service(host: str) -> Key | None:
    """The Service behind a full name in the cluster's domain; None for everything else, which lies outside the platform."""
    found = _NAMED.fullmatch(host)
    return Key(found[2], found[1]) if found else None


def environment(args: Iterable[str], get: Callable[[Kind, Key], Object | None], listed: List) -> dict[str, str]:
    """Empty where no argument names a Service that has endpoints."""
    named = sorted({Key(found[2], found[1]) for arg in args for found in _NAMED.finditer(arg)})
    pairs = [pair for key in named if (service := get(SERVICE, key)) for pair in _pairs(key, service, listed)]
    return {HOSTS: ",".join(pairs)} if pairs else {}


def _pairs(key: Key, service: Object, listed: List) -> Iterable[str]:
    slices = listed(ENDPOINT_SLICE, key.namespace, {SERVICE_NAME: key.name})
    # One that starts just now is better than none: its address stays, and whoever calls tries again.
    best = next((one for one in slices if one["endpoints"][0]["conditions"]["ready"]), slices[0] if slices else None)
    own = {port["name"]: port["port"] for port in best["ports"]} if best else {}
    for port in service["spec"].get("ports") or ():
        if (name := port.get("name", "")) in own:
            yield f"{key.name}.{key.namespace}.svc.cluster.local:{port['port']}=127.0.0.1:{own[name]}"
