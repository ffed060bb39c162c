"""Gateway and everything attached to it → the configuration of its Envoy; the verdicts → every status.

Reads:  Gateways, HTTPRoutes, SecurityPolicies, BackendTrafficPolicies, ClientTrafficPolicies, BackendTLSPolicies,
        EnvoyProxies, ReferenceGrants, Services and their EndpointSlices, Secrets, ConfigMaps, Namespaces, the Gateway's Pods.
Writes: the proxy's Deployment, Service and ServiceAccount; its configuration; status of Gateways, HTTPRoutes and policies.
Wakes:  on the Gateway; on each of those for every Gateway, as one Envoy's configuration depends on them all; on Services,
        EndpointSlices, Secrets and ConfigMaps for the Gateways that asked for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from ..envoy import edge
from ..envoy.client_policies import Spoken
from ..envoy.edge import Edge
from ..envoy.verdicts import Verdict
from ..objects import kinds
from ..objects.conditions import is_true
from ..objects.kinds import GATEWAY, GATEWAY_CLASS, HTTP_ROUTE, POD, Key, Kind
from ..objects.meta import Object, edition, key_of, labels_of
from ..objects.names import SERVICE_NAME
from ..objects.pods import ports, standing
from ..objects.times import rfc3339
from ..reconcile.culprits import Verdicts, culprits
from ..reconcile.ports import Client, Clock, Mapper, Proxy, Rejected, Result, Watch
from ..rules import gateway_proxy, gateway_status

_POLICIES = {
    kind.kind: kind for kind in (kinds.SECURITY_POLICY, kinds.BACKEND_TRAFFIC_POLICY, kinds.CLIENT_TRAFFIC_POLICY)
}
_INPUTS = (
    kinds.GATEWAY_CLASS,
    kinds.HTTP_ROUTE,
    *_POLICIES.values(),
    kinds.BACKEND_TLS_POLICY,
    kinds.ENVOY_PROXY,
    kinds.REFERENCE_GRANT,
)
_ASKED_FOR = (kinds.SECRET, kinds.CONFIG_MAP)


class GatewayController:
    name = "gateway"

    def __init__(self, client: Client, proxy: Proxy, clock: Clock) -> None:
        self._client, self._proxy, self._clock = client, proxy, clock
        self._verdicts: dict[Key, Verdicts[str]] = {}
        self._asked: dict[Key, set[tuple[Kind, Key]]] = {}  # what each Gateway's configuration was made from
        self._writing = asyncio.Lock()
        self.watches = (
            Watch(GATEWAY, lambda gateway: [key_of(gateway)], edition),
            Watch(POD, self._of_proxy, standing),
            Watch(kinds.NAMESPACE, self._all, lambda namespace: tuple(sorted(labels_of(namespace).items()))),
            *(Watch(kind, self._all, edition) for kind in _INPUTS),
            Watch(kinds.SERVICE, self._asking(kinds.SERVICE), edition),
            *(Watch(kind, self._asking(kind)) for kind in (*_ASKED_FOR, kinds.ENDPOINT_SLICE)),
        )

    async def reconcile(self, key: Key) -> Result | None:
        gateway = self._client.get(GATEWAY, key)
        if gateway is None or gateway["metadata"].get("deletionTimestamp") or not self._is_ours(gateway):
            return await self._dismantle(key) if gateway is None else None
        for obj in gateway_proxy.infrastructure(gateway):
            await self._client.apply(obj)
        pods = self._client.list(POD, gateway_proxy.NAMESPACE, gateway_proxy.labels(gateway))
        made, programmed = None, Verdict(False, "NoResources", "Envoy replicas unavailable")
        for pod in pods:
            if not pod["metadata"].get("deletionTimestamp") and (own := ports(pod)):
                made, refused = await self._publish(gateway, key_of(pod), own)
                programmed = _programmed(pod, refused)
        await self._report(gateway, made or self._translated(gateway, _Any(), ()), programmed)
        return None

    def _is_ours(self, gateway: Object) -> bool:
        found = self._client.get(GATEWAY_CLASS, Key("", gateway["spec"]["gatewayClassName"]))
        return found is not None and found["spec"]["controllerName"] == gateway_status.CONTROLLER

    async def _publish(self, gateway: Object, pod: Key, ports: dict[int, int]) -> tuple[Edge, Rejected | None]:
        """All at once; if Envoy refuses, the culprits are found and parked, and the rest goes out."""
        verdicts = self._verdicts.setdefault(key_of(gateway), Verdicts[str]())
        verdicts.forget_changed(edge.editions(self._client, verdicts.refused))
        made, outcome = await self._applied(gateway, pod, ports, verdicts)
        if isinstance(outcome, Rejected) and await self._find_culprits(gateway, ports, made, verdicts):
            made, outcome = await self._applied(gateway, pod, ports, verdicts)
        if isinstance(outcome, Rejected):
            return made, outcome
        verdicts.accept({one.name: edition(one.route) for one in made.attached})
        return made, None

    async def _applied(
        self, gateway: Object, pod: Key, ports: dict[int, int], verdicts: Verdicts[str]
    ) -> tuple[Edge, object]:
        made = self._translated(gateway, ports, verdicts.refused)
        return made, await self._proxy.apply(pod, made.snapshot)

    def _translated(self, gateway: Object, ports: dict[int, int], parked: Collection[str]) -> Edge:
        made = edge.translate(self._client, gateway, ports, parked)
        self._asked[key_of(gateway)] = made.asked
        return made

    async def _find_culprits(self, gateway: Object, ports: dict[int, int], made: Edge, verdicts: Verdicts[str]) -> bool:
        """Among what is new since Envoy last took everything; should that not be it, among all."""
        served = {one.name: edition(one.route) for one in made.attached if one.accepted.holds}

        async def refusal(asked: Sequence[str]) -> str:
            return await self._proxy.check(edge.translate(self._client, gateway, ports, only=set(asked)).snapshot)

        for suspects in (verdicts.unproven(served), list(served)):
            asked = [name for name in suspects if name not in verdicts.refused]
            editions = edge.editions(self._client, set(asked))  # they may change while Envoy is asked
            if found := await culprits(asked, refusal):
                verdicts.refuse(found, editions)
                return True
        return False

    async def _report(self, gateway: Object, made: Edge, programmed: Verdict) -> None:
        now = rfc3339(self._clock.now())
        await self._client.set_status(GATEWAY, key_of(gateway), gateway_status.gateway(gateway, made, programmed, now))
        async with self._writing:  # two Gateways may each have an entry in one status
            await self._report_routes(key_of(gateway), made, now)
            await self._report_policies(key_of(gateway), made, now)

    async def _report_policies(self, gateway: Key, made: Edge, now: str) -> None:
        found: dict[tuple[Kind, Key], list[Spoken]] = {}
        for one in made.policies:
            found.setdefault((_POLICIES[one.policy["kind"]], key_of(one.policy)), []).append(one)
        for (kind, key), spoken in found.items():
            before = (self._client.get(kind, key) or {}).get("status")
            await self._client.set_status(kind, key, gateway_status.policy(before, spoken, gateway, now))

    async def _report_routes(self, gateway: Key, made: Edge | None, now: str) -> None:
        """Of every route that has, or had, to do with the Gateway."""
        verdicts = self._verdicts.get(gateway) or Verdicts[str]()
        found: dict[Key, list] = {}
        for one in made.attached if made else ():
            found.setdefault(key_of(one.route), []).append(one)
        for route in self._client.list(HTTP_ROUTE):
            key = key_of(route)
            judged = found[key][0].route if key in found else route
            before = (self._client.get(HTTP_ROUTE, key) or {}).get("status")  # now, not when the loop began
            if key in found or gateway_status.concerns(before, route, gateway):
                parents = gateway_status.route(judged, before, gateway, found.get(key, []), verdicts.refused, now)
                await self._client.set_status(HTTP_ROUTE, key, {"parents": parents})

    async def _dismantle(self, key: Key) -> None:
        self._verdicts.pop(key, None)
        self._asked.pop(key, None)
        async with self._writing:
            await self._report_routes(key, None, rfc3339(self._clock.now()))
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

    def _asking(self, kind: Kind) -> Mapper:
        def keys(obj: Object) -> list[Key]:
            own = key_of(obj)
            if kind == kinds.ENDPOINT_SLICE:
                own = Key(own.namespace, labels_of(obj).get(SERVICE_NAME, ""))
            return [gateway for gateway, asked in self._asked.items() if (kind, own) in asked]

        return keys


class _Any(dict):
    """Ports for a translation that nobody will run: its verdicts are wanted before the proxy's Pod has any."""

    def __missing__(self, key: int) -> int:
        return key


def _programmed(pod: Object, refused: Rejected | None) -> Verdict:
    if refused:
        return Verdict(False, "Invalid", f"Envoy refuses the configuration: {refused.reason}")
    if not is_true(pod, "Ready"):
        return Verdict(False, "NoResources", "Envoy replicas unavailable")
    return Verdict(True, "Programmed", "Address assigned to the Gateway, 1/1 envoy replicas available")
