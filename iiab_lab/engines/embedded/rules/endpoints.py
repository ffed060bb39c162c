"""A Service and a Pod behind it → the EndpointSlice that leads there: one per Pod, because every Pod has ports of its own here."""

from __future__ import annotations

from ..objects.conditions import is_true
from ..objects.kinds import ENDPOINT_SLICE
from ..objects.meta import Object, new
from ..objects.names import SERVICE_NAME
from ..objects.pods import ports


def of_pod(service: Object, pod: Object, leads_to: int | None = None) -> Object | None:
    """`leads_to`: the containerPort behind every port of the Service, where it is not its targetPort.

    None as long as the Pod has no ports yet.
    """
    own = ports(pod)
    if not own:
        return None
    meta, name = service["metadata"], pod["metadata"]["name"]
    going = bool(pod["metadata"].get("deletionTimestamp"))
    ready = is_true(pod, "Ready")
    endpoint = {
        "addresses": ["127.0.0.1"],
        "conditions": {"ready": ready and not going, "serving": ready, "terminating": going},
        "nodeName": pod["spec"].get("nodeName", ""),
        "targetRef": {
            "kind": "Pod",
            "name": name,
            "namespace": pod["metadata"]["namespace"],
            "uid": pod["metadata"]["uid"],
        },
    }
    return new(
        ENDPOINT_SLICE,
        f"{meta['name']}-{name}"[-253:],
        meta["namespace"],
        owner=service,
        labels={
            SERVICE_NAME: meta["name"],
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        },
        addressType="IPv4",
        endpoints=[endpoint],
        ports=[
            {"name": port.get("name", ""), "port": own[target], "protocol": port.get("protocol", "TCP")}
            for port in service["spec"].get("ports") or ()
            if (target := leads_to or _target(port, pod)) in own
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
