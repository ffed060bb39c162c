"""Meshed Pods → the configuration of their Envoy, with a certificate of the mesh.

Reads:  Pods with an injected istio-proxy, their Revisions, NetworkPolicies, and the Pods and Namespaces that these choose;
        AuthorizationPolicies, RequestAuthentications, PeerAuthentications, ConfigMaps istio-system/istio and
        istio-ca-root-cert, Secret istio-system/cacerts; Services and EndpointSlices that policies have a proxy ask.
Writes: the proxy's configuration.
Wakes:  on the Pod, and on each of those for the Pods it concerns; when a certificate is due.
"""

from __future__ import annotations

from ..envoy import activator, guard, sidecar
from ..envoy.policies import ROOT
from ..envoy.snapshot import Snapshot
from ..objects import kinds
from ..objects.kinds import CONFIG_MAP, POD, SECRET, Key
from ..objects.meta import Object, annotations_of, key_of, labels_of
from ..objects.names import SERVICE_NAME, SIDECAR_STATUS
from ..objects.pods import as_peer, has_proxy, ports
from ..reconcile.events import Recorder
from ..reconcile.ports import Client, Clock, Proxy, Rejected, Result, Watch
from ..rules import certificates
from ..rules.istio import mesh_config
from ..rules.workload_certificates import CA, ROOTS, Certificate, current, regarded, roots

_POLICIES = (kinds.AUTHORIZATION_POLICY, kinds.REQUEST_AUTHENTICATION, kinds.NETWORK_POLICY)


class SidecarController:
    name = "sidecar"

    def __init__(self, client: Client, proxy: Proxy, clock: Clock, record: Recorder) -> None:
        self._client, self._proxy, self._clock, self._record = client, proxy, clock, record
        self._certificates: dict[Key, Certificate] = {}
        self._asked: dict[Key, frozenset[Key]] = {}  # Pod → the Services that its policies have its proxy ask
        self._around: set[Key] = set()  # Pods whose NetworkPolicies choose others by label
        self.watches = (
            Watch(POD, lambda pod: [key_of(pod)] if _injected(pod) else [], regarded),
            Watch(POD, lambda pod: self._around, as_peer),
            Watch(kinds.NAMESPACE, lambda namespace: self._around, lambda one: tuple(sorted(labels_of(one).items()))),
            *(Watch(kind, self._concerned) for kind in _POLICIES),
            # What a Pod asks of a connection is done by those who call it, too.
            Watch(kinds.PEER_AUTHENTICATION, lambda one: [*self._concerned(one), *self._asked]),
            Watch(
                CONFIG_MAP, lambda found: self._concerned(found) if key_of(found) in (mesh_config.KEY, ROOTS) else []
            ),
            Watch(kinds.SERVICE, lambda service: self._callers(service, service["metadata"]["name"])),
            Watch(kinds.ENDPOINT_SLICE, lambda one: self._callers(one, labels_of(one).get(SERVICE_NAME, ""))),
            Watch(SECRET, lambda secret: self._concerned(secret) if key_of(secret) == CA else []),
        )

    async def reconcile(self, key: Key) -> Result | None:
        pod = self._client.get(POD, key)
        if pod is None or pod["metadata"].get("deletionTimestamp"):
            self._certificates.pop(key, None)
            self._asked.pop(key, None)
            self._around.discard(key)
            return None
        own, certificate = ports(pod), self._certificate(pod)
        if not own or certificate is None:
            return None  # its ports, or the mesh's CA, will wake us
        outcome = await self._proxy.apply(key, self._snapshot(pod, own, certificate.identity))
        if isinstance(outcome, Rejected):
            await self._record(pod, "ProxyRejected", f"Envoy refuses the configuration: {outcome.reason}", "Warning")
        return Result(max(0.0, certificate.due - self._clock.now()))

    def _snapshot(self, pod: Object, ports: dict[int, int], identity: sidecar.Identity) -> Snapshot:
        sockets = {port: self._proxy.app_socket(key_of(pod), port) for port in ports}
        seen = sidecar.Pod(pod, ports, sockets)
        before = guard.of_pod(self._client, pod, ports, identity.root)
        self._asked.pop(key_of(pod), None)
        if before.asked:
            self._asked[key_of(pod)] = before.asked
        (self._around.add if before.looks_around else self._around.discard)(key_of(pod))
        if activator.is_activator(pod):
            return activator.snapshot(seen, identity, before)
        return sidecar.snapshot(seen, identity, before, sidecar.queue(self._client, pod))

    def _certificate(self, pod: Object) -> Certificate | None:
        """Of the Pod's service account; renewed at half its life, when the CA changes, and when it is asked for."""
        authority = certificates.authority(self._client.get(SECRET, CA))
        if authority is None:
            return None
        trusted = roots(authority, self._client.get(CONFIG_MAP, ROOTS))
        made = current(self._certificates.get(key_of(pod)), pod, authority, trusted, self._clock.now())
        self._certificates[key_of(pod)] = made
        return made

    def _concerned(self, policy: Object) -> list[Key]:
        namespace = policy["metadata"]["namespace"]
        pods = self._client.list(POD, None if namespace == ROOT else namespace)
        return [key_of(pod) for pod in pods if _injected(pod)]

    def _callers(self, obj: Object, name: str) -> list[Key]:
        """Whose proxies ask this Service of the object's namespace."""
        service = Key(obj["metadata"]["namespace"], name)
        return [pod for pod, asked in self._asked.items() if service in asked]


def _injected(pod: Object) -> bool:
    """An ingress gateway's proxy is its own."""
    return has_proxy(pod) and SIDECAR_STATUS in annotations_of(pod)
