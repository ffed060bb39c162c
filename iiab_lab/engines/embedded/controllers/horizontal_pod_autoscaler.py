"""HorizontalPodAutoscaler → the size of the workload it names, by what its Pods use.

Reads:  HorizontalPodAutoscalers, the Deployment or ReplicaSet each scales, its Pods and what they use.
Writes: the workload's spec.replicas; the autoscaler's status; Events.
Wakes:  every 15 s per autoscaler, no sooner: a change counts at the next look.
"""

from __future__ import annotations

from collections.abc import Sequence

from ....errors import ApiError
from ..objects import selectors
from ..objects.conditions import condition, merge
from ..objects.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, POD, REPLICA_SET, Key
from ..objects.meta import Object, key_of, labels_of
from ..objects.times import rfc3339
from ..reconcile.events import Recorder
from ..reconcile.ports import Client, Clock, Processes, Result, Watch
from ..rules.horizontal_autoscaling import decision, metrics, pace
from ..rules.horizontal_autoscaling.decision import SYNC_SECONDS, Decision
from ..rules.horizontal_autoscaling.metrics import Observed, Outcome
from ..rules.horizontal_autoscaling.pace import Bounds, History, Said

_SCALED = (DEPLOYMENT, REPLICA_SET)


class HorizontalPodAutoscalerController:
    name = "horizontalpodautoscaler"

    def __init__(self, client: Client, processes: Processes, clock: Clock, record: Recorder) -> None:
        self._client, self._processes, self._clock, self._record = client, processes, clock, record
        self._histories: dict[Key, History] = {}
        self._due: dict[Key, float] = {}
        self.watches = (Watch(HORIZONTAL_POD_AUTOSCALER, lambda autoscaler: [key_of(autoscaler)]),)

    async def reconcile(self, key: Key) -> Result | None:
        autoscaler = self._client.get(HORIZONTAL_POD_AUTOSCALER, key)
        if autoscaler is None or autoscaler["metadata"].get("deletionTimestamp"):
            self._histories.pop(key, None)
            self._due.pop(key, None)
            return None
        now = self._clock.monotonic()
        # Its own status wakes it too; only time counts.
        if (due := self._due.get(key, now)) > now:
            return Result(due - now)
        self._due[key] = now + SYNC_SECONDS
        await self._sync(autoscaler)
        return Result(SYNC_SECONDS)

    async def _sync(self, autoscaler: Object) -> None:
        target, why = self._target(autoscaler)
        if target is None:
            await self._record(autoscaler, "FailedGetScale", why, "Warning")
            await self._tell(autoscaler, [decision.not_found(why)], {})
            return
        observed = self._observed(autoscaler, target)
        outcomes = metrics.evaluated(autoscaler["spec"], observed)
        made = self._decided(autoscaler, target, observed, outcomes)
        self._histories[key_of(autoscaler)] = made.history
        said = [*made.said, *await self._rescale(autoscaler, target, made)]
        for reason, message in made.events:
            await self._record(autoscaler, reason, message, "Warning")
        numbers: Object = {"currentReplicas": observed.current}
        numbers |= {"currentMetrics": [o.status for o in outcomes if o.status is not None]}
        numbers |= {"desiredReplicas": made.replicas} if made.measured else {}
        if said[-1].reason == "SucceededRescale":
            numbers["lastScaleTime"] = rfc3339(self._clock.now())
        await self._tell(autoscaler, said, numbers)

    def _target(self, autoscaler: Object) -> tuple[Object | None, str]:
        """The workload, or why there is none."""
        reference = autoscaler["spec"]["scaleTargetRef"]
        api_version, kind = reference.get("apiVersion", ""), reference["kind"]
        found = next((k for k in _SCALED if (k.api_version, k.kind) == (api_version, kind)), None)
        if found is None:
            return None, f'no matches for kind "{kind}" in group "{api_version.rpartition("/")[0]}"'
        key = Key(autoscaler["metadata"]["namespace"], reference["name"])
        return self._client.get(found, key), f'{found.resource} "{key.name}" not found'

    def _observed(self, autoscaler: Object, target: Object) -> Observed:
        spec, selector = target["spec"], target["spec"]["selector"]
        listed = self._client.list(POD, target["metadata"]["namespace"])
        pods = [pod for pod in listed if selectors.matches(selector, labels_of(pod))]
        usages = {pod["metadata"]["name"]: self._processes.usage(pod["metadata"]["uid"]) for pod in pods}
        tolerance = metrics.tolerance(autoscaler["spec"])
        return Observed(pods, usages, spec.get("replicas", 1), tolerance, self._clock.now())

    def _decided(self, autoscaler: Object, target: Object, observed: Observed, outcomes: Sequence[Outcome]) -> Decision:
        history = self._histories.get(key_of(autoscaler), History())
        spec, now = autoscaler["spec"], self._clock.monotonic()
        bounds = Bounds(spec["minReplicas"], spec["maxReplicas"])
        rivals = self._pulling_at(autoscaler)
        if len(rivals) > 1 and observed.current and not decision.bounded(observed.current, bounds):
            selector = selectors.written(target["spec"]["selector"])
            return decision.ambiguous(observed.current, selector, rivals, history)
        behavior = pace.behavior(spec.get("behavior"))
        return decision.decide(observed.current, bounds, behavior, outcomes, history, now)

    def _pulling_at(self, autoscaler: Object) -> list[str]:
        """Every autoscaler of the same workload, this one among them."""
        wanted, namespace = autoscaler["spec"]["scaleTargetRef"], autoscaler["metadata"]["namespace"]
        listed = self._client.list(HORIZONTAL_POD_AUTOSCALER, namespace)
        return sorted(str(key_of(other)) for other in listed if other["spec"]["scaleTargetRef"] == wanted)

    async def _rescale(self, autoscaler: Object, target: Object, made: Decision) -> list[Said]:
        """Sets the number, where it is another → the condition that says so."""
        current = target["spec"].get("replicas", 1)
        if made.replicas == current:
            return []
        size = f"New size: {made.replicas}; reason: {made.why}"
        meta = {name: target["metadata"][name] for name in ("name", "namespace", "uid")}
        kind = {name: target[name] for name in ("apiVersion", "kind")}
        try:
            await self._client.apply(kind | {"metadata": meta, "spec": target["spec"] | {"replicas": made.replicas}})
        except ApiError as error:
            await self._record(autoscaler, "FailedRescale", f"{size}; error: {error.message}", "Warning")
            return [decision.not_updated(error.message)]
        await self._record(autoscaler, "SuccessfulRescale", size)
        key, behavior = key_of(autoscaler), pace.behavior(autoscaler["spec"].get("behavior"))
        by, now = made.replicas - current, self._clock.monotonic()
        self._histories[key] = decision.remembering(made.history, by, behavior, now)
        return [decision.rescaled(made.replicas)]

    async def _tell(self, autoscaler: Object, said: Sequence[Said], numbers: Object) -> None:
        """Conditions of which nothing is said this time stay as they were."""
        before, now = autoscaler.get("status") or {}, rfc3339(self._clock.now())
        old = before.get("conditions") or []
        made = {item["type"]: item for item in old}
        made |= {s.type: condition(s.type, s.status, s.reason, s.message, now=now) for s in said}
        status = {"currentReplicas": 0, "desiredReplicas": 0} | before | numbers
        status["conditions"] = merge(old, list(made.values()))
        await self._client.set_status(HORIZONTAL_POD_AUTOSCALER, key_of(autoscaler), status)
