"""PodAutoscaler → whom its revision's public Service leads to: its Pods, or the activator. Knative's ServerlessService, without the kind.

Reads:  PodAutoscalers, the revision's public Service, its Pods and the activator's.
Writes: the EndpointSlices of the public Service.
Wakes:  on the PodAutoscaler, on the Service, on Pods of revisions; on the activator's Pods for all.
"""

from __future__ import annotations

from ..envoy import activator
from ..objects.conditions import is_true
from ..objects.kinds import POD, POD_AUTOSCALER, SERVICE, Key
from ..objects.meta import Object, key_of, labels_of
from ..objects.names import KN_REVISION, KN_SERVICE_TYPE, SKS_MODE
from ..objects.pods import standing
from ..reconcile.ports import Client, Result, Watch
from ..reconcile.slices import settle
from ..rules import endpoints


class ServerlessServiceController:
    name = "serverlessservice"

    def __init__(self, client: Client) -> None:
        self._client = client
        self.watches = (
            Watch(POD_AUTOSCALER, lambda scaler: [key_of(scaler)]),
            Watch(SERVICE, lambda service: [key_of(service)] if _is_public(service) else []),
            Watch(POD, self._concerned, standing),
        )

    async def reconcile(self, key: Key) -> Result | None:
        service, scaler = self._client.get(SERVICE, key), self._client.get(POD_AUTOSCALER, key)
        if service is None or scaler is None or not _is_public(service) or service["metadata"].get("deletionTimestamp"):
            return None
        await settle(self._client, key, self._endpoints(service, scaler))
        return None

    def _endpoints(self, service: Object, scaler: Object) -> list[Object]:
        """Its Pods in mode Serve, as long as one is ready; else the activator. One that is just away keeps nobody from the Pods."""
        pods = self._client.list(POD, service["metadata"]["namespace"], {KN_REVISION: service["metadata"]["name"]})
        own = [made for pod in pods if (made := endpoints.of_pod(service, pod))]
        mode = ((scaler.get("status") or {}).get("annotations") or {}).get(SKS_MODE, "Proxy")
        holding = self._client.list(POD, activator.NAMESPACE, {"app": activator.APP})
        if _ready(pods) and (mode == "Serve" or not _ready(holding)):
            return own
        return [made for pod in holding if (made := endpoints.of_pod(service, pod, activator.HOLD))]

    def _concerned(self, pod: Object) -> list[Key]:
        if activator.is_activator(pod):
            return [key_of(scaler) for scaler in self._client.list(POD_AUTOSCALER)]
        name = labels_of(pod).get(KN_REVISION)
        return [Key(pod["metadata"]["namespace"], name)] if name else []


def _ready(pods: list[Object]) -> bool:
    return any(is_true(pod, "Ready") and not pod["metadata"].get("deletionTimestamp") for pod in pods)


def _is_public(service: Object) -> bool:
    return labels_of(service).get(KN_SERVICE_TYPE) == "Public"
