"""Revision → Deployment, PodAutoscaler and Services of one immutable version; how they fare → its status.

Reads:  Revisions, their Deployment, PodAutoscaler and Pods, ConfigMap knative-serving/config-autoscaler.
Writes: Deployment, PodAutoscaler, Services `<revision>` and `<revision>-private`; status.conditions (ContainerHealthy, ResourcesAvailable, Active, Ready), replicas.
Wakes:  on the Revision, on what it owns, and on its Pods.
"""

from __future__ import annotations

from ..objects.conditions import Condition, condition, find, is_true, merge
from ..objects.kinds import CONFIG_MAP, DEPLOYMENT, POD, POD_AUTOSCALER, REVISION, Key
from ..objects.meta import Object, key_of, labels_of, owner_keys
from ..objects.names import KN_REVISION
from ..objects.pods import HOPELESS, fortune
from ..objects.times import rfc3339
from ..reconcile.ports import Client, Clock, Result, Watch
from ..rules import knative
from ..rules.autoscaling import config
from ..rules.autoscaling.config import Config
from ..rules.autoscaling.settings import Settings


class RevisionController:
    name = "revision"

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        owned = owner_keys("Revision")
        self.watches = (
            Watch(REVISION, lambda revision: [key_of(revision)]),
            Watch(DEPLOYMENT, owned),
            Watch(POD_AUTOSCALER, owned),
            Watch(POD, _of_revision, fortune),
        )

    async def reconcile(self, key: Key) -> Result | None:
        revision = self._client.get(REVISION, key)
        if revision is None or revision["metadata"].get("deletionTimestamp"):
            return None
        autoscaler = await self._client.apply(knative.pod_autoscaler(revision))
        wanted = knative.deployment(revision, self._replicas(revision))
        deployment = await self._client.apply(wanted)
        await self._client.apply(knative.private_service(revision))
        await self._client.apply(knative.public_service(revision))
        await self._client.set_status(REVISION, key, self._status(revision, deployment, autoscaler))
        return None

    def _replicas(self, revision: Object) -> int:
        """The autoscaler's number once the Deployment exists; before that the initial scale."""
        name = f"{revision['metadata']['name']}-deployment"
        present = self._client.get(DEPLOYMENT, Key(revision["metadata"]["namespace"], name))
        if present is not None:
            return int(present["spec"].get("replicas", 1))
        annotations = revision["metadata"].get("annotations") or {}
        settings = Settings.of(annotations, revision["spec"].get("containerConcurrency", 0), self._config())
        return max(settings.initial_scale, settings.min_scale)

    def _config(self) -> Config:
        return Config.of(self._client.get(CONFIG_MAP, config.KEY))

    def _status(self, revision: Object, deployment: Object, autoscaler: Object) -> Object:
        before, counts = revision.get("status") or {}, deployment.get("status") or {}
        conditions = self._conditions(revision, deployment, autoscaler)
        return {
            "observedGeneration": revision["metadata"].get("generation", 1),
            "actualReplicas": counts.get("readyReplicas", 0),
            "desiredReplicas": deployment["spec"].get("replicas", 1),
            "containerStatuses": [
                {"name": c["name"], "imageDigest": c.get("image", "")} for c in revision["spec"]["containers"]
            ],
            "conditions": merge(before.get("conditions"), conditions),
        }

    def _conditions(self, revision: Object, deployment: Object, autoscaler: Object) -> list[Condition]:
        now, before = rfc3339(self._clock.now()), revision
        reason, message = self._trouble(revision)
        available = is_true(deployment, "Available") and knative.is_current(deployment)
        progressing = find(deployment, "Progressing") or {}
        if available or (is_true(before, "Ready") and not reason):
            healthy, resources = (
                condition("ContainerHealthy", True, now=now),
                condition("ResourcesAvailable", True, now=now),
            )
        elif reason:
            healthy = condition("ContainerHealthy", False, reason, message, now=now)
            resources = condition("ResourcesAvailable", "Unknown", "Deploying", now=now)
        elif progressing.get("status") == "False":
            text = progressing.get("message", "")
            healthy = condition("ContainerHealthy", "Unknown", now=now)
            resources = condition("ResourcesAvailable", False, "ProgressDeadlineExceeded", text, now=now)
        else:
            healthy = condition("ContainerHealthy", "Unknown", "Deploying", now=now)
            resources = condition("ResourcesAvailable", "Unknown", "Deploying", now=now)
        active = knative.copied("Active", autoscaler, "Active", now) | {"severity": "Info"}
        return [active, *knative.ready([healthy, resources], now)]

    def _trouble(self, revision: Object) -> tuple[str, str]:
        """Why a container of one of its Pods cannot run, with its own last words."""
        meta = revision["metadata"]
        for pod in self._client.list(POD, meta["namespace"], {KN_REVISION: meta["name"]}):
            status = pod.get("status") or {}
            for item in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
                waiting = (item.get("state") or {}).get("waiting") or {}
                if waiting.get("reason") in HOPELESS:
                    last = (item.get("lastState") or {}).get("terminated") or {}
                    code = f"ExitCode{last['exitCode']}" if last else waiting["reason"]
                    return code, last.get("message") or waiting.get("message", "")
        return "", ""


def _of_revision(pod: Object) -> list[Key]:
    name = labels_of(pod).get(KN_REVISION)
    return [Key(pod["metadata"]["namespace"], name)] if name else []
