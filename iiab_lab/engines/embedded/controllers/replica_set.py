"""ReplicaSet → as many Pods as it says.

Reads:  ReplicaSets, the Pods they own.
Writes: Pods; the ReplicaSet's status.
Wakes:  on the ReplicaSet and on every Pod it owns.
"""

from __future__ import annotations

from ....errors import ApiError
from ..objects.conditions import condition, find, is_true, merge
from ..objects.kinds import POD, REPLICA_SET, Key
from ..objects.meta import Object, controller_of, key_of, owner_keys
from ..objects.pods import of_template, standing
from ..objects.times import rfc3339
from ..reconcile.events import Recorder
from ..reconcile.ports import Client, Clock, Result, Watch


class ReplicaSetController:
    name = "replicaset"

    def __init__(self, client: Client, clock: Clock, record: Recorder) -> None:
        self._client, self._clock, self._record = client, clock, record
        self.watches = (Watch(REPLICA_SET, lambda rs: [key_of(rs)]), Watch(POD, owner_keys("ReplicaSet"), standing))

    async def reconcile(self, key: Key) -> Result | None:
        replica_set = self._client.get(REPLICA_SET, key)
        if replica_set is None or replica_set["metadata"].get("deletionTimestamp"):
            return None
        pods = self._owned(replica_set)
        alive = [pod for pod in pods if _is_active(pod)]
        refusal = await self._scale(replica_set, alive)
        await self._client.set_status(REPLICA_SET, key, self._status(replica_set, self._owned(replica_set), refusal))
        return Result(1.0) if refusal else None

    def _owned(self, replica_set: Object) -> list[Object]:
        uid = replica_set["metadata"]["uid"]
        labels = replica_set["spec"]["selector"].get("matchLabels")
        listed = self._client.list(POD, replica_set["metadata"]["namespace"], labels)
        return [pod for pod in listed if (controller_of(pod) or {}).get("uid") == uid]

    async def _scale(self, replica_set: Object, alive: list[Object]) -> str:
        """Creates or deletes what is needed → why a Pod could not be created, or ""."""
        wanted = replica_set["spec"].get("replicas", 1)
        try:
            for _ in range(wanted - len(alive)):
                pod = await self._client.create(of_template(replica_set))
                await self._record(replica_set, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")
        except ApiError as error:
            message = f"Error creating: {error.message}"
            await self._record(replica_set, "FailedCreate", message, "Warning")
            return message
        # The least useful first: not ready, then the youngest.
        going = sorted(alive, key=lambda pod: (is_true(pod, "Ready"), _age(pod)))[: max(0, len(alive) - wanted)]
        for pod in going:
            await self._client.delete(POD, key_of(pod), uid=pod["metadata"]["uid"])
            await self._record(replica_set, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
        return ""

    def _status(self, replica_set: Object, pods: list[Object], refusal: str) -> Object:
        alive = [pod for pod in pods if _is_active(pod)]
        ready = sum(is_true(pod, "Ready") for pod in alive)
        status: Object = {
            "observedGeneration": replica_set["metadata"].get("generation", 1),
            "replicas": len(alive),
            "fullyLabeledReplicas": len(alive),
        }
        status |= {"readyReplicas": ready, "availableReplicas": ready} if ready else {}
        if refusal:
            made = condition("ReplicaFailure", True, "FailedCreate", refusal, now=rfc3339(self._clock.now()))
            before = find(replica_set, "ReplicaFailure")
            status["conditions"] = merge([before] if before else [], [made])
        return status


def _is_active(pod: Object) -> bool:
    over = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not over and not pod["metadata"].get("deletionTimestamp")


def _age(pod: Object) -> str:
    """Sorts the youngest first: RFC 3339 in reverse."""
    return "".join(chr(255 - ord(letter)) for letter in pod["metadata"]["creationTimestamp"])
