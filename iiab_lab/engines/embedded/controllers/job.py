"""Job → one Pod that must end well, tried again as often as backoffLimit says.

Reads:  Jobs, the Pods they own.
Writes: Pods; the Job's status (Complete, Failed).
Wakes:  on the Job and on every Pod it owns.
"""

from __future__ import annotations

from ..objects.conditions import condition, is_true, merge
from ..objects.kinds import JOB, POD, Key
from ..objects.meta import Object, controller_of, key_of, owner_keys
from ..objects.pods import of_template
from ..objects.times import rfc3339
from ..reconcile.events import Recorder
from ..reconcile.ports import Client, Clock, Result, Watch

_FIRST, _MOST = 10.0, 360.0


class JobController:
    name = "job"

    def __init__(self, client: Client, clock: Clock, record: Recorder) -> None:
        self._client, self._clock, self._record = client, clock, record
        self.watches = (Watch(JOB, lambda job: [key_of(job)]), Watch(POD, owner_keys("Job")))
        self._last_failure: dict[str, tuple[int, float]] = {}

    async def reconcile(self, key: Key) -> Result | None:
        job = self._client.get(JOB, key)
        if job is None or job["metadata"].get("deletionTimestamp") or _is_over(job):
            return None
        uid = job["metadata"]["uid"]
        listed = self._client.list(POD, key.namespace)
        pods = [pod for pod in listed if (controller_of(pod) or {}).get("uid") == uid]
        phases = [(pod.get("status") or {}).get("phase", "Pending") for pod in pods]
        failed, succeeded = phases.count("Failed"), phases.count("Succeeded")
        over = self._verdict(job, failed, succeeded)
        wait = self._wait(uid, failed)
        if not over and len(pods) == failed and wait <= 0:
            pod = await self._client.create(_pod(job))
            await self._record(job, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")
            pods.append(pod)
        await self._client.set_status(JOB, key, self._status(job, pods, failed, succeeded, over))
        return Result(wait) if wait > 0 and not over else None

    def _wait(self, uid: str, failed: int) -> float:
        """Seconds until the next try: 10, 20, 40, … after each failure."""
        count, since = self._last_failure.get(uid, (0, 0.0))
        if failed > count:
            self._last_failure[uid] = (failed, since := self._clock.now())
        return since + min(_MOST, _FIRST * 2 ** (failed - 1)) - self._clock.now() if failed else 0.0

    def _verdict(self, job: Object, failed: int, succeeded: int) -> list[Object]:
        now = rfc3339(self._clock.now())
        if succeeded:
            return [
                condition(type_, True, "CompletionsReached", "Reached expected number of succeeded pods", now=now)
                for type_ in ("SuccessCriteriaMet", "Complete")
            ]
        if failed > job["spec"].get("backoffLimit", 6):
            message = "Job has reached the specified backoff limit"
            return [
                condition(type_, True, "BackoffLimitExceeded", message, now=now)
                for type_ in ("FailureTarget", "Failed")
            ]
        return []

    def _status(self, job: Object, pods: list[Object], failed: int, succeeded: int, over: list[Object]) -> Object:
        before, now = job.get("status") or {}, rfc3339(self._clock.now())
        counts = {
            "active": len(pods) - failed - succeeded,
            "ready": sum(is_true(pod, "Ready") for pod in pods),
            "failed": failed,
            "succeeded": succeeded,
        }
        status: Object = {name: value for name, value in counts.items() if value}
        status |= {"startTime": before.get("startTime") or now}
        status |= {"completionTime": now} if succeeded else {}
        return status | ({"conditions": merge(before.get("conditions"), over)} if over else {})


def _is_over(job: Object) -> bool:
    return is_true(job, "Complete") or is_true(job, "Failed")


def _pod(job: Object) -> Object:
    meta = job["metadata"]
    names = dict.fromkeys(("batch.kubernetes.io/job-name", "job-name"), meta["name"])
    return of_template(job, {**names, "batch.kubernetes.io/controller-uid": meta["uid"]})
