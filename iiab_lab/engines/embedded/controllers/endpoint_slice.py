"""Service and Pods → EndpointSlices. One slice per Pod, because every Pod has ports of its own on this engine.

Reads:  Services with a selector, Pods.
Writes: EndpointSlices, owned by the Service.
Wakes:  on the Service, and on Pods of its namespace that it selects or has a slice of.
"""

from __future__ import annotations

import json

from ..objects.conditions import is_true
from ..objects.kinds import ENDPOINT_SLICE, POD, SERVICE, Key
from ..objects.meta import Object, annotations_of, key_of, labels_of, new
from ..objects.names import PORTS
from ..reconcile.ports import Client, Result, Watch

_SERVICE = "kubernetes.io/service-name"


class EndpointSliceController:
    name = "endpointslice"

    def __init__(self, client: Client) -> None:
        self._client = client
        self.watches = (Watch(SERVICE, lambda service: [key_of(service)]), Watch(POD, self._selecting))

    async def reconcile(self, key: Key) -> Result | None:
        service = self._client.get(SERVICE, key)
        if service is None or service["metadata"].get("deletionTimestamp") or not _selector(service):
            return None
        wanted = {made["metadata"]["name"]: made for pod in self._selected(service) if (made := _slice(service, pod))}
        for made in wanted.values():
            await self._client.apply(made)
        for present in self._client.list(ENDPOINT_SLICE, key.namespace, {_SERVICE: key.name}):
            if present["metadata"]["name"] not in wanted:
                await self._client.delete(ENDPOINT_SLICE, key_of(present))
        return None

    def _selected(self, service: Object) -> list[Object]:
        pods = self._client.list(POD, service["metadata"]["namespace"], _selector(service))
        return [pod for pod in pods if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")]

    def _selecting(self, pod: Object) -> list[Key]:
        labels = labels_of(pod).items()
        services = self._client.list(SERVICE, pod["metadata"]["namespace"])
        return [key_of(service) for service in services if _selector(service) and _selector(service).items() <= labels]


def _selector(service: Object) -> dict[str, str]:
    return (service.get("spec") or {}).get("selector") or {}


def _slice(service: Object, pod: Object) -> Object | None:
    """None as long as the Pod has no ports yet."""
    own = json.loads(annotations_of(pod).get(PORTS, "{}"))
    if not own:
        return None
    meta, name = service["metadata"], pod["metadata"]["name"]
    going = bool(pod["metadata"].get("deletionTimestamp"))
    ready = is_true(pod, "Ready")
    endpoint = {
        "addresses": ["127.0.0.1"],
        "conditions": {"ready": ready and not going, "serving": ready, "terminating": going},
        "nodeName": pod["spec"].get("nodeName", ""),
        "targetRef": {"kind": "Pod", "name": name, "namespace": meta["namespace"], "uid": pod["metadata"]["uid"]},
    }
    return new(
        ENDPOINT_SLICE,
        f"{meta['name']}-{name}"[-253:],
        meta["namespace"],
        owner=service,
        labels={_SERVICE: meta["name"], "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"},
        addressType="IPv4",
        endpoints=[endpoint],
        ports=[
            {"name": port.get("name", ""), "port": own[str(target)], "protocol": port.get("protocol", "TCP")}
            for port in service["spec"].get("ports") or ()
            if str(target := _target(port, pod)) in own
        ],
    )


def _target(port: Object, pod: Object) -> int:
    """The containerPort that a Service's port leads to; 0 where the Pod has no port of that name."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    named = [
        p["containerPort"] for c in pod["spec"]["containers"] for p in c.get("ports") or () if p.get("name") == target
    ]
    return int(str(target)) if str(target).isdigit() else next(iter(named), 0)
