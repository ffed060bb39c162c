"""Policies and routes as weapons: expressions that match too much or take too long, names that are already somebody's."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ....kube import Object
from ..attack import API_SERVER, EDGE, MODEL, PREDICT, TIER_2, Api, Ask, Attack, Outcome
from ..stage import Stage

_NAME, _SPACE = "catalogue-trap", "tenant-b"
_ROUTE, _ISTIO, _GATEWAY = "gateway.networking.k8s.io/v1", "networking.istio.io/v1", "gateway.envoyproxy.io/v1alpha1"
_SECURITY = "security.istio.io/v1"
_PARENT = [{"name": "ai-inference-gateway", "namespace": "envoy-gateway-system"}]
_INGRESS = [{"name": "istio-ingressgateway", "namespace": "istio-system", "port": 443}]
_HOST = "sklearn-iris.tenant-a.example.com"
_OWN = Ask()
_SETTLED, _LOOK, _MOMENT, _PACE = 0.8, 0.05, 0.2, 0.01


@dataclass(frozen=True)
class Trap:
    """Objects are applied in the stranger's namespace, as if it had the right to; `ask` is sent; the objects go again.

    `steady`: it is sent all the while, and the first that ends otherwise than the last is the outcome.
    """

    name: str
    manifests: tuple[str, ...]
    ask: Ask
    steady: bool = False

    def __call__(self, stage: Stage) -> Outcome:
        with ThreadPoolExecutor(1) as bystander:
            over = threading.Event()
            sent = bystander.submit(self._meanwhile, stage, over) if self.steady else None
            try:
                with contextlib.ExitStack() as stack:
                    for manifest in self.manifests:
                        stack.enter_context(self._applied(stage, manifest))
                    last = self.ask(stage)
            finally:
                over.set()
            others = sent.result() if sent else []
        return next((one for one in others if one.status != last.status), last)

    @contextlib.contextmanager
    def _applied(self, stage: Stage, manifest: str) -> Iterator[None]:
        obj, kube = json.loads(manifest), stage.target.kube
        obj["metadata"]["name"] = f"{_NAME}-{self.name}"
        path = kube.path(obj["apiVersion"], obj["kind"], _SPACE, obj["metadata"]["name"])
        kube.apply(obj)
        try:
            _await_seen(lambda: kube.raw("GET", path).json())
            yield
        finally:
            kube.delete(obj["apiVersion"], obj["kind"], obj["metadata"]["name"], _SPACE)

    def _meanwhile(self, stage: Stage, over: threading.Event) -> list[Outcome]:
        outcomes = []
        while not over.wait(_PACE):
            outcomes.append(self.ask(stage))
        return outcomes


def _await_seen(read: Callable[[], Object]) -> None:
    """Until a controller has said something of it, and a moment more for the proxies; kinds without a status get that moment."""
    deadline = time.monotonic() + _SETTLED
    while not (read().get("status") or {}) and time.monotonic() < deadline:
        time.sleep(_LOOK)
    time.sleep(_MOMENT)


def _object(api_version: str, kind: str, spec: dict[str, Any]) -> str:
    meta = {"name": _NAME, "namespace": _SPACE}
    return json.dumps({"apiVersion": api_version, "kind": kind, "metadata": meta, "spec": spec})


def _route(match: dict[str, Any], **more: Any) -> str:
    rewrite = {"type": "URLRewrite", "urlRewrite": {"hostname": "nobody.tenant-b.example.com"}}
    rule = {"matches": [match], "filters": [rewrite], "backendRefs": _INGRESS}
    return _object(_ROUTE, "HTTPRoute", {"parentRefs": _PARENT, "rules": [rule], **more})


def _trap(
    id_: str,
    source: str,
    tries: str,
    manifest: str | tuple[str, ...],
    ask: Ask,
    layer: str,
    status: str,
    says: str = "",
    steady: bool = False,
) -> Attack:
    trap = Trap(id_, (manifest,) if isinstance(manifest, str) else manifest, ask, steady)
    return Attack(id_, "policies", source, tries, trap, (layer,), (status,), _OWN, says=says)


def _right(kind: str, path: str, manifest: str, tries: str) -> Attack:
    """The stranger's kubeconfig may not make one even in its own namespace; the administrator may."""
    where = f"/apis/{path.replace('{ns}', _SPACE)}"
    theirs, admins = (Api(where, actor, "POST", manifest) for actor in ("tenant-b", "admin"))
    return Attack(f"right-{kind}", "policies", "API5:2023", tries, theirs, (API_SERVER,), ("403",), admins, ("201",))


