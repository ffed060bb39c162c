"""Pod → processes, and what they do → the Pod's status. The kubelet of this platform.

Reads:  Pods; the ConfigMaps, Secrets and service account they mount.
Writes: the Pod's status and its `iiab.lab/ports` annotation; removes it when its processes are gone.
Wakes:  on the Pod, on what it mounts, on every start and end of a process.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping

from ..objects.conditions import merge
from ..objects.kinds import CONFIG_MAP, NAMESPACE, POD, SECRET, SERVICE_ACCOUNT, Key
from ..objects.meta import Object, annotations_of, key_of, labels_of
from ..objects.names import PLATFORM, PORTS, SIDECAR_STATUS
from ..objects.pods import containers_of
from ..objects.sandbox import Sandbox, StartFailed
from ..objects.times import rfc3339
from ..reconcile.containers import Memory, Round
from ..reconcile.events import Recorder
from ..reconcile.ports import Client, Clock, Processes, Result, Watch
from ..rules import containers as rules
from ..rules import pod_volumes

_ACCOUNT_SECONDS = 12 * 3600.0
_PULL_AGAIN = 10.0

# A Pod → the directory of its service account: a token that dies with it, and what it takes to use it.
AccountFiles = Callable[[Object], Mapping[str, bytes]]


class PodController:
    name = "pod"

    def __init__(
        self, client: Client, processes: Processes, clock: Clock, record: Recorder, account_files: AccountFiles
    ) -> None:
        self._client, self._processes, self._clock, self._record = client, processes, clock, record
        self._account_files = account_files
        self._uids: dict[Key, str] = {}
        self._sandboxes: dict[str, Sandbox] = {}
        self._accounts: dict[str, tuple[float, Mapping[str, bytes]]] = {}
        self._memories: dict[str, Memory] = {}
        self.watches = (
            Watch(POD, lambda pod: [key_of(pod)]),
            Watch(CONFIG_MAP, self._mounting),
            Watch(SECRET, self._mounting),
        )

    async def wakes(self) -> AsyncIterator[Key]:
        async for uid in self._processes.changes():
            for key, known in self._uids.items():
                if known == uid:
                    yield key

    async def reconcile(self, key: Key) -> Result | None:
        pod = self._client.get(POD, key)
        await self._bury(key, pod)
        if pod is None or not pod["spec"].get("nodeName"):
            return None
        if pod["metadata"].get("deletionTimestamp"):
            return await self._end(pod)
        if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            return None
        self._uids[key] = pod["metadata"]["uid"]
        try:
            sandbox = await self._prepared(pod)
        except (pod_volumes.Missing, StartFailed) as error:
            return await self._cannot(pod, getattr(error, "reason", "FailedMount"), str(error))
        memory = self._memories.setdefault(sandbox.uid, Memory())
        client, now = self._client, self._clock.now()
        seen = Round(self._processes, now, self._record, client.get, client.list, memory, pod, sandbox)
        await seen.run()
        await self._client.set_status(POD, key, self._status(pod, seen.inits, seen.containers))
        return Result(seen.after)

    async def _bury(self, key: Key, pod: Object | None) -> None:
        """Processes of a Pod that was removed, or replaced by another of its name, without our doing."""
        known = self._uids.get(key)
        if known and (pod is None or pod["metadata"]["uid"] != known):
            self._forget(key, known)
            await self._processes.stop(known, grace=0)

    async def _end(self, pod: Object) -> None:
        meta = pod["metadata"]
        if meta["uid"] in self._sandboxes:
            await self._record(pod, "Killing", "Stopping the containers")
            await self._processes.stop(meta["uid"], grace=float(meta.get("deletionGracePeriodSeconds") or 0))
        self._forget(key_of(pod), meta["uid"])
        await self._client.delete(POD, key_of(pod), uid=meta["uid"], grace=0)

    def _forget(self, key: Key, uid: str) -> None:
        self._uids.pop(key, None)
        self._sandboxes.pop(uid, None)
        self._accounts.pop(uid, None)
        self._memories.pop(uid, None)

    async def _prepared(self, pod: Object) -> Sandbox:
        """The sandbox, brought about on the machine where it is new or differs; its ports are written to the Pod."""
        meta, spec = pod["metadata"], pod["spec"]
        sandbox = Sandbox(
            key=key_of(pod),
            uid=meta["uid"],
            service_account=spec.get("serviceAccountName", "default"),
            meshed=SIDECAR_STATUS in annotations_of(pod),
            confined=not self._is_platforms(meta["namespace"]),
            ports={p["containerPort"]: p.get("hostPort", 0) for c in containers_of(pod) for p in c.get("ports") or ()},
            mounts=pod_volumes.mounts(pod, self._client.get, self._account(pod)),
        )
        if self._sandboxes.get(meta["uid"]) != sandbox:
            ports = await self._processes.prepare(sandbox)
            self._sandboxes[meta["uid"]] = sandbox
            written = json.dumps({str(port): own for port, own in ports.items()})
            if annotations_of(pod).get(PORTS) != written:
                await self._client.apply(
                    {
                        "apiVersion": "v1",
                        "kind": "Pod",
                        "metadata": {
                            "name": meta["name"],
                            "namespace": meta["namespace"],
                            "uid": meta["uid"],
                            "annotations": {PORTS: written},
                        },
                    }
                )
        return sandbox

    def _is_platforms(self, namespace: str) -> bool:
        found = self._client.get(NAMESPACE, Key("", namespace))
        return found is not None and labels_of(found).get(PLATFORM) == "true"

    def _account(self, pod: Object) -> Mapping[str, bytes]:
        """Token and kubeconfig of the Pod's service account, renewed before they expire."""
        spec, uid, namespace = pod["spec"], pod["metadata"]["uid"], pod["metadata"]["namespace"]
        name = spec.get("serviceAccountName", "default")
        account = self._client.get(SERVICE_ACCOUNT, Key(namespace, name))
        if account is None:
            raise pod_volumes.Missing("FailedMount", f'serviceaccount "{name}" not found')
        if not spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True)):
            return {}
        made, files = self._accounts.get(uid, (0.0, {}))
        if not files or self._clock.now() - made > _ACCOUNT_SECONDS:
            files = self._account_files(pod)
            self._accounts[uid] = (self._clock.now(), files)
        return files

    async def _cannot(self, pod: Object, reason: str, message: str) -> Result:
        """Not one container can be created; what is missing may come."""
        await self._record(pod, reason, message, "Warning")
        before = {s["name"]: s for s in (pod.get("status") or {}).get("containerStatuses") or ()}
        state = rules.waiting("ContainerCreating", message)
        entries = [rules.entry(c, before.get(c["name"], {}), state=state) for c in pod["spec"]["containers"]]
        await self._client.set_status(POD, key_of(pod), self._status(pod, [], entries))
        return Result(_PULL_AGAIN)

    def _status(self, pod: Object, inits: list[Object], containers: list[Object]) -> Object:
        before, now = pod.get("status") or {}, rfc3339(self._clock.now())
        status: Object = {
            "observedGeneration": pod["metadata"].get("generation", 1),
            "phase": rules.phase(pod["spec"].get("restartPolicy", "Always"), inits, containers),
            "hostIP": "127.0.0.1",
            "podIP": "127.0.0.1",
            "podIPs": [{"ip": "127.0.0.1"}],
            "startTime": before.get("startTime") or now,
            "qosClass": rules.qos_class(containers_of(pod)),
            "containerStatuses": containers,
        }
        status |= {"initContainerStatuses": inits} if inits else {}
        return status | {"conditions": merge(before.get("conditions"), rules.conditions(status, now))}

    def _mounting(self, obj: Object) -> list[Key]:
        meta = obj["metadata"]
        pods = self._client.list(POD, meta["namespace"]) if "namespace" in meta else []
        return [key_of(pod) for pod in pods if f'"{meta["name"]}"' in json.dumps(pod["spec"])]
