"""Pods that a former life of the control plane called ready → not ready, before anybody can ask.

Their processes ended with it. Without this, whatever waits on a Pod after a restart would be told of readiness that is
gone; the kubelet's node does the same after a reboot.
"""

from __future__ import annotations

from ..objects.conditions import merge
from ..objects.kinds import POD
from ..objects.meta import key_of
from ..objects.times import rfc3339
from ..rules import containers as rules
from .ports import Client, Clock


async def unready(client: Client, clock: Clock) -> None:
    for pod in client.list(POD):
        status = pod.get("status") or {}
        if status.get("phase") not in ("Pending", "Running"):
            continue
        entries = [entry | {"ready": False, "started": False} for entry in status.get("containerStatuses") or ()]
        status = status | {"containerStatuses": entries}
        conditions = merge(status.get("conditions"), rules.conditions(status, rfc3339(clock.now())))
        await client.set_status(POD, key_of(pod), status | {"conditions": conditions})
