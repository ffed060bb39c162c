"""Gateway and everything attached to it → the configuration of its Envoy; the verdicts → every status.

Reads:  Gateways, HTTPRoutes, SecurityPolicies, BackendTrafficPolicies, BackendTLSPolicies, EnvoyProxies, ReferenceGrants,
        Services and their EndpointSlices, Secrets, ConfigMaps, Namespaces, the Gateway's Pods.
Writes: the proxy's Deployment, Service and ServiceAccount; its configuration; status of Gateways, HTTPRoutes and policies.
Wakes:  on the Gateway, and on each of those for every Gateway: one Envoy's configuration depends on them all.
"""

from __future__ import annotations

import json

from ..envoy import edge
from ..envoy.attachment import Verdict
from ..objects import kinds
from ..objects.conditions import is_true
from ..objects.kinds import BACKEND_TRAFFIC_POLICY, GATEWAY, GATEWAY_CLASS, HTTP_ROUTE, POD, SECURITY_POLICY, Key
from ..objects.meta import Object, annotations_of, key_of
from ..objects.names import PORTS
from ..objects.pods import standing
from ..objects.times import rfc3339
from ..reconcile.ports import Client, Clock, Proxy, Rejected, Result, Watch
from ..rules import gateway_proxy, gateway_status

_INPUTS = (
    kinds.GATEWAY_CLASS,
    kinds.HTTP_ROUTE,
    kinds.SECURITY_POLICY,
    kinds.BACKEND_TRAFFIC_POLICY,
    kinds.BACKEND_TLS_POLICY,
    kinds.ENVOY_PROXY,
    kinds.REFERENCE_GRANT,
    kinds.SERVICE,
    kinds.ENDPOINT_SLICE,
    kinds.SECRET,
    kinds.CONFIG_MAP,
    kinds.NAMESPACE,
)


class GatewayController:
    name = "gateway"

    def __init__(self, client: Client, proxy: Proxy, clock: Clock) -> None:
        self._client, self._proxy, self._clock = client, proxy, clock
        self._parked: dict[Key, dict[str, str]] = {}  # Gateway → route → why Envoy refuses it
        self.watches = (
            Watch(GATEWAY, lambda gateway: [key_of(gateway)]),
            Watch(POD, self._of_proxy, standing),
            *(Watch(kind, self._all) for kind in _INPUTS),
        )

    async def reconcile(self, key: Key) -> Result | None:
        gateway = self._client.get(GATEWAY, key)
        if gateway is None or gateway["metadata"].get("deletionTimestamp") or not self._is_ours(gateway):
            return await self._dismantle(key) if gateway is None else None
        for obj in gateway_proxy.infrastructure(gateway):
            await self._client.apply(obj)
        pods = self._client.list(POD, gateway_proxy.NAMESPACE, gateway_proxy.labels(gateway))
        made, programmed = None, Verdict(False, "NoResources", "Deployment replicas unavailable")
        for pod in pods:
            if ports := _ports(pod):
                made, refused = await self._publish(gateway, key_of(pod), ports)
                programmed = _programmed(pod, refused)
        await self._report(gateway, made or edge.translate(self._client, gateway, _Any()), programmed)
        return None

    def _is_ours(self, gateway: Object) -> bool:
        found = self._client.get(GATEWAY_CLASS, Key("", gateway["spec"]["gatewayClassName"]))
        return found is not None and found["spec"]["controllerName"] == gateway_status.CONTROLLER

    async def _publish(self, gateway: Object, pod: Key, ports: dict[int, int]) -> tuple[edge.Edge, Rejected | None]:
        """All at once; if Envoy refuses, each route is checked alone, the culprits are parked, and the rest goes out."""
        parked = self._parked.setdefault(key_of(gateway), {})
        for name in [name for name in parked if not await self._refusal(gateway, ports, name)]:
            del parked[name]
        made = edge.translate(self._client, gateway, ports, parked)
        outcome = await self._proxy.apply(pod, made.snapshot)
        if not isinstance(outcome, Rejected):
            return made, None
        for one in made.attached:
            if one.name not in parked and (reason := await self._refusal(gateway, ports, one.name)):
                parked[one.name] = reason
        made = edge.translate(self._client, gateway, ports, parked)
        outcome = await self._proxy.apply(pod, made.snapshot)
        return made, outcome if isinstance(outcome, Rejected) else None

    async def _refusal(self, gateway: Object, ports: dict[int, int], name: str) -> str:
        everything = edge.translate(self._client, gateway, ports)
        others = {one.name for one in everything.attached} - {name}
        return await self._proxy.check(edge.translate(self._client, gateway, ports, others).snapshot)

    async def _report(self, gateway: Object, made: edge.Edge, programmed: Verdict) -> None:
        now, parked = rfc3339(self._clock.now()), self._parked.get(key_of(gateway), {})
        await self._client.set_status(GATEWAY, key_of(gateway), gateway_status.gateway(gateway, made, programmed, now))
        by_route: dict[Key, list] = {}
        for one in made.attached:
            by_route.setdefault(key_of(one.route), []).append(one)
        for key, found in by_route.items():
            await self._client.set_status(HTTP_ROUTE, key, gateway_status.route(found[0].route, found, parked, now))
        for policy, verdicts in made.policies:
            kind = BACKEND_TRAFFIC_POLICY if policy["kind"] == BACKEND_TRAFFIC_POLICY.kind else SECURITY_POLICY
            await self._client.set_status(kind, key_of(policy), gateway_status.policy(policy, verdicts, gateway, now))

    async def _dismantle(self, key: Key) -> None:
        self._parked.pop(key, None)
        gone = {"metadata": {"name": key.name, "namespace": key.namespace}, "spec": {"listeners": []}}
        for obj in gateway_proxy.infrastructure(gone):
            kind = {"ServiceAccount": kinds.SERVICE_ACCOUNT, "Deployment": kinds.DEPLOYMENT, "Service": kinds.SERVICE}[
                obj["kind"]
            ]
            await self._client.delete(kind, key_of(obj))

    def _all(self, _: Object) -> list[Key]:
        return [key_of(gateway) for gateway in self._client.list(GATEWAY)]

    def _of_proxy(self, pod: Object) -> list[Key]:
        return self._all(pod) if pod["metadata"]["namespace"] == gateway_proxy.NAMESPACE else []


class _Any(dict):
    """Ports for a translation that nobody will run: its verdicts are wanted before the proxy's Pod has any."""

    def __missing__(self, key: int) -> int:
        return key


def _ports(pod: Object) -> dict[int, int]:
    if pod["metadata"].get("deletionTimestamp"):
        return {}
    return {int(port): own for port, own in json.loads(annotations_of(pod).get(PORTS, "{}")).items()}


def _programmed(pod: Object, refused: Rejected | None) -> Verdict:
    if refused:
        return Verdict(False, "Invalid", f"Envoy refuses the configuration: {refused.reason}")
    if not is_true(pod, "Ready"):
        return Verdict(False, "NoResources", "Deployment replicas unavailable")
    return Verdict(True, "Programmed", "Address assigned to the Gateway, 1/1 envoy replicas available")
