"""A Route whose traffic is assigned → the VirtualService that splits its hosts, and the Services by which the mesh knows them.

net-istio's part included (pkg/reconciler/ingress/resources/virtual_service.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..objects.kinds import SERVICE, VIRTUAL_SERVICE
from ..objects.meta import Object, labels_of, new
from ..objects.names import KN_ROUTE
from . import knative

GATEWAYS = ["knative-serving/knative-ingress-gateway", "knative-serving/knative-local-gateway"]


def virtual_service(route: Object, splits: Mapping[str, Mapping[str, int]]) -> Object:
    """A rule for the Route's own hosts, and one for each tag's."""
    meta = route["metadata"]
    names = {tag: knative.tagged(meta["name"], tag) for tag in splits}
    spec = {
        "hosts": [host for name in names.values() for host in knative.hosts(name, meta["namespace"])],
        "gateways": GATEWAYS,
        # The Route's own rule first: KServe's host means the first.
        "http": [_rule(names[tag], meta["namespace"], split, tagged=len(splits) > 1) for tag, split in splits.items()],
    }
    labels = {**labels_of(route), "networking.internal.knative.dev/ingress": meta["name"]}
    return new(VIRTUAL_SERVICE, f"{meta['name']}-ingress", meta["namespace"], owner=route, labels=labels, spec=spec)


def _rule(name: str, namespace: str, split: Mapping[str, int], tagged: bool) -> Object:
    # The shortest of its hosts begins every other.
    match = {"match": [{"authority": {"prefix": f"{name}.{namespace}"}}]} if tagged else {}
    return {
        **match,
        "retries": {"attempts": 0},
        "route": [_weighted(revision, namespace, percent) for revision, percent in split.items() if percent],
    }


def _weighted(revision: str, namespace: str, percent: int) -> Object:
    told = {"Knative-Serving-Namespace": namespace, "Knative-Serving-Revision": revision}
    return {
        "destination": {"host": f"{revision}.{namespace}.svc.cluster.local", "port": {"number": 80}},
        "weight": percent,
        "headers": {"request": {"set": told}},
    }


def placeholders(route: Object, tags: Iterable[str]) -> list[Object]:
    """The names under which the mesh knows the Route and its tags."""
    meta = route["metadata"]
    labels = {**labels_of(route), KN_ROUTE: meta["name"]}
    spec = {"type": "ExternalName", "externalName": "knative-local-gateway.istio-system.svc.cluster.local"}
    names = [knative.tagged(meta["name"], tag) for tag in tags]
    return [new(SERVICE, name, meta["namespace"], owner=route, labels=labels, spec=spec) for name in names]
