"""Pod without a node → bound to the one Node there is, unless it is cordoned.

Reads:  Pods without spec.nodeName, the Node's spec.unschedulable.
Writes: spec.nodeName; else the Pod's condition PodScheduled and an Event.
Wakes:  on the Pod, and on the Node.
"""

from __future__ import annotations

from ..objects.conditions import condition, merge
from ..objects.kinds import NODE, POD, Key
from ..objects.meta import Object, key_of
from ..objects.times import rfc3339
from ..reconcile.events import Recorder
from ..reconcile.ports import Client, Clock, Result, Watch


class Scheduler:
    name = "scheduler"

    def __init__(self, client: Client, clock: Clock, record: Recorder) -> None:
        self._client, self._clock, self._record = client, clock, record
        self.watches = (
            Watch(POD, lambda pod: [] if pod["spec"].get("nodeName") else [key_of(pod)]),
            Watch(NODE, lambda _: [key_of(pod) for pod in client.list(POD) if not pod["spec"].get("nodeName")]),
        )

    async def reconcile(self, key: Key) -> Result | None:
        pod, nodes = self._client.get(POD, key), self._client.list(NODE)
        if pod is None or pod["spec"].get("nodeName") or pod["metadata"].get("deletionTimestamp") or not nodes:
            return None
        free = [node for node in nodes if not (node.get("spec") or {}).get("unschedulable")]
        if not free:
            await self._wait(key, pod, f"0/{len(nodes)} nodes are available: {len(nodes)} node(s) were unschedulable.")
            return None
        bound = pod["spec"] | {"nodeName": free[0]["metadata"]["name"]}
        named = {name: pod[name] for name in ("apiVersion", "kind", "metadata")}
        await self._client.apply(named | {"spec": bound})
        return None

    async def _wait(self, key: Key, pod: Object, why: str) -> None:
        now = rfc3339(self._clock.now())
        scheduled = condition("PodScheduled", False, "Unschedulable", why, now=now)
        before = (pod.get("status") or {}).get("conditions")
        await self._client.set_status(POD, key, {"phase": "Pending", "conditions": merge(before, [scheduled])})
        await self._record(pod, "FailedScheduling", why, "Warning")
