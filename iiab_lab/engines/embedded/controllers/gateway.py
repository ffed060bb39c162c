"""Gateway and everything attached to it → the configuration of its Envoy; the verdicts → every status.

Reads:  Gateways, HTTPRoutes, SecurityPolicies, BackendTrafficPolicies, ClientTrafficPolicies, BackendTLSPolicies,
        EnvoyProxies, ReferenceGrants, Services and their EndpointSlices, Secrets, ConfigMaps, Namespaces, the Gateway's Pods.
Writes: the proxy's Deployment, Service and ServiceAccount; its configuration; status of Gateways, HTTPRoutes and policies.
Wakes:  on the Gateway; on each of those for every Gateway, as one Envoy's configuration depends on them all; on Services,
        EndpointSlices, Secrets and ConfigMaps for the Gateways that asked for them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Hashable, Sequence

from ..envoy import edge
from ..envoy.client_policies import Spoken
from ..envoy.edge import Edge
from ..envoy.indexed import SERVICE_NAME
from ..envoy.verdicts import Verdict
from ..objects import kinds
from ..objects.conditions import is_true
from ..objects.kinds import GATEWAY, GATEWAY_CLASS, HTTP_ROUTE, POD, Key, Kind
from ..objects.meta import Object, annotations_of, edition, key_of, labels_of
from ..objects.names import PORTS
from ..objects.pods import standing
from ..objects.times import rfc3339
from ..reconcile.culprits import culprits, gist
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
        self._verdicts: dict[Key, _Verdicts] = {}
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
            if ports := _ports(pod):
                made, refused = await self._publish(gateway, key_of(pod), ports)
                programmed = _programmed(pod, refused)
        await self._report(gateway, made or self._translated(gateway, _Any(), ()), programmed)
        return None

    def _is_ours(self, gateway: Object) -> bool:
        found = self._client.get(GATEWAY_CLASS, Key("", gateway["spec"]["gatewayClassName"]))
        return found is not None and found["spec"]["controllerName"] == gateway_status.CONTROLLER

    async def _publish(self, gateway: Object, pod: Key, ports: dict[int, int]) -> tuple[Edge, Rejected | None]:
        """All at once; if Envoy refuses, the culprits are found and parked, and the rest goes out."""
        verdicts = self._verdicts.setdefault(key_of(gateway), _Verdicts())
        verdicts.forget_changed(edge.editions(self._client, verdicts.parked))
        made, outcome = await self._applied(gateway, pod, ports, verdicts)
        if isinstance(outcome, Rejected) and await self._find_culprits(gateway, ports, made, verdicts):
            made, outcome = await self._applied(gateway, pod, ports, verdicts)
        if isinstance(outcome, Rejected):
            return made, outcome
        verdicts.accept(made)
        return made, None

    async def _applied(
        self, gateway: Object, pod: Key, ports: dict[int, int], verdicts: _Verdicts
    ) -> tuple[Edge, object]:
        made = self._translated(gateway, ports, verdicts.parked)
        return made, await self._proxy.apply(pod, made.snapshot)

    def _translated(self, gateway: Object, ports: dict[int, int], parked: Collection[str]) -> Edge:
        made = edge.translate(self._client, gateway, ports, parked)
        self._asked[key_of(gateway)] = made.asked
        return made

    async def _find_culprits(self, gateway: Object, ports: dict[int, int], made: Edge, verdicts: _Verdicts) -> bool:
        """Among what is new since Envoy last took everything; should that not be it, among all."""
        served = {one.name: edition(one.route) for one in made.attached if one.accepted.holds}

        async def refusal(asked: Sequence[str]) -> str:
            return await self._proxy.check(edge.translate(self._client, gateway, ports, only=set(asked)).snapshot)

        for suspects in (verdicts.unproven(served), list(served)):
            asked = [name for name in suspects if name not in verdicts.parked]
            editions = edge.editions(self._client, set(asked))  # they may change while Envoy is asked
            if found := await culprits(asked, refusal):
                verdicts.park({name: gist(why) for name, why in found.items()}, editions)
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
        verdicts = self._verdicts.get(gateway) or _Verdicts()
        found: dict[Key, list] = {}
        for one in made.attached if made else ():
            found.setdefault(key_of(one.route), []).append(one)
        for route in self._client.list(HTTP_ROUTE):
            key = key_of(route)
            judged = found[key][0].route if key in found else route
            before = (self._client.get(HTTP_ROUTE, key) or {}).get("status")  # now, not when the loop began
            if key in found or gateway_status.concerns(before, route, gateway):
                parents = gateway_status.route(judged, before, gateway, found.get(key, []), verdicts.parked, now)
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


class _Verdicts:
    """Which routes one Envoy refuses, as long as they and their policies are the same; and which it once took."""

    def __init__(self) -> None:
        self.parked: dict[str, str] = {}  # why
        self._parked_as: dict[str, Hashable] = {}
        self._proven: dict[str, Hashable] = {}

    def park(self, found: dict[str, str], editions: dict[str, Hashable]) -> None:
        self.parked |= found
        self._parked_as |= {name: editions.get(name) for name in found}

    def forget_changed(self, editions: dict[str, Hashable]) -> None:
        self.parked = {name: why for name, why in self.parked.items() if editions.get(name) == self._parked_as[name]}

    def accept(self, made: Edge) -> None:
        self._proven = {one.name: edition(one.route) for one in made.attached if one.name not in self.parked}

    def unproven(self, served: dict[str, tuple[str, int, bool]]) -> list[str]:
        """What was not there, or not like this, when Envoy last took everything."""
        return [name for name, known in served.items() if self._proven.get(name) != known]


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
        return Verdict(False, "NoResources", "Envoy replicas unavailable")
    return Verdict(True, "Programmed", "Address assigned to the Gateway, 1/1 envoy replicas available")
