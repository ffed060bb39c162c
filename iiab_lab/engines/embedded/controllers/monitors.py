"""PodMonitors and ServiceMonitors → Prometheus's targets. What the Prometheus operator does on a cluster.

Reads:  PodMonitors, ServiceMonitors, Services, Pods.
Writes: ConfigMap monitoring/prometheus-targets, which Prometheus reads as file_sd.
Wakes:  on each of those, always under the one key.
"""

from __future__ import annotations

import json

from ..objects.kinds import CONFIG_MAP, NAMESPACE, POD, POD_MONITOR, SERVICE, SERVICE_MONITOR, Key
from ..objects.meta import new
from ..objects.pods import standing
from ..reconcile.ports import Client, Result, Watch
from ..rules import scrape

_NAME = Key("monitoring", "prometheus-targets")


class MonitorsController:
    name = "monitors"

    def __init__(self, client: Client, apiserver: str) -> None:
        """`apiserver` is the host:port of the control plane's own metrics."""
        self._client, self._apiserver = client, apiserver
        watched = (POD_MONITOR, SERVICE_MONITOR, SERVICE, NAMESPACE)
        one = (Watch(kind, lambda _: [_NAME]) for kind in watched)
        self.watches = (*one, Watch(POD, lambda _: [_NAME], standing))

    async def reconcile(self, key: Key) -> Result | None:
        if self._client.get(NAMESPACE, Key("", key.namespace)) is None:
            return None
        pods, services = self._client.list(POD), self._client.list(SERVICE)
        groups = [group for monitor in self._client.list(POD_MONITOR) for group in scrape.pod_groups(monitor, pods)]
        for monitor in self._client.list(SERVICE_MONITOR):
            groups += scrape.service_groups(monitor, services, pods)
        files = {
            "plain.json": [group for scheme, group in groups if scheme == "http"],
            "mesh.json": [group for scheme, group in groups if scheme == "https"],
            "apiserver.json": [{"targets": [self._apiserver]}],
        }
        data = {name: json.dumps(content, indent=1, sort_keys=True) for name, content in files.items()}
        await self._client.apply(new(CONFIG_MAP, key.name, key.namespace, data=data))
        return None
