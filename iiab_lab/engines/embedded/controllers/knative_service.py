"""Knative Service → a Configuration and a Route of its name; what they say → its status.

Reads:  Services (serving.knative.dev), their Configuration and Route, the Revision that a template names.
Writes: both; status.{url, address, traffic, latestCreatedRevisionName, latestReadyRevisionName, conditions}.
Wakes:  on the Service, and on the Configuration and Route it owns.
"""

from __future__ import annotations

from ..objects.conditions import Condition, condition, merge
from ..objects.kinds import CONFIGURATION, KNATIVE_SERVICE, REVISION, ROUTE, Key
from ..objects.meta import Object, key_of, owner_keys
from ..objects.times import rfc3339
from ..reconcile.ports import Client, Clock, Result, Watch
from ..rules import knative, knative_names

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
        named = bool(knative_names.name(service["spec"]["template"]))
        taken = named and self._is_taken(configuration)
        # Who names a revision in the template may name it in traffic too: first it has to be there.
        if taken or (named and not knative.is_current(configuration)):
            route = self._client.get(ROUTE, key)
        else:
            route = await self._client.apply(knative.route(service))
        await self._client.set_status(KNATIVE_SERVICE, key, self._status(service, configuration, route, taken))
        return None

    def _is_taken(self, configuration: Object) -> bool:
        wanted = knative.revision(configuration)
        return knative_names.is_taken(wanted, self._client.get(REVISION, key_of(wanted)))

    def _status(self, service: Object, configuration: Object, route: Object | None, taken: bool) -> Object:
        created, shown = configuration.get("status") or {}, (route or service).get("status") or {}
        status = {
            name: created[name] for name in ("latestCreatedRevisionName", "latestReadyRevisionName") if name in created
        }
        status |= {name: shown[name] for name in ("url", "address", "traffic") if name in shown}
        before = (service.get("status") or {}).get("conditions")
        conditions = merge(before, self._conditions(configuration, route, taken))
        return status | {"observedGeneration": service["metadata"].get("generation", 1), "conditions": conditions}

    def _conditions(self, configuration: Object, route: Object | None, taken: bool) -> list[Condition]:
        now, current = rfc3339(self._clock.now()), knative.is_current(configuration)
        created = knative.copied("ConfigurationsReady", configuration, "Ready", now) if current else None
        return knative.ready([created or _outdated(_CONFIGS, now), _routed(configuration, route, taken, now)], now)


def _routed(configuration: Object, route: Object | None, taken: bool, now: str) -> Condition:
    if taken:
        name = knative_names.name(configuration["spec"]["template"])
        said = f'The revision name "{name}" is taken by a conflicting Revision, so traffic will not be migrated'
        return condition("RoutesReady", False, "RevisionNameTaken", said, now=now)
    if route is None or not knative.is_current(route):
        return _outdated(_ROUTES, now)
    found = knative.copied("RoutesReady", route, "Ready", now)
    if found["status"] == "True" and not _migrated(configuration, route):
        message = "Traffic is not yet migrated to the latest revision."
        return condition("RoutesReady", "Unknown", "TrafficNotMigrated", message, now=now)
    return found


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
