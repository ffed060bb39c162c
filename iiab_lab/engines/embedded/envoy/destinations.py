"""Destinations that routes name → their clusters and endpoints, under the DestinationRule that holds for each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ..objects.kinds import SERVICE, Key
from ..objects.meta import Object
from . import destination_policies, destination_rules, http, outbound
from .virtual_hosts import fqdn
from .world import Backend, World, backend

Resource = dict[str, Any]

_DOMAIN = ".svc.cluster.local"
# Every file that Envoy follows takes one of the user's few inotify instances (see `http.downstream_tls`). Endpoints beyond
# these stand in place: then a change of them is a change of the cluster, which ends no request but opens connections anew.
_MOST_FOLLOWED = 48


class Destination(NamedTuple):
    service: Key
    port: int
    subset: str

    @property
    def host(self) -> str:
        return outbound.host_of(self.service)

    @property
    def cluster(self) -> str:
        return outbound.name_of(self.service, self.port, self.subset)


class Chosen(NamedTuple):
    """Where a route leads: the cluster's name, and what its requests are kept together by, if anything."""

    cluster: str
    hashed: Resource | None


class Destinations:
    """Of one proxy: what is asked for becomes a cluster. `root` is the mesh's, PEM; `port` the server's that routes came in on."""

    def __init__(self, world: World, root: str, without: Iterable[Key] = ()) -> None:
        self._world, self._root = world, root
        self._rules = destination_rules.rules(world, without)
        self._chosen: dict[Destination, Chosen] = {}
        self.clusters: Resource = {}
        self.endpoints: Resource = {}
        self.missing: dict[Key, list[str]] = {}  # VirtualService → subsets it names that nobody defines

    def choose(self, named: Object, service: Object, port: int) -> Chosen:
        """`named` is a destination in a VirtualService. One that is not there gets no cluster, and its requests 503."""
        destination = self._destination(named, service, port)
        if destination not in self._chosen:
            self._chosen[destination] = self._add(destination)
        if destination.subset and destination.cluster not in self.clusters:
            self._report(destination, service)
        return self._chosen[destination]

    def _destination(self, named: Object, service: Object, port: int) -> Destination:
        host = fqdn(named["host"], service)
        name, _, namespace = host.removesuffix(_DOMAIN).rpartition(".")
        key = Key(namespace, name) if host.endswith(_DOMAIN) else Key("", host)
        number = (named.get("port") or {}).get("number")
        if number is None:
            ports = ((self._world.get(SERVICE, key) or {}).get("spec") or {}).get("ports") or []
            number = ports[0]["port"] if len(ports) == 1 else port
        return Destination(key, number, named.get("subset", ""))

    def _add(self, destination: Destination) -> Chosen:
        rule = destination_rules.chosen(self._rules, destination.host, destination.service.namespace)
        subset = next((one for one in rule.get("subsets") or () if one["name"] == destination.subset), None)
        policy = destination_policies.overridden(rule.get("trafficPolicy"), (subset or {}).get("trafficPolicy"))
        labels = (subset or {}).get("labels") or {}
        found = backend(self._world, destination.service, destination.port, labels)
        if found and (subset or not destination.subset):
            self._add_cluster(destination, found, policy)
        return Chosen(destination.cluster, destination_policies.hash_policy(policy))

    def _add_cluster(self, destination: Destination, found: Backend, policy: Object) -> None:
        name, namespace = destination.service.name, destination.service.namespace
        followed, full = len(self.endpoints) < _MOST_FOLLOWED, destination.cluster
        source = http.followed(full) if followed else http.fixed(full, found.addresses)
        made = http.cluster(full, source, self._tls(destination, found, policy))
        metadata = {"filter_metadata": {"istio": {"host": destination.host, "name": name, "namespace": namespace}}}
        self.clusters[full] = {**destination_policies.shaped(made, policy), "metadata": metadata}
        if followed:
            self.endpoints[full] = http.endpoints(full, found.addresses)

    def _tls(self, destination: Destination, found: Backend, policy: Object) -> Resource | None:
        """Istio's automatic mTLS, unless the rule says: a Pod without a sidecar has no certificate to show."""
        mode = (policy.get("tls") or {}).get("mode", "DISABLE" if found.plain else "ISTIO_MUTUAL")
        if mode == "DISABLE":
            return None
        return outbound.mutual_tls(destination.service, destination.port, found, self._root, destination.subset)

    def _report(self, destination: Destination, service: Object) -> None:
        meta = service["metadata"]
        said = f"Referenced host+subset in destinationrule not found: {destination.host}+{destination.subset}"
        known = self.missing.setdefault(Key(meta["namespace"], meta["name"]), [])
        known += [said] if said not in known else []
