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

_CONFIGS, _ROUTES = ("ConfigurationsReady", "Configuration"), ("RoutesReady", "Route")


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
            knative.copied("ConfigurationsReady", configuration, "Ready", now) if current else _outdated(_CONFIGS, now),
            knative.copied("RoutesReady", route, "Ready", now) if routed else _outdated(_ROUTES, now),
        ]
        if parts[1]["status"] == "True" and not _migrated(configuration, route):
            message = "Traffic is not yet migrated to the latest revision."
            parts[1] = condition("RoutesReady", "Unknown", "TrafficNotMigrated", message, now=now)
        return knative.ready(parts, now)


def _outdated(which: tuple[str, str], now: str) -> Condition:
    type_, kind = which
    message = f"The {kind} is still working to reflect the latest desired specification."
    return condition(type_, "Unknown", "OutOfDate", message, now=now)


def _migrated(configuration: Object, route: Object) -> bool:
    """Traffic is where the Route was told to lead it, and at the latest ready revision wherever it follows that."""
    latest = (configuration.get("status") or {}).get("latestReadyRevisionName")
    wanted = [(target.get("revisionName") or latest, *_share(target)) for target in route["spec"].get("traffic") or ()]
    return wanted == [(target["revisionName"], *_share(target)) for target in (route["status"].get("traffic") or ())]


def _share(target: Object) -> tuple[str, int]:
    return target.get("tag", ""), target.get("percent", 0)
