"""Service and Pods → EndpointSlices. One slice per Pod, because every Pod has ports of its own on this engine.

Reads:  Services with a selector, Pods.
Writes: EndpointSlices, owned by the Service.
Wakes:  on the Service, and on Pods of its namespace that it selects or has a slice of.
"""

from __future__ import annotations

from ..objects.kinds import POD, SERVICE, Key
from ..objects.meta import Object, key_of, labels_of
from ..objects.pods import standing
from ..reconcile.ports import Client, Result, Watch
from ..reconcile.slices import settle
from ..rules import endpoints


class EndpointSliceController:
    name = "endpointslice"

    def __init__(self, client: Client) -> None:
        self._client = client
        self.watches = (Watch(SERVICE, lambda service: [key_of(service)]), Watch(POD, self._selecting, standing))

    async def reconcile(self, key: Key) -> Result | None:
        service = self._client.get(SERVICE, key)
        if service is None or service["metadata"].get("deletionTimestamp") or not _selector(service):
            return None
        slices = [made for pod in self._selected(service) if (made := endpoints.of_pod(service, pod))]
        await settle(self._client, key, slices)
        return None

    def _selected(self, service: Object) -> list[Object]:
        pods = self._client.list(POD, service["metadata"]["namespace"], _selector(service))
        return [pod for pod in pods if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")]

    def _selecting(self, pod: Object) -> list[Key]:
        labels = labels_of(pod).items()
        services = self._client.list(SERVICE, pod["metadata"]["namespace"])
        return [key_of(service) for service in services if _selector(service) and _selector(service).items() <= labels]


def _selector(service: Object) -> dict[str, str]:
    return (service.get("spec") or {}).get("selector") or {}
