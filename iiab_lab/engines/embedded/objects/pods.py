"""A Pod → its containers, in the order they are started; and what others look at in it."""

from __future__ import annotations

import copy
import json
from collections.abc import Hashable, Mapping

from .conditions import is_true
from .kinds import POD
from .meta import Object, annotations_of, labels_of, new
from .names import PORTS, SIDECAR

# What a container says of itself that waiting will not mend.
HOPELESS = ("CrashLoopBackOff", "ErrImagePull", "ImagePullBackOff", "RunContainerError", "CreateContainerConfigError")


def of_template(owner: Object, labels: Mapping[str, str] | None = None) -> Object:
    """A new Pod of its owner's, as its template says; the API server completes the name."""
    template, meta = copy.deepcopy(owner["spec"]["template"]), owner["metadata"]
    own = template.get("metadata") or {}
    pod = new(
        POD,
        "",
        meta["namespace"],
        owner=owner,
        generateName=f"{meta['name']}-",
        labels={**(labels or {}), **(own.get("labels") or {})},
        annotations=own.get("annotations") or {},
        spec=template["spec"],
    )
    del pod["metadata"]["name"]
    return pod


def containers_of(pod: Object) -> list[Object]:
    """Init containers first. Of a Pod or a Pod template."""
    spec = pod["spec"]
    return [*(spec.get("initContainers") or ()), *spec["containers"]]


def has_proxy(pod: Object) -> bool:
    """Whether an Envoy of the mesh stands before it: a sidecar's, or an ingress gateway's own."""
    return any(container["name"] == SIDECAR for container in pod["spec"]["containers"])


def has_ended(pod: Object) -> bool:
    """For good: nothing of it runs any more."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def ports(pod: Object) -> dict[int, int]:
    """containerPort → port on loopback; empty as long as the Pod has none."""
    return {int(port): own for port, own in json.loads(annotations_of(pod).get(PORTS, "{}")).items()}


def standing(pod: Object) -> Hashable:
    """Whether it can be sent to, and where. Its containers start in steps that concern nobody who does not ask for more."""
    phase, going = (pod.get("status") or {}).get("phase"), pod["metadata"].get("deletionTimestamp")
    where = annotations_of(pod).get(PORTS), pod["spec"].get("nodeName")
    return phase, is_true(pod, "Ready"), going, where, tuple(sorted(labels_of(pod).items()))


def as_peer(pod: Object) -> Hashable:
    """Whom a NetworkPolicy sees in it."""
    account = pod["spec"].get("serviceAccountName", "default")
    return has_ended(pod), account, tuple(sorted(labels_of(pod).items()))


def fortune(pod: Object) -> Hashable:
    """Its standing, whether any of its containers runs, and why one cannot."""
    status = pod.get("status") or {}
    statuses = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    reasons = [((item.get("state") or {}).get("waiting") or {}).get("reason", "") for item in statuses]
    running = any("running" in (item.get("state") or {}) for item in status.get("containerStatuses") or ())
    ends = [((item.get("state") or {}).get("terminated") or {}).get("exitCode", 0) for item in statuses]
    restarts = sum(item.get("restartCount", 0) for item in statuses)
    return standing(pod), running, tuple(r for r in reasons if r in HOPELESS), any(ends), restarts
