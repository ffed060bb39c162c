"""A platform's policies and Pods → a table: one row per caller, one column per workload, in each cell what is decided."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..target import Target
from .calls import Call, Object, Workload, identity
from .decision import Decision, decide

if TYPE_CHECKING:
    import pandas

NOBODY = "(no certificate)"
_SECURITY, _SIDECAR = "security.istio.io/v1", "istio-proxy"
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
    """Of this one request, `more` being fields of `Call`: each service account, and a caller without one, at each workload.

    A caller's own token is in `claims`; to whom it belongs is for RequestAuthentications, which are not asked here.
    """
    pods = target.kube.list("v1", "Pod")
    policies = target.kube.list(_SECURITY, "AuthorizationPolicy")
    peers = target.kube.list(_SECURITY, "PeerAuthentication")
    return answered(pods, policies, peers, Call(method=method, path=path, **more))


def answered(pods: Iterable[Object], policies: Iterable[Object], peers: Iterable[Object], call: Call) -> Answer:
    import pandas

    pods, policies, peers = list(pods), list(policies), list(peers)
    called, callers = workloads(pods), {NOBODY: "", **_accounts(pods)}
    decisions = {
        (caller, str(one)): decide(policies, peers, one, replace(call, identity=shown, port=_port(one, call)))
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
            ports = tuple(port["containerPort"] for one in own for port in one.get("ports") or ())
            meta = pod["metadata"]
            made = Workload(meta["namespace"], _name(meta), meta.get("labels") or {}, ports)
            found.setdefault(str(made), made)
    return [found[name] for name in sorted(found)]


def _name(meta: Object) -> str:
    labels = meta.get("labels") or {}
    return next((str(labels[name]) for name in _NAMES if name in labels), str(meta["name"]))


def _accounts(pods: Iterable[Object]) -> dict[str, str]:
    known = {(pod["metadata"]["namespace"], pod["spec"].get("serviceAccountName", "default")) for pod in pods}
    return {f"{namespace}/{account}": identity(namespace, account) for namespace, account in sorted(known)}


def _port(workload: Workload, call: Call) -> int:
    return call.port if call.port in workload.ports or not workload.ports else workload.ports[0]
