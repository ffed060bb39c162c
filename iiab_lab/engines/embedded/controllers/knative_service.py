"""Knative Service → a Configuration and a Route of its name; what they say → its status.

Reads:  Services (serving.knative.dev), their Configuration and Route.
Writes: both; status.{url, address, traffic, latestCreatedRevisionName, latestReadyRevisionName, conditions}.
Wakes:  on the Service, and on the Configuration and Route it owns.
"""

from __future__ import annotations

from ..objects.conditions import Condition, condition, merge
from ..objects.kinds import CONFIGURATION, KNATIVE_SERVICE, ROUTE, Key
from ..objects.meta import Object, key_of, owner_keys
from ..objects.times import rfc3339
from ..reconcile.ports import Client, Clock, Result, Watch
from ..rules import knative


class KnativeServiceController:
    name = "knativeservice"

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        owned = owner_keys("Service")
        self.watches = (
            Watch(KNATIVE_SERVICE, lambda service: [key_of(service)]),
            Watch(CONFIGURATION, owned),
            Watch(ROUTE, owned),
        )

    async def reconcile(self, key: Key) -> Result | None:
        service = self._client.get(KNATIVE_SERVICE, key)
        if service is None or service["metadata"].get("deletionTimestamp"):
            return None
        configuration = await self._client.apply(knative.configuration(service))
        route = await self._client.apply(knative.route(service))
        await self._client.set_status(KNATIVE_SERVICE, key, self._status(service, configuration, route))
        return None

    def _status(self, service: Object, configuration: Object, route: Object) -> Object:
        created, shown = configuration.get("status") or {}, route.get("status") or {}
        status = {
            name: created[name] for name in ("latestCreatedRevisionName", "latestReadyRevisionName") if name in created
        }
        status |= {name: shown[name] for name in ("url", "address", "traffic") if name in shown}
        before = (service.get("status") or {}).get("conditions")
        conditions = merge(before, self._conditions(configuration, route))
        return status | {"observedGeneration": service["metadata"].get("generation", 1), "conditions": conditions}

    def _conditions(self, configuration: Object, route: Object) -> list[Condition]:
        now = rfc3339(self._clock.now())
        current, routed = knative.is_current(configuration), knative.is_current(route)
        parts = [
            knative.copied("ConfigurationsReady", configuration if current else None, "Ready", now),
            knative.copied("RoutesReady", route if routed else None, "Ready", now),
        ]
        if parts[1]["status"] == "True" and not _migrated(configuration, route):
            message = "Traffic is not yet migrated to the latest revision."
            parts[1] = condition("RoutesReady", "Unknown", "TrafficNotMigrated", message, now=now)
        return knative.ready(parts, now)


def _migrated(configuration: Object, route: Object) -> bool:
    """The Route follows the latest ready revision wherever it was told to."""
    latest = (configuration.get("status") or {}).get("latestReadyRevisionName")
    traffic = (route.get("status") or {}).get("traffic") or []
    return all(target["revisionName"] == latest for target in traffic if target.get("latestRevision"))