_EXACT = {"path": {"type": "Exact", "value": PREDICT}}
_THEIRS = _route({**_EXACT, "method": "POST"})
_OPEN = _object(
    _ROUTE,
    "HTTPRoute",
    {
        "parentRefs": _PARENT,
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/mine"}}],
                "filters": [
                    {"type": "URLRewrite", "urlRewrite": {"hostname": _HOST, "path": {"type": "ReplaceFullPath", "replaceFullPath": PREDICT}}}
                ],
                "backendRefs": _INGRESS,
            }
        ],
    },
)  # fmt: skip
_HOSTS = _object(
    _ISTIO,
    "VirtualService",
    {
        "hosts": [_HOST],
        "gateways": ["knative-serving/knative-ingress-gateway"],
        "http": [{"route": [{"destination": {"host": "nobody.tenant-b.svc.cluster.local", "port": {"number": 80}}}]}],
    },
)
_TARGET = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "sklearn-iris"}
_ALLOW_ALL = _object(_GATEWAY, "SecurityPolicy", {"targetRefs": [_TARGET], "authorization": {"defaultAction": "Allow"}})
_ASKING = _object(
    _GATEWAY,
    "SecurityPolicy",
    {
        "targetRefs": [{**_TARGET, "name": f"{_NAME}-ext-auth-of-another"}],
        "extAuth": {"http": {"backendRefs": [{"name": "prometheus", "namespace": "monitoring", "port": 9090}]}},
    },
)
_ANYBODY = _object(_SECURITY, "AuthorizationPolicy", {"action": "ALLOW", "rules": [{}]})
_PLAIN = _object(_SECURITY, "PeerAuthentication", {"mtls": {"mode": "PERMISSIVE"}})
_GRANT = _object(
    "gateway.networking.k8s.io/v1beta1",
    "ReferenceGrant",
    {"from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "tenant-a"}], "to": [{"group": "", "kind": "Secret"}]},
)  # fmt: skip
_BINDING = json.dumps(
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": _NAME, "namespace": _SPACE},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "catalogue-intruder", "namespace": _SPACE}],
    }
)
_SLOW_PATH = f"/{'a' * 20_000}!"
_REGEX, _TIER_2 = "CWE-1333", Ask(door=TIER_2, shows="edge", bearer="", host=_HOST)

ATTACKS = (
    Attack(
        "dots-host", "policies", "CWE-625; CVE-2022-21679", "the model's host with other letters for its dots, at tier 2",
        Ask(door=TIER_2, shows="edge", bearer="", host=_HOST.replace(".", "x")), (TIER_2,), ("404",), _TIER_2,
    ),
    Attack(
        "dots-edge", "policies", "CWE-625", "the identity service's host with another letter for its dot",
        Ask("/.well-known/jwks.json", "GET", bearer="", host="identityxinference-in-a-box"), (EDGE,), ("404",),
        Ask("/.well-known/jwks.json", "GET", bearer="", host="identity.inference-in-a-box"),
    ),
    Attack(
        "suffix-host", "policies", "CWE-625", "a host that only ends as the model's", Ask(door=TIER_2, shows="edge", bearer="", host=f"x{_HOST}"),
        (TIER_2,), ("404",), _TIER_2,
    ),
    _trap("regex-backtracking", _REGEX, "an expression that takes for ever where it is tried letter by letter",
          _route({"path": {"type": "RegularExpression", "value": "/(a+)+b"}}), Ask(_SLOW_PATH, "GET", bearer="", patience=2), EDGE, "404"),
    _trap("regex-too-large", _REGEX, "an expression that no proxy takes: everybody's routes stay",
          _route({"path": {"type": "RegularExpression", "value": "/(a{900}){900}"}}), _OWN, MODEL, "200", "predictions", steady=True),
    _trap("regex-broken", _REGEX, "an expression that is none: everybody's routes stay",
          _route({"path": {"type": "RegularExpression", "value": "/(?<=x)["}}), _OWN, MODEL, "200", "predictions", steady=True),
    _trap("hijack-same", "API1:2023", "another's path, claimed once more: the older route has it",
          _route(_EXACT), _OWN, MODEL, "200", "httproute/tenant-a/sklearn-iris"),
    _trap("hijack-virtual-service", "API1:2023", "another's host, claimed once more at tier 2: the older one has it",
          _HOSTS, _OWN, MODEL, "200", "predictions"),
    _trap("policy-of-another", "API1:2023", "a policy that opens a route of another namespace: it is not of this one",
          _ALLOW_ALL, Ask(bearer="tenant-b"), EDGE, "401"),
    _trap("ext-auth-of-another", "API7:2023; CWE-918", "another namespace's Service asked about each request, without its consent",
          (_route({"path": {"type": "Exact", "value": "/asked"}}), _ASKING), Ask("/asked", "GET", bearer=""), EDGE, "500"),
    _right("HTTPRoute-hijack", f"{_ROUTE}/namespaces/{{ns}}/httproutes", _THEIRS, "a route that fits another's path better than its own"),
    _right("HTTPRoute-open", f"{_ROUTE}/namespaces/{{ns}}/httproutes", _OPEN, "a route of one's own, without a policy, to another's model"),
    _right("VirtualService", f"{_ISTIO}/namespaces/{{ns}}/virtualservices", _HOSTS, "another's host at tier 2"),
    _right("SecurityPolicy", f"{_GATEWAY}/namespaces/{{ns}}/securitypolicies", _ALLOW_ALL, "a policy at the edge"),
    _right("AuthorizationPolicy", f"{_SECURITY}/namespaces/{{ns}}/authorizationpolicies", _ANYBODY, "a policy that lets anybody in"),
    _right("PeerAuthentication", f"{_SECURITY}/namespaces/{{ns}}/peerauthentications", _PLAIN, "plaintext in the mesh"),
    _right("ReferenceGrant", "gateway.networking.k8s.io/v1beta1/namespaces/{ns}/referencegrants", _GRANT, "a grant to others"),
    _right("RoleBinding", "rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings", _BINDING, "the administrator's role for oneself"),
)  # fmt: skip
