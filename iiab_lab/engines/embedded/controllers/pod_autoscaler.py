"""PodAutoscaler → the size of its Deployment, by what its Pods and the activator have in hand. Knative's KPA class.

Reads:  PodAutoscalers, their Deployments, Revisions and Pods, the activator's Pods, PeerAuthentications, ConfigMap
        knative-serving/config-autoscaler; every second, how busy each revision is.
Writes: the Deployment's spec.replicas; status.{desiredScale, actualScale, conditions} and who takes the traffic; what the
        activator may send where.
Wakes:  on each of those; at every tick; at once when a revision at zero gets its first request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from ..envoy import activator
from ..envoy.indexed import Indexed
from ..envoy.world import takes_mtls
from ..objects.capacity import Capacity
from ..objects.conditions import Condition, condition, find, is_true, merge
from ..objects.kinds import CONFIG_MAP, DEPLOYMENT, PEER_AUTHENTICATION, POD, POD_AUTOSCALER, REVISION, Key
from ..objects.meta import Object, annotations_of, key_of, labels_of
from ..objects.names import KN_REVISION, SKS_MODE
from ..objects.pods import ports, standing
from ..objects.times import rfc3339, seconds
from ..reconcile.ports import Client, Clock, Journal, Load, Result, Watch
from ..rules import knative
from ..rules.autoscaling import annotations as said
from ..rules.autoscaling import config
from ..rules.autoscaling.autoscaler import Autoscaler
from ..rules.autoscaling.scaler import Outcome, Seen, reconcile
from ..rules.autoscaling.settings import Settings
from ..rules.autoscaling.status import PROXY, State
from ..rules.autoscaling.status import Condition as Said


class PodAutoscalerController:
    name = "podautoscaler"

    def __init__(self, client: Client, load: Load, clock: Clock, journal: Journal) -> None:
        self._client, self._load, self._clock, self._journal = client, load, clock, journal
        self._autoscalers: dict[Key, Autoscaler] = {}
        self.watches = (
            Watch(POD_AUTOSCALER, lambda scaler: [key_of(scaler)]),
            Watch(DEPLOYMENT, _of_revision),
            Watch(REVISION, lambda revision: [key_of(revision)]),
            Watch(POD, self._concerned, standing),
            Watch(PEER_AUTHENTICATION, lambda _: self._all()),
            Watch(CONFIG_MAP, lambda found: self._all() if key_of(found) == config.KEY else []),
        )

    async def wakes(self) -> AsyncIterator[Key]:
        async for heard in self._load.measured():
            if scaler := self._autoscalers.get(heard.revision):
                self._journal.heard(heard)
                if scaler.hear(heard.at, heard.stats, heard.pods):
                    yield heard.revision

    async def reconcile(self, key: Key) -> Result | None:
        scaler = self._client.get(POD_AUTOSCALER, key)
        if scaler is None or scaler["metadata"].get("deletionTimestamp") or not self._is_ours(scaler):
            self._autoscalers.pop(key, None)
            self._load.forget(key)
            self._journal.forgot(key)
            return None
        deployment = self._client.get(DEPLOYMENT, Key(key.namespace, scaler["spec"]["scaleTargetRef"]["name"]))
        if deployment is None:
            return None
        now, pods = self._clock.now(), self._ready(key)
        autoscaler, reachable = (
            self._autoscaler(scaler, len(pods), now),
            scaler["spec"].get("reachability") != "Unreachable",
        )
        self._load.follow(key, [key_of(pod) for pod in pods], self._capacity(key, pods))
        if decision := autoscaler.tick(now, len(pods), reachable):
            self._journal.ticked(key, now, len(pods), reachable, decision)
        outcome = reconcile(
            autoscaler.settings, autoscaler.decider.decision, autoscaler.state, self._seen(pods, deployment, reachable)
        )
        autoscaler.state = outcome.state
        self._journal.counted(key, labels_of(scaler), self._counts(key, outcome, len(pods), deployment))
        await self._resize(deployment, outcome.replicas)
        await self._client.set_status(POD_AUTOSCALER, key, self._status(scaler, len(pods), outcome))
        waits = [autoscaler.next_tick - now, *([] if outcome.after is None else [outcome.after])]
        return Result(max(0.0, min(waits)))

    def _is_ours(self, scaler: Object) -> bool:
        return said.autoscaler_class(annotations_of(scaler), self._config()) == config.KPA

    def _config(self) -> config.Config:
        return config.Config.of(self._client.get(CONFIG_MAP, config.KEY))

    def _autoscaler(self, scaler: Object, ready: int, now: float) -> Autoscaler:
        settings = Settings.of(
            annotations_of(scaler),
            scaler["spec"].get("containerConcurrency", 0),
            self._config(),
        )
        known = self._autoscalers.get(key_of(scaler))
        if known is None:
            known = self._autoscalers[key_of(scaler)] = Autoscaler(settings, ready, now)
            known.state = _recalled(scaler, now)
            self._journal.began(key_of(scaler), now, ready, settings)
        if known.settings != settings:
            known.update(now, settings)
            self._journal.changed(key_of(scaler), now, settings)
        return known

    def _ready(self, key: Key) -> list[Object]:
        pods = self._client.list(POD, key.namespace, {KN_REVISION: key.name})
        return [pod for pod in pods if is_true(pod, "Ready") and not pod["metadata"].get("deletionTimestamp")]

    def _seen(self, pods: list[Object], deployment: Object, reachable: bool) -> Seen:
        holding = self._client.list(POD, activator.NAMESPACE, {"app": activator.APP})
        return Seen(
            self._clock.now(),
            len(pods),
            deployment["spec"].get("replicas", 1),
            reachable,
            activator_answers=any(is_true(pod, "Ready") for pod in holding),
        )

    def _counts(self, key: Key, outcome: Outcome, ready: int, deployment: Object) -> dict[str, int]:
        going = self._client.list(POD, key.namespace, {KN_REVISION: key.name})
        pending = sum((pod.get("status") or {}).get("phase", "Pending") == "Pending" for pod in going)
        ending = sum("deletionTimestamp" in pod["metadata"] for pod in going)
        return {
            "desired": max(0, outcome.state.desired or 0),
            "requested": deployment["spec"].get("replicas", 1) if outcome.replicas is None else outcome.replicas,
            "count": ready,
            "not_ready_count": len(going) - ready - ending - pending,
            "pending_count": pending,
            "terminating_count": ending,
        }

    def _capacity(self, key: Key, pods: list[Object]) -> Capacity:
        revision = self._client.get(REVISION, key)
        if revision is None:
            return Capacity()
        port, spec, world = knative.user_port(revision), revision["spec"], Indexed(self._client)
        own = [ports(pod) for pod in pods]
        healthy = find(revision, "ContainerHealthy") or {}
        failed = f"{healthy.get('reason')}: {healthy.get('message')}" if healthy.get("status") == "False" else ""
        return Capacity(
            spec.get("containerConcurrency", 0),
            spec.get("timeoutSeconds", 300),
            tuple(f"127.0.0.1:{inside[port]}" for inside in own if port in inside),
            plain=not all(takes_mtls(world, pod, inside.get(port)) for pod, inside in zip(pods, own, strict=True)),
            failure=failed,
        )

    async def _resize(self, deployment: Object, replicas: int | None) -> None:
        if replicas is not None:
            meta = {name: deployment["metadata"][name] for name in ("name", "namespace", "uid")}
            spec = deployment["spec"] | {"replicas": replicas}
            await self._client.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec})

    def _status(self, scaler: Object, ready: int, outcome: Outcome) -> Object:
        name, before = scaler["metadata"]["name"], scaler.get("status") or {}
        return {
            "observedGeneration": scaler["metadata"].get("generation", 1),
            **({} if outcome.state.desired is None else {"desiredScale": outcome.state.desired}),
            "actualScale": ready,
            "serviceName": name,
            "metricsServiceName": f"{name}-private",
            "annotations": {SKS_MODE: outcome.state.mode},
            "conditions": merge(before.get("conditions"), _conditions(outcome.state)),
        }

    def _concerned(self, pod: Object) -> list[Key]:
        if not activator.is_activator(pod):
            return _of_revision(pod)
        if is_true(pod, "Ready"):
            self._load.hold_at(key_of(pod), pod["metadata"]["uid"])
        return self._all()

    def _all(self) -> list[Key]:
        return [key_of(scaler) for scaler in self._client.list(POD_AUTOSCALER)]


def _recalled(scaler: Object, now: float) -> State:
    """What was so before a restart still is: who was inactive does not begin to activate."""
    status = scaler.get("status") or {}
    found = {
        item["type"]: Said(
            item["status"], item.get("reason", ""), item.get("message", ""), seconds(item["lastTransitionTime"])
        )
        for item in status.get("conditions") or ()
    }
    mode = (status.get("annotations") or {}).get(SKS_MODE, PROXY)
    return State.recalled(found, status.get("desiredScale"), mode, now) if found else State.begin(now)


def _conditions(state: State) -> list[Condition]:
    return [
        condition(type_, said.status, said.reason, said.message, now=rfc3339(said.since))
        for type_, said in state.conditions.items()
    ]


def _of_revision(obj: Object) -> list[Key]:
    name = labels_of(obj).get(KN_REVISION)
    return [Key(obj["metadata"]["namespace"], name)] if name else []
