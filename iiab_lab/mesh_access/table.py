"""A platform's policies and Pods → a table: one row per caller, one column per workload, in each cell what is decided."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..target import Target
from .calls import Call, Object, Workload, identity
from .decision import Decision, decide
from .matching import parts
from .network import Network

if TYPE_CHECKING:
    import pandas

NOBODY = "(no certificate)"
_NETWORKING = "networking.k8s.io/v1"
_SECURITY, _SIDECAR, _SCHEME, _INJECTED = "security.istio.io/v1", "istio-proxy", "spiffe://", "istio-injection=enabled"
_NAMES = ("serving.kserve.io/inferenceservice", "app", "app.kubernetes.io/name")


@dataclass(frozen=True)
class Answer:
    """`frame`: allowed, denied or asked, callers by workloads; `decisions`: (caller, workload) → with policy and reason."""

    call: Call
    frame: pandas.DataFrame
    decisions: dict[tuple[str, str], Decision]

    def why(self, caller: str, workload: str) -> Decision:
        return self.decisions[caller, workload]

    def figure(self) -> Any:
        from ..plots.access import heat_map

        return heat_map(self.frame, f"{self.call.method} {self.call.path}")


def who_may_call(
    target: Target, method: str = "POST", path: str = "/v1/models/sklearn-iris:predict", **more: Any
) -> Answer:
    """Of this one request, `more` being fields of `Call`: each identity, and a caller without one, at each workload.

    A caller's own token is in `claims`; to whom it belongs is for RequestAuthentications, which are not asked here.
    """
    pods = target.kube.list("v1", "Pod")
    policies = target.kube.list(_SECURITY, "AuthorizationPolicy")
    peers = target.kube.list(_SECURITY, "PeerAuthentication")
    network = Network(target.kube.list(_NETWORKING, "NetworkPolicy"), pods, target.kube.list("v1", "Namespace"))
    return answered(pods, _accounts(target), policies, peers, Call(method=method, path=path, **more), network)


def answered(
    pods: Iterable[Object],
    accounts: Iterable[tuple[str, str]],
    policies: Iterable[Object],
    peers: Iterable[Object],
    call: Call,
    network: Network = Network(),  # noqa: B008 - it is immutable
) -> Answer:
    """`accounts`: callers as (namespace, account), besides those of the Pods."""
    import pandas

    pods, policies, peers = list(pods), list(policies), list(peers)
    called, callers = workloads(pods), {NOBODY: "", **_identities(pods, accounts)}
    decisions = {
        (caller, str(one)): decide(policies, peers, one, replace(call, identity=shown, port=_port(one, call)), network)
        for caller, shown in callers.items()
        for one in called
    }
    columns = {str(one): [decisions[caller, str(one)].verdict for caller in callers] for one in called}
    return Answer(call, pandas.DataFrame(columns, index=pandas.Index([*callers], name="caller")), decisions)


def workloads(pods: Iterable[Object]) -> list[Workload]:
    """Those with a proxy of the mesh, ingress gateways too; Pods of one name count once."""
    found: dict[str, Workload] = {}
    for pod in pods:
        containers = pod["spec"]["containers"]
        everything = [*containers, *(pod["spec"].get("initContainers") or ())]
        if any(one["name"] == _SIDECAR for one in everything):
            own = [one for one in containers if one["name"] != _SIDECAR] or containers
            ports = [port for one in own for port in one.get("ports") or ()]
            numbers = tuple(port["containerPort"] for port in ports)
            names = tuple((port["name"], port["containerPort"]) for port in ports if port.get("name"))
            meta = pod["metadata"]
            made = Workload(meta["namespace"], _name(meta), meta.get("labels") or {}, numbers, names)
            found.setdefault(str(made), made)
    return [found[name] for name in sorted(found)]


def _name(meta: Object) -> str:
    labels = meta.get("labels") or {}
    return next((str(labels[name]) for name in _NAMES if name in labels), str(meta["name"]))


def _identities(pods: Iterable[Object], accounts: Iterable[tuple[str, str]]) -> dict[str, str]:
    known = {(pod["metadata"]["namespace"], pod["spec"].get("serviceAccountName", "default")) for pod in pods}
    return {f"{ns}/{account}": identity(ns, account) for ns, account in sorted({*known, *accounts})}


def _accounts(target: Target) -> set[tuple[str, str]]:
    """Of namespaces whose Pods are in the mesh; and of whoever has its certificate from elsewhere, as tier 1 has."""
    meshed = {one["metadata"]["name"] for one in target.kube.list("v1", "Namespace", selector=_INJECTED)}
    listed = [one["metadata"] for one in target.kube.list("v1", "ServiceAccount")]
    found = {(meta["namespace"], meta["name"]) for meta in listed if meta["namespace"] in meshed}
    try:
        certificates = target.kube.list("cert-manager.io/v1", "Certificate")
    except UsageError:  # a platform without cert-manager
        certificates = []
    uris = [uri.removeprefix(_SCHEME) for one in certificates for uri in one["spec"].get("uris") or ()]
    return found | {(namespace, account) for _, namespace, account in map(parts, uris) if namespace}


def _port(workload: Workload, call: Call) -> int:
    return call.port if call.port in workload.ports or not workload.ports else workload.ports[0]
