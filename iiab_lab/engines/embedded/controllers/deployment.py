"""Deployment → ReplicaSets, one per template, rolled from the old to the new.

Reads:  Deployments, their ReplicaSets.
Writes: ReplicaSets; the Deployment's revision and status (Available, Progressing).
Wakes:  on the Deployment and on every ReplicaSet it owns.
"""

from __future__ import annotations

import copy

from ..objects.conditions import condition, merge
from ..objects.kinds import DEPLOYMENT, REPLICA_SET, Key
from ..objects.meta import Object, annotations_of, controller_of, key_of, labels_of, new, owner_keys
from ..objects.times import rfc3339, seconds
from ..reconcile.ports import Client, Clock, Result, Watch
from ..rules import rollout

_HASH = "pod-template-hash"
_REVISION = "deployment.kubernetes.io/revision"


class DeploymentController:
    name = "deployment"

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self.watches = (Watch(DEPLOYMENT, lambda d: [key_of(d)]), Watch(REPLICA_SET, owner_keys("Deployment")))

    async def reconcile(self, key: Key) -> Result | None:
        deployment = self._client.get(DEPLOYMENT, key)
        if deployment is None or deployment["metadata"].get("deletionTimestamp"):
            return None
        sets = self._owned(deployment)
        hashed = rollout.template_hash(deployment["spec"]["template"])
        current = next((rs for rs in sets if labels_of(rs).get(_HASH) == hashed), None)
        old = [rs for rs in sets if rs is not current]
        if current is None:
            current = await self._client.create(_replica_set(deployment, hashed))
        sets = [*old, current]
        await self._number(deployment, current, max(map(_revision, old), default=0))
        if not deployment["spec"].get("paused"):
            await self._roll(deployment, current, old)
        await self._prune(deployment, old)
        status = self._status(deployment, current, sets)
        await self._client.set_status(DEPLOYMENT, key, status)
        return self._deadline(deployment, status)

    def _owned(self, deployment: Object) -> list[Object]:
        uid = deployment["metadata"]["uid"]
        labels = deployment["spec"]["selector"].get("matchLabels")
        listed = self._client.list(REPLICA_SET, deployment["metadata"]["namespace"], labels)
        return [rs for rs in listed if (controller_of(rs) or {}).get("uid") == uid]

    async def _number(self, deployment: Object, current: Object, before: int) -> None:
        """A template that comes back, as by `kubectl rollout undo`, is a new revision."""
        said = {_REVISION: str(max(_revision(current), before + 1))}
        for obj in (current, deployment):
            meta = {name: obj["metadata"][name] for name in ("name", "namespace", "uid")} | {"annotations": said}
            if annotations_of(obj).get(_REVISION) != said[_REVISION]:
                await self._client.apply({name: obj[name] for name in ("apiVersion", "kind")} | {"metadata": meta})

    async def _roll(self, deployment: Object, current: Object, old: list[Object]) -> None:
        spec = deployment["spec"]
        grown, shrunk = rollout.sizes(
            spec.get("replicas", 1), spec.get("strategy") or {}, _sizes(current), [_sizes(rs) for rs in old]
        )
        for replica_set, size in ((current, grown), *zip(old, shrunk, strict=True)):
            if replica_set["spec"].get("replicas", 1) != size:
                await self._client.apply(_sized(replica_set, size))

    async def _prune(self, deployment: Object, old: list[Object]) -> None:
        """Keeps as many empty old ReplicaSets as revisionHistoryLimit says, the newest."""
        empty = [rs for rs in old if _sizes(rs) == (0, 0) and not (rs.get("status") or {}).get("replicas")]
        empty.sort(key=_revision, reverse=True)
        for replica_set in empty[deployment["spec"].get("revisionHistoryLimit", 10) :]:
            await self._client.delete(REPLICA_SET, key_of(replica_set), uid=replica_set["metadata"]["uid"])

    def _status(self, deployment: Object, current: Object, sets: list[Object]) -> Object:
        wanted = deployment["spec"].get("replicas", 1)
        count = {
            name: sum((rs.get("status") or {}).get(name, 0) for rs in sets)
            for name in ("replicas", "readyReplicas", "availableReplicas")
        }
        updated = (current.get("status") or {}).get("replicas", 0)
        _, unavailable = rollout.bounds(deployment["spec"].get("strategy") or {}, wanted)
        made = count | {"updatedReplicas": updated, "unavailableReplicas": max(0, wanted - count["availableReplicas"])}
        status = {name: value for name, value in made.items() if value}
        status["observedGeneration"] = deployment["metadata"].get("generation", 1)
        available = count["availableReplicas"] >= wanted - unavailable
        done = updated == wanted == count["replicas"] == count["availableReplicas"]
        status["conditions"] = self._conditions(deployment, current["metadata"]["name"], available, done)
        return status

    def _conditions(self, deployment: Object, replica_set: str, available: bool, done: bool) -> list[Object]:
        now, name = rfc3339(self._clock.now()), deployment["metadata"]["name"]
        before = (deployment.get("status") or {}).get("conditions") or []
        known = {item["type"]: item for item in before}
        progressing = known.get("Progressing", {})
        if done:
            reason, message = "NewReplicaSetAvailable", f'ReplicaSet "{replica_set}" has successfully progressed.'
        elif progressing.get("status") != "False" and self._is_late(deployment, progressing):
            reason, message = "ProgressDeadlineExceeded", f'ReplicaSet "{replica_set}" has timed out progressing.'
        elif progressing.get("reason") == "ProgressDeadlineExceeded":
            reason, message = progressing["reason"], progressing["message"]
        else:
            reason, message = "ReplicaSetUpdated", f'ReplicaSet "{replica_set}" is progressing.'
        updated = now if progressing.get("reason") != reason else progressing.get("lastUpdateTime", now)
        if available:
            first = condition(
                "Available", True, "MinimumReplicasAvailable", "Deployment has minimum availability.", now=now
            )
        else:
            text = f"Deployment {name} does not have minimum availability."
            first = condition("Available", False, "MinimumReplicasUnavailable", text, now=now)
        failed = reason == "ProgressDeadlineExceeded"
        second = condition("Progressing", not failed, reason, message, now=now, lastUpdateTime=updated)
        return merge(
            before, [first | {"lastUpdateTime": known.get("Available", {}).get("lastUpdateTime", now)}, second]
        )

    def _is_late(self, deployment: Object, progressing: Object) -> bool:
        left = self._left(deployment, progressing)
        return left is not None and left <= 0

    def _left(self, deployment: Object, progressing: Object) -> float | None:
        if progressing.get("reason") != "ReplicaSetUpdated":
            return None
        deadline = deployment["spec"].get("progressDeadlineSeconds", 600)
        return seconds(progressing["lastUpdateTime"]) + deadline - self._clock.now()

    def _deadline(self, deployment: Object, status: Object) -> Result | None:
        progressing = next(item for item in status["conditions"] if item["type"] == "Progressing")
        left = self._left(deployment, progressing)
        return Result(max(0.0, left) + 0.1) if left is not None else None


def _revision(replica_set: Object) -> int:
    return int(annotations_of(replica_set).get(_REVISION, 0))


def _replica_set(deployment: Object, hashed: str) -> Object:
    meta, spec = deployment["metadata"], deployment["spec"]
    template = copy.deepcopy(spec["template"])
    template.setdefault("metadata", {}).setdefault("labels", {})[_HASH] = hashed
    selector = {**spec["selector"], "matchLabels": {**(spec["selector"].get("matchLabels") or {}), _HASH: hashed}}
    return new(
        REPLICA_SET,
        f"{meta['name']}-{hashed}",
        meta["namespace"],
        owner=deployment,
        labels=template["metadata"]["labels"],
        spec={"replicas": 0, "selector": selector, "template": template},
    )


def _sized(replica_set: Object, size: int) -> Object:
    meta = {name: replica_set["metadata"][name] for name in ("name", "namespace", "uid")}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": meta,
        "spec": replica_set["spec"] | {"replicas": size},
    }


def _sizes(replica_set: Object) -> tuple[int, int]:
    return replica_set["spec"].get("replicas", 1), (replica_set.get("status") or {}).get("availableReplicas", 0)
