"""Ingress gateways of the mesh and what is routed through them → the configuration of their Envoy; what is not in force says so.

Reads:  Pods with an istio-proxy of their own, Gateways (networking.istio.io), VirtualServices, DestinationRules, Services,
        EndpointSlices, Secrets, NetworkPolicies and the Pods that these choose, AuthorizationPolicies, RequestAuthentications,
        PeerAuthentications, Namespaces, ConfigMaps istio-system/istio and istio-ca-root-cert, Secret istio-system/cacerts.
Writes: the proxy's configuration; status of VirtualServices and DestinationRules that are not, or not wholly, in force.
Wakes:  on the Pod, and on each of those for every ingress gateway; when its certificate is due.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

from ..envoy import guard, ingress, sidecar
from ..envoy.ingress import Ingress, Named
from ..envoy.policies import ROOT
from ..objects import kinds
from ..objects.kinds import CONFIG_MAP, DESTINATION_RULE, POD, SECRET, VIRTUAL_SERVICE, Key, Kind
from ..objects.meta import Object, annotations_of, edition, key_of, labels_of
from ..objects.names import SIDECAR_STATUS
from ..objects.pods import as_peer, has_proxy, ports
from ..objects.times import rfc3339
from ..reconcile.culprits import Verdicts, culprits
from ..reconcile.events import Recorder
from ..reconcile.ports import Client, Clock, Proxy, Rejected, Result, Watch
from ..rules import certificates, workload_certificates
from ..rules.istio import mesh_config, status, unserved
from ..rules.istio.status import FOREIGN, MISSING, REFUSED, Problem

_INPUTS = (
    kinds.ISTIO_GATEWAY,
    kinds.SERVICE,
    kinds.ENDPOINT_SLICE,
    kinds.NETWORK_POLICY,
    kinds.AUTHORIZATION_POLICY,
    kinds.REQUEST_AUTHENTICATION,
    kinds.PEER_AUTHENTICATION,  # of those it sends to
)
_CONFIGS = (mesh_config.KEY, workload_certificates.ROOTS)
_JUDGES = {VIRTUAL_SERVICE: unserved.virtual_service, DESTINATION_RULE: unserved.destination_rule}
Translation = Callable[[Iterable[Named]], Ingress]


class IngressGatewayController:
    name = "ingress-gateway"

    def __init__(self, client: Client, proxy: Proxy, clock: Clock, record: Recorder) -> None:
        self._client, self._proxy, self._clock, self._record = client, proxy, clock, record
        self._certificates: dict[Key, workload_certificates.Certificate] = {}
        self._around = False  # whether NetworkPolicies that choose it choose others by label
        self._verdicts = Verdicts[Named]()
        self._judged: dict[Named, tuple[Hashable, list[str]]] = {}  # as of an edition, without asking Envoy
        self.watches = (
            Watch(POD, lambda pod: [key_of(pod)] if _is_gateway(pod) else [], workload_certificates.regarded),
            Watch(SECRET, lambda secret: self._all(secret) if secret["metadata"]["namespace"] == ROOT else []),
            Watch(CONFIG_MAP, lambda found: self._all(found) if key_of(found) in _CONFIGS else []),
            Watch(kinds.NAMESPACE, self._all, lambda namespace: tuple(sorted(labels_of(namespace).items()))),
            Watch(POD, lambda pod: self._all(pod) if self._around else [], as_peer),
            *(Watch(kind, self._all, edition) for kind in _JUDGES),
            *(Watch(kind, self._all) for kind in _INPUTS),
        )

    async def reconcile(self, key: Key) -> Result | None:
        pod = self._client.get(POD, key)
        if pod is None or pod["metadata"].get("deletionTimestamp"):
            self._certificates.pop(key, None)
            return None
        own = ports(pod)
        authority = certificates.authority(self._client.get(SECRET, workload_certificates.CA))
        if not own or authority is None:
            return None  # its ports, or the mesh's CA, will wake us
        now = self._clock.now()
        trusted = workload_certificates.roots(authority, self._client.get(CONFIG_MAP, workload_certificates.ROOTS))
        certificate = workload_certificates.current(self._certificates.get(key), pod, authority, trusted, now)
        self._certificates[key] = certificate
        await self._report(await self._publish(pod, own, certificate.identity))
        return Result(max(0.0, certificate.due - now))

    async def _publish(self, pod: Object, ports: dict[int, int], identity: sidecar.Identity) -> Ingress:
        """All at once; if Envoy refuses, whose fault it is is found, they are set aside, and the rest goes out."""
        before = guard.of_pod(self._client, pod, ports, identity.root)
        self._around = before.looks_around
        objects = self._objects()
        world = _Still(self._client, objects)

        def translated(without: Iterable[Named]) -> Ingress:
            return ingress.translate(world, sidecar.Pod(pod, ports, {}), identity, before, without)

        made = translated(self._aside(objects))
        outcome = await self._proxy.apply(key_of(pod), made.snapshot)
        if isinstance(outcome, Rejected) and await self._find_culprits(objects, translated):
            made = translated(self._aside(objects))
            outcome = await self._proxy.apply(key_of(pod), made.snapshot)
        if isinstance(outcome, Rejected):
            await self._record(pod, "ProxyRejected", f"Envoy refuses the configuration: {outcome.reason}", "Warning")
        else:
            self._verdicts.accept(_editions(objects))
        return made

    def _objects(self) -> dict[Named, Object]:
        return {(kind, key_of(obj)): obj for kind in _JUDGES for obj in self._client.list(kind)}

    async def _find_culprits(self, objects: dict[Named, Object], translated: Translation) -> bool:
        """Among what is new since Envoy last took everything; should that not be it, among all."""
        fresh = self._verdicts.unproven(_editions(objects))
        return await self._blame(fresh, objects, translated) or await self._blame(list(objects), objects, translated)

    async def _blame(self, some: list[Named], objects: dict[Named, Object], translated: Translation) -> bool:
        """VirtualServices first, without these DestinationRules; then the rules, with all VirtualServices that are good."""
        found = False
        for kind in _JUDGES:
            later = {named for named in some if kind == VIRTUAL_SERVICE and named[0] == DESTINATION_RULE}
            aside = {*self._aside(objects), *later}
            suspects = [named for named in some if named[0] == kind and named not in aside]

            async def refusal(asked: Sequence[Named], others: set[Named] = aside | set(suspects)) -> str:
                return await self._proxy.check(translated(others - set(asked)).snapshot)

            refused = await culprits(suspects, refusal)
            self._verdicts.refuse(refused, _editions(objects))
            found = found or bool(refused)
        return found

    def _aside(self, objects: dict[Named, Object]) -> list[Named]:
        """What Envoy would refuse, or did, as long as it is the same."""
        self._verdicts.forget_changed(_editions(objects))
        self._judged = {named: known for named, known in self._judged.items() if named in objects}
        return [named for named, obj in objects.items() if self._wrong(named, obj)]

    def _wrong(self, named: Named, obj: Object) -> list[str]:
        if why := self._verdicts.refused.get(named):
            return [f"Envoy refuses it: {why}"]
        if self._judged.get(named, (None,))[0] != edition(obj):
            self._judged[named] = edition(obj), _JUDGES[named[0]](obj)
        return self._judged[named][1]

    async def _report(self, made: Ingress) -> None:
        now, objects = rfc3339(self._clock.now()), self._objects()
        self._verdicts.forget_changed(_editions(objects))  # some may have come while Envoy was asked
        for named, obj in objects.items():
            kind, key = named
            problems = [Problem(REFUSED, why) for why in self._wrong(named, obj)]
            if kind == VIRTUAL_SERVICE:
                problems += [Problem(FOREIGN, why) for why in made.refused.get(key, ())]
                problems += [Problem(MISSING, why) for why in made.missing.get(key, ())]
            if problems or obj.get("status"):
                await self._client.set_status(kind, key, status.status(obj, problems, now))

    def _all(self, _: Object) -> list[Key]:
        return [key_of(pod) for pod in self._client.list(POD, ROOT) if _is_gateway(pod)]


class _Still:
    """The world, in which the objects that are judged stand still: while Envoy is asked, others may come."""

    def __init__(self, client: Client, objects: dict[Named, Object]) -> None:
        self._client, self._objects = client, objects
        self.get = client.get

    def list(self, kind: Kind, namespace: str | None = None, labels: Mapping[str, str] | None = None) -> list[Object]:
        if kind in _JUDGES:
            return [obj for named, obj in self._objects.items() if named[0] == kind]
        return self._client.list(kind, namespace, labels)


def _editions(objects: Mapping[Named, Object]) -> dict[Named, Hashable]:
    return {named: edition(obj) for named, obj in objects.items()}


def _is_gateway(pod: Object) -> bool:
    return has_proxy(pod) and SIDECAR_STATUS not in annotations_of(pod)
