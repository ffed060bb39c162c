"""Route → a VirtualService that splits its hosts, and those of its tags, among revisions; net-istio's part included.

Reads:  Routes, the Configurations and Revisions they name.
Writes: VirtualService `<route>-ingress`, Services `<route>` and `<tag>-<route>`; status.{url, address, traffic, conditions}.
Wakes:  on the Route, and on the Configurations and Revisions that it names or follows.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..objects.conditions import condition, merge
from ..objects.kinds import CONFIGURATION, REVISION, ROUTE, SERVICE, Key
from ..objects.meta import Object, controller_of, key_of, labels_of
from ..objects.names import KN_CONFIGURATION, KN_ROUTE
from ..objects.times import rfc3339
from ..reconcile.ports import Client, Clock, Result, Watch
from ..rules import knative, knative_ingress, knative_split
from ..rules.knative_split import Assigned, Unassigned

_NO_TLS = {"reason": "TLSNotEnabled", "message": "external-domain-tls is not enabled"}


class RouteController:
    name = "route"

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self.watches = (
            Watch(ROUTE, lambda route: [key_of(route)]),
            Watch(CONFIGURATION, lambda config: self._naming(config, config["metadata"]["name"])),
            Watch(REVISION, lambda revision: self._naming(revision, labels_of(revision).get(KN_CONFIGURATION, ""))),
        )

    async def reconcile(self, key: Key) -> Result | None:
        route = self._client.get(ROUTE, key)
        if route is None or route["metadata"].get("deletionTimestamp"):
            return None
        found = knative_split.resolve(route, lambda kind, name: self._client.get(kind, Key(key.namespace, name)))
        if isinstance(found, Assigned):
            await self._client.apply(knative_ingress.virtual_service(route, found.splits))
            await self._name(route, found.splits)
        await self._client.set_status(ROUTE, key, self._status(route, found))
        return None

    async def _name(self, route: Object, tags: Iterable[str]) -> None:
        """Services of the tags that there are, and of no others."""
        wanted = knative_ingress.placeholders(route, tags)
        for service in wanted:
            await self._client.apply(service)
        kept, meta = {service["metadata"]["name"] for service in wanted}, route["metadata"]
        for service in self._client.list(SERVICE, meta["namespace"], {KN_ROUTE: meta["name"]}):
            if service["metadata"]["name"] not in kept and controller_of(service):
                await self._client.delete(SERVICE, key_of(service))

    def _status(self, route: Object, found: Assigned | Unassigned) -> Object:
        """Where traffic cannot be assigned, it stays where it is."""
        meta, now, before = route["metadata"], rfc3339(self._clock.now()), route.get("status") or {}
        if isinstance(found, Assigned):
            parts = [condition("AllTrafficAssigned", True, now=now), condition("IngressReady", True, now=now)]
        else:
            said = condition("AllTrafficAssigned", found.status, found.reason, found.message, now=now)
            waiting = ("IngressNotConfigured", "Ingress has not yet been reconciled.")
            parts = [said, condition("IngressReady", "Unknown", *waiting, now=now)]
        certificate = condition("CertificateProvisioned", True, **_NO_TLS, now=now)
        return {
            "observedGeneration": meta.get("generation", 1),
            "url": f"http://{knative.external(meta['name'], meta['namespace'])}",
            "address": {"url": f"http://{knative.hosts(meta['name'], meta['namespace'])[0]}"},
            "traffic": found.traffic if isinstance(found, Assigned) else before.get("traffic") or [],
            "conditions": merge(before.get("conditions"), [certificate, *knative.ready(parts, now)]),
        }

    def _naming(self, obj: Object, configuration: str) -> list[Key]:
        """The Routes that lead to a Configuration, or to an object by its own name."""
        names = {obj["metadata"]["name"], configuration}
        return [
            key_of(route) for route in self._client.list(ROUTE, obj["metadata"]["namespace"]) if names & _named(route)
        ]


def _named(route: Object) -> set[str]:
    targets = route["spec"].get("traffic") or ()
    return {target[field] for target in targets for field in ("configurationName", "revisionName") if field in target}
