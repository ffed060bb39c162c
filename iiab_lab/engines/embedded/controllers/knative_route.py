"""Route → a VirtualService that splits its hosts among revisions; net-istio's part included.

Reads:  Routes, the Configurations and Revisions they name.
Writes: VirtualService `<route>-ingress`, Service `<route>`, each Revision's routingState; status.{url, address, traffic, conditions}.
Wakes:  on the Route, and on Configurations and Revisions that routes of their namespace may follow.
"""

from __future__ import annotations

from ..objects.conditions import Condition, condition, is_true, merge
from ..objects.kinds import CONFIGURATION, REVISION, ROUTE, SERVICE, VIRTUAL_SERVICE, Key
from ..objects.meta import Object, key_of, labels_of, new
from ..objects.names import KN_ROUTING_STATE, KN_SERVICE
from ..objects.times import rfc3339
from ..reconcile.ports import Client, Clock, Result, Watch
from ..rules import knative

GATEWAYS = ["knative-serving/knative-ingress-gateway", "knative-serving/knative-local-gateway"]


class RouteController:
    name = "route"

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self.watches = (
            Watch(ROUTE, lambda route: [key_of(route)]),
            Watch(CONFIGURATION, lambda config: [key_of(config)]),
            Watch(REVISION, self._following),
        )

    async def reconcile(self, key: Key) -> Result | None:
        route = self._client.get(ROUTE, key)
        if route is None or route["metadata"].get("deletionTimestamp"):
            return None
        traffic, missing = self._resolved(route)
        if traffic:
            await self._client.apply(_virtual_service(route, traffic))
            await self._client.apply(_placeholder(route))
            await self._label(route, {target["revisionName"] for target in traffic})
        await self._client.set_status(ROUTE, key, self._status(route, traffic, missing))
        return None

    def _resolved(self, route: Object) -> tuple[list[Object], Condition | None]:
        """Each target with its revision's name → traffic, or why it cannot be assigned."""
        now, namespace, traffic = rfc3339(self._clock.now()), route["metadata"]["namespace"], []
        for target in route["spec"].get("traffic") or ():
            name = target.get("revisionName")
            if not name:
                config = self._client.get(CONFIGURATION, Key(namespace, target["configurationName"]))
                name = ((config or {}).get("status") or {}).get("latestReadyRevisionName")
            if not name:
                message = f'Configuration "{target["configurationName"]}" is waiting for a Revision to become ready.'
                return [], condition("AllTrafficAssigned", "Unknown", "RevisionMissing", message, now=now)
            revision = self._client.get(REVISION, Key(namespace, name))
            if revision is None:
                message = f'Revision "{name}" referenced in traffic not found.'
                return [], condition("AllTrafficAssigned", False, "RevisionMissing", message, now=now)
            if not is_true(revision, "Ready") and not target.get("latestRevision"):
                message = f'Revision "{name}" is not yet ready.'
                return [], condition("AllTrafficAssigned", "Unknown", "RevisionMissing", message, now=now)
            kept = {field: target[field] for field in ("latestRevision", "percent", "tag") if field in target}
            traffic.append({**kept, "revisionName": name})
        return traffic, None

    async def _label(self, route: Object, routed: set[str]) -> None:
        """What no route leads to any more may go to zero, whatever its min-scale says."""
        for revision in self._client.list(
            REVISION, route["metadata"]["namespace"], {KN_SERVICE: route["metadata"]["name"]}
        ):
            meta = revision["metadata"]
            state = knative.routing_state(revision, meta["name"] in routed)
            if labels_of(revision).get(KN_ROUTING_STATE) != state:
                kept = {name: meta[name] for name in ("name", "namespace")} | {"labels": {KN_ROUTING_STATE: state}}
                await self._client.apply({name: revision[name] for name in ("apiVersion", "kind")} | {"metadata": kept})

    def _status(self, route: Object, traffic: list[Object], missing: Condition | None) -> Object:
        meta, now = route["metadata"], rfc3339(self._clock.now())
        before = route.get("status") or {}
        if missing:
            pending = condition("IngressReady", "Unknown", now=now)
            parts = [missing, pending]
        else:
            parts = [condition("AllTrafficAssigned", True, now=now), condition("IngressReady", True, now=now)]
        disabled = {"reason": "TLSNotEnabled", "message": "autoTLS is not enabled"}
        certificate = condition("CertificateProvisioned", True, **disabled, now=now)
        url = {"url": f"http://{knative.external(meta['name'], meta['namespace'])}"}
        return {
            "observedGeneration": meta.get("generation", 1),
            "url": url["url"],
            "address": {"url": f"http://{knative.hosts(meta['name'], meta['namespace'])[0]}"},
            "traffic": traffic or before.get("traffic") or [],
            "conditions": merge(before.get("conditions"), [certificate, *knative.ready(parts, now)]),
        }

    def _following(self, revision: Object) -> list[Key]:
        name = labels_of(revision).get(KN_SERVICE)
        return [Key(revision["metadata"]["namespace"], name)] if name else []


def _virtual_service(route: Object, traffic: list[Object]) -> Object:
    meta = route["metadata"]
    hosts = knative.hosts(meta["name"], meta["namespace"])
    weighted = [
        {
            "destination": {
                "host": f"{target['revisionName']}.{meta['namespace']}.svc.cluster.local",
                "port": {"number": 80},
            },
            "weight": target.get("percent") or 0,
            "headers": {
                "request": {
                    "set": {
                        "Knative-Serving-Namespace": meta["namespace"],
                        "Knative-Serving-Revision": target["revisionName"],
                    }
                }
            },
        }
        for target in traffic
        if target.get("percent")
    ]
    spec = {"hosts": hosts, "gateways": GATEWAYS, "http": [{"retries": {"attempts": 0}, "route": weighted}]}
    labels = {**labels_of(route), "networking.internal.knative.dev/ingress": meta["name"]}
    return new(VIRTUAL_SERVICE, f"{meta['name']}-ingress", meta["namespace"], owner=route, labels=labels, spec=spec)


def _placeholder(route: Object) -> Object:
    """The name under which the mesh knows the Route."""
    meta = route["metadata"]
    spec = {"type": "ExternalName", "externalName": "knative-local-gateway.istio-system.svc.cluster.local"}
    return new(SERVICE, meta["name"], meta["namespace"], owner=route, labels=labels_of(route), spec=spec)
