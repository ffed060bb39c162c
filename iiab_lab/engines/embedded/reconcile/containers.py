"""One look at every container of one Pod: start what should run, probe what is due, tell how each fares."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..objects.meta import Object
from ..objects.names import SIDECAR
from ..objects.sandbox import Container, Sandbox, StartFailed, State, UnknownImage
from ..rules import containers as rules
from ..rules import pod_volumes, probing, service_names
from .events import Recorder
from .ports import Processes

_PULL_AGAIN = 10.0


@dataclass
class Memory:
    """Of one Pod, between looks: when each container last failed, how each probe stands."""

    backoffs: dict[str, tuple[int, rules.Backoff]] = field(default_factory=dict)
    tracks: dict[tuple[str, int, str], probing.Track] = field(default_factory=dict)


class Round:
    """`inits` and `containers` are containerStatuses; `after` is when to look again."""

    def __init__(
        self,
        processes: Processes,
        now: float,
        record: Recorder,
        lookup: pod_volumes.Lookup,
        listed: service_names.List,
        memory: Memory,
        pod: Object,
        sandbox: Sandbox,
    ) -> None:
        self._processes, self._now, self._record = processes, now, record
        self._lookup, self._listed = lookup, listed
        self._memory, self._pod, self._sandbox = memory, pod, sandbox
        self._policy = pod["spec"].get("restartPolicy", "Always")
        self.after: float | None = None
        self.inits: list[Object] = []
        self.containers: list[Object] = []

    async def run(self) -> None:
        spec, status = self._pod["spec"], self._pod.get("status") or {}
        before = {
            s["name"]: s for field in ("initContainerStatuses", "containerStatuses") for s in status.get(field) or ()
        }
        # The sidecar owns the Pod's address: it comes with the Pod's network, before any container, and is listening by then.
        first = {
            c["name"]: await self._look(c, before.get(SIDECAR, {}), init=False)
            for c in spec["containers"]
            if c["name"] == SIDECAR
        }
        initialized = True
        for container in spec.get("initContainers") or ():
            known = before.get(container["name"], {})
            entry = await self._look(container, known, init=True) if initialized else rules.entry(container, known)
            self.inits.append(entry)
            initialized = initialized and entry["state"].get("terminated", {}).get("exitCode") == 0
        for container in spec["containers"]:
            known = before.get(container["name"], {})
            looked = first.get(container["name"])
            if looked is None:
                looked = (
                    await self._look(container, known, init=False) if initialized else rules.entry(container, known)
                )
            self.containers.append(looked)

    async def _look(self, container: Object, before: Object, *, init: bool) -> Object:
        state = self._processes.state(self._sandbox.uid, container["name"])
        if state is None:
            begun = bool(before.get("lastState")) or bool(
                {"running", "terminated"} & (before.get("state") or {}).keys()
            )
            return await self._start(container, before, before.get("restartCount", 0) + int(begun))
        if state.exit_code is None:
            return await self._running(container, before, state, init)
        return await self._ended(container, before, state, init)

    async def _start(self, container: Object, before: Object, attempt: int) -> Object:
        last = before.get("lastState")
        if "terminated" in (before.get("state") or {}):
            last = before["state"]
        kept = {"lastState": last} if last else {}
        try:
            environment = pod_volumes.environment(self._pod, container, self._lookup)
            if any(mount.volume == "kube-api-access" for mount in self._sandbox.mounts):
                environment = {"KUBECONFIG": f"{pod_volumes.ACCOUNT_PATH}/kubeconfig"} | environment
            args = tuple(pod_volumes.expand(arg, environment) for arg in container.get("args") or ())
            environment.pop(service_names.HOSTS, None)  # where Services are is not a Pod's to say
            environment |= service_names.environment(args, self._lookup, self._listed)
            ports = tuple(port["containerPort"] for port in container.get("ports") or ())
            image, memory = container.get("image", ""), rules.memory_limit(container)
            made = Container(container["name"], image, attempt, ports, args, environment, memory)
            await self._processes.start(self._sandbox, made)
        except UnknownImage as error:
            return await self._waits(container, before, "ErrImagePull", str(error))
        except pod_volumes.Missing as error:
            return await self._waits(container, before, error.reason, str(error))
        except StartFailed as error:
            return await self._waits(container, before, "RunContainerError", str(error))
        await self._record(self._pod, "Started", f"Started container {container['name']}")
        state = self._processes.state(self._sandbox.uid, container["name"])
        now = rules.running(state) if state else rules.waiting("ContainerCreating")
        self._again(0.0)
        return rules.entry(container, before, state=now, restartCount=attempt, **kept)

    async def _waits(self, container: Object, before: Object, reason: str, message: str) -> Object:
        self._again(_PULL_AGAIN)
        shown = (before.get("state") or {}).get("waiting", {}).get("reason")
        if reason == "ErrImagePull" and shown in ("ErrImagePull", "ImagePullBackOff"):
            reason, message = "ImagePullBackOff", f'Back-off pulling image "{container.get("image")}": {message}'
        await self._record(self._pod, "Failed", message, "Warning")
        return rules.entry(container, before, state=rules.waiting(reason, message))

    async def _running(self, container: Object, before: Object, state: State, init: bool) -> Object:
        entry = rules.entry(container, before, state=rules.running(state), restartCount=state.attempt)
        if init:
            return entry
        started = await self._probe(container, "startupProbe", state)
        if started is not True:
            return entry
        alive = await self._probe(container, "livenessProbe", state)
        if alive is False:
            message = f"Container {container['name']} failed liveness probe, will be restarted"
            await self._record(self._pod, "Killing", message)
            grace = float(self._pod["spec"].get("terminationGracePeriodSeconds", 30))
            await self._processes.stop(self._sandbox.uid, container["name"], grace)
        ready = await self._probe(container, "readinessProbe", state)
        return entry | {"started": True, "ready": ready is True}

    async def _probe(self, container: Object, which: str, state: State) -> bool | None:
        """What the probe says: True where there is none, None where it has not said yet."""
        probe = container.get(which)
        if not probe:
            return True
        tracks, key = self._memory.tracks, (container["name"], state.attempt, which)
        track = tracks.get(key) or probing.begin(probe, state.started)
        if track.due <= self._now:
            why = await self._processes.probe(self._sandbox.uid, container["name"], _numeric(container, probe))
            track = probing.observe(track, probe, why, self._now)
            if why and track.ok is not None:
                message = f"{which.removesuffix('Probe').capitalize()} {why}"
                await self._record(self._pod, "Unhealthy", message, "Warning")
        tracks[key] = track
        self._again(track.due - self._now)
        return track.ok

    async def _ended(self, container: Object, before: Object, state: State, init: bool) -> Object:
        over = rules.terminated(state)
        assert state.exit_code is not None
        if not rules.restarts(self._policy, state.exit_code, init=init):
            return rules.entry(container, before, state=over, restartCount=state.attempt)
        backoffs, key = self._memory.backoffs, container["name"]
        attempt, backoff = backoffs.get(key, (-1, rules.Backoff()))
        if attempt < state.attempt:
            backoff = backoff.after(state)
            backoffs[key] = (state.attempt, backoff)
        left = state.finished + backoff.seconds - self._now
        kept = before | {"lastState": over, "state": over}
        if left <= 0:
            return await self._start(container, kept, state.attempt + 1)
        self._again(left)
        message = (
            f"back-off {backoff.seconds:.0f}s restarting failed container={container['name']} pod={self._sandbox.key}"
        )
        await self._record(self._pod, "BackOff", message, "Warning")
        shown = rules.waiting("CrashLoopBackOff", message)
        return rules.entry(container, kept, state=shown, restartCount=state.attempt)

    def _again(self, seconds: float) -> None:
        self.after = max(0.0, seconds) if self.after is None else max(0.0, min(self.after, seconds))


def _numeric(container: Object, probe: Object) -> Object:
    """The probe with the number in place of a port's name."""
    which = "httpGet" if "httpGet" in probe else "tcpSocket"
    port = probe[which]["port"]
    named = {p.get("name"): p["containerPort"] for p in container.get("ports") or ()}
    return probe | {which: probe[which] | {"port": named.get(port, port)}}
