"""What is another tenant's is not there: every route of the management service, the edge, the Kubernetes API.

Order matters: the owner's controls are sent as they stand here, and the last of them take the victim away.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from ..attack import API_SERVER, EDGE, FLOWER, MANAGEMENT, Api, Ask, Attack

_BOLA, _FUNCTION, _PROPERTY = "API1:2023", "API5:2023", "API3:2023"
# A model that its own server loads, as small as there is one; it only has to arrive.
_SETTINGS = {"useCustom": False, "namespace": "<owner>"}
_PREDICT = {"inputData": {"instances": [[5.1, 3.5, 1.4, 0.2]]}, "connectionSettings": _SETTINGS}


class Route(NamedTuple):
    """One of the management service's, of a model of <owner>'s: `status` for a stranger, `passes` for the owner."""

    method: str
    path: str
    tries: str
    body: Any = None
    passes: str = "200"
    status: str = "404"

    def asked_by(self, token: str) -> Ask:
        sent = "" if self.body is None else json.dumps(self.body)
        return Ask(self.path, self.method, token, body=sent, door="management", patience=20)


def _route(route: Route) -> Attack:
    stranger, owner = route.asked_by("tenant-b"), route.asked_by("tenant-a")
    id_ = f"{route.method} {route.path.removeprefix('/api').replace('<owner>', 'tenant-a')}"
    return Attack(id_, "tenancy", _BOLA, route.tries, stranger, (MANAGEMENT,), (route.status,), owner, (route.passes,))


def _admins(method: str, path: str, tries: str, body: Any = None) -> Attack:
    sent = json.dumps(body) if body else ""
    tenant, admin = (Ask(path, method, token, body=sent, door="management") for token in ("tenant-b", "admin"))
    return Attack(f"{method} {path}", "tenancy", _FUNCTION, tries, tenant, (MANAGEMENT,), ("403",), admin)


def _edge(id_: str, path: str, tries: str, method: str = "POST", body: str = FLOWER) -> Attack:
    stranger, owner = (Ask(path, method, token, body=body) for token in ("tenant-b", "tenant-a"))
    return Attack(id_, "tenancy", _BOLA, tries, stranger, (EDGE,), ("401",), owner)


def _listed(path: str, tries: str) -> Attack:
    """The list is given, and the other's model is not in it."""
    stranger, owner = (Ask(path, "GET", token, door="management") for token in ("tenant-b", "tenant-a"))
    return Attack(
        f"GET {path}", "tenancy", _PROPERTY, tries, stranger, (MANAGEMENT,), ("200",), owner, hides="sklearn-iris"
    )


def _kube(id_: str, method: str, path: str, tries: str, body: Any = None, passes: str = "200") -> Attack:
    """`{ns}`: the attack is on tenant-a's, the control on the actor's own."""
    sent = json.dumps(body) if body else ""
    theirs, own = (Api(path.replace("{ns}", ns), "tenant-b", method, sent) for ns in ("tenant-a", "tenant-b"))
    return Attack(id_, "tenancy", _BOLA, tries, theirs, (API_SERVER,), ("403",), own, (passes,))


_MODEL = "/api/models/<victim>"
_TENSOR = json.dumps(
    {"inputs": [{"name": "input-0", "shape": [1, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2]}]}
)
_SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "intruder"}}
_ISVC = {
    "apiVersion": "serving.kserve.io/v1beta1",
    "kind": "InferenceService",
    "metadata": {"name": "intruder"},
    "spec": {"predictor": {"model": {"modelFormat": {"name": "sklearn"}, "storageUri": "pvc://models/sklearn-iris"}}},
}
_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "intruder"},
    "spec": {"containers": [{"name": "x", "image": "x"}]},
}
_CORE, _SERVING = "/api/v1/namespaces/{ns}", "/apis/serving.kserve.io/v1beta1/namespaces/{ns}/inferenceservices"

_AT_THE_EDGE = (
    _edge("edge-predict", "/v1/models/sklearn-iris:predict", "a prediction of another's model"),
    _edge("edge-metadata", "/v1/models/sklearn-iris", "what another's model is", "GET"),
    _edge("edge-infer", "/v2/models/sklearn-iris/infer", "a prediction by the Open Inference Protocol", body=_TENSOR),
    _edge("edge-v2-metadata", "/v2/models/sklearn-iris", "its metadata by the same protocol", "GET"),
    _edge("edge-v2-ready", "/v2/models/sklearn-iris/ready", "whether it is ready", "GET"),
    Attack(
        "edge-published", "tenancy", _BOLA, "a published model, with a token of a tenant that is not allowed",
        Ask("/models/<victim>/predict", bearer="tenant-b", host="api.router.inference-in-a-box"), (EDGE,), ("401",),
        Ask("/models/<victim>/predict", host="api.router.inference-in-a-box"),
    ),
)  # fmt: skip

# In this order the owner's controls leave the model to those that come after them.
ROUTES = (
    Route("GET", _MODEL, "another's model"),
    Route("GET", f"{_MODEL}/logs?namespace=<owner>", "its server's log"),
    Route("GET", f"{_MODEL}/versions?namespace=<owner>", "its versions"),
    Route("POST", f"{_MODEL}/predict?namespace=<owner>", "a prediction on one's behalf", _PREDICT),
    Route("GET", f"{_MODEL}/publish?namespace=<owner>", "how it is published"),
    Route("GET", f"{_MODEL}/publish/documentation", "its documentation"),
    Route("GET", f"{_MODEL}/keys?namespace=<owner>", "its keys"),
    Route(
        "POST", "/api/publish/test/execute", "a test call to it",
        {"modelName": "<victim>", "testData": {"instances": [[5.1, 3.5, 1.4, 0.2]]}},
    ),
    Route("POST", f"{_MODEL}/keys?namespace=<owner>", "a key of one's own to it", {"name": "mine"}, "201"),
    Route("POST", f"{_MODEL}/publish/rotate-key", "a new key in place of the owner's", {"overlapSeconds": 60}),
    Route("PUT", f"{_MODEL}/publish", "its limits", {"config": {"tenantId": "<owner>"}}, status="403"),
    Route("PUT", _MODEL, "the model itself", {"namespace": "<owner>", "minReplicas": 1}),
    Route("DELETE", f"{_MODEL}/versions/1?namespace=<owner>", "a version of it", passes="404"),
    Route("DELETE", f"{_MODEL}/keys/<key-id>", "its key, to lock out whoever calls it"),
    Route("DELETE", f"{_MODEL}/publish", "its publication"),
    Route("POST", f"{_MODEL}/publish", "to publish it as its owner", {"config": {"tenantId": "<owner>"}}, status="403"),
    Route("DELETE", f"{_MODEL}/publish?namespace=<owner>", "its publication, by namespace"),
    Route("DELETE", f"{_MODEL}?namespace=<owner>", "the model"),
)  # fmt: skip
_OF_THE_SERVICE = (
    _listed("/api/models", "the list of models, for another's"),
    _listed("/api/models?namespace=tenant-a", "the list of another's namespace"),
    _listed("/api/published-models?namespace=tenant-a", "the published models of another's namespace"),
    *map(_route, ROUTES),
    Attack(
        "create-elsewhere", "tenancy", _PROPERTY, "a model in another's namespace, by a field of the body",
        Ask("/api/models", bearer="tenant-b", door="management", body=json.dumps(
            {"name": "intruder", "framework": "none", "storageUri": "pvc://m/x", "namespace": "tenant-a"})),
        (MANAGEMENT,), ("400",), Ask("/api/models", "GET", door="management"), hides="tenant-a",
    ),
    _admins("GET", "/api/admin/system", "the platform's state"),
    _admins("GET", "/api/admin/tenants", "all tenants"),
    Attack(
        "remove-tenant", "tenancy", _FUNCTION, "to remove another tenant; the admin sees that it is there",
        Ask("/api/admin/tenants/tenant-a", "DELETE", "tenant-b", door="management"), (MANAGEMENT,), ("403",),
        Ask("/api/admin/tenants", "GET", "admin", door="management"),
    ),
    _admins("GET", "/api/admin/resources", "all objects"),
    _admins("GET", "/api/admin/logs", "the platform's logs"),
    _admins("GET", "/api/admin/ai-gateway-service", "where the gateway is"),
    _admins("POST", "/api/admin/kubectl", "kubectl, as the service", {"command": "get pods -n tenant-a"}),
    _admins("GET", "/api/tokens", "everybody's tokens"),
    _admins("GET", "/api/audit/verdict", "whether the audit stream is whole"),
    Attack(
        "audit-stream", "tenancy", _FUNCTION, "a copy of everybody's audit stream; its own part it is told",
        Ask("/api/audit/stream", "GET", "tenant-b", door="management"), (MANAGEMENT,), ("403",),
        Ask("/api/audit", "GET", "tenant-b", door="management"),
    ),
)  # fmt: skip

_OF_KUBERNETES = (
    _kube("kube-secrets", "GET", f"{_CORE}/secrets", "the Secrets of another's namespace"),
    _kube("kube-client", "GET", f"{_CORE}/secrets/identity-client", "its client secret"),
    _kube("kube-watch", "GET", f"{_CORE}/secrets?watch=1&timeoutSeconds=1", "the same, watched"),
    _kube("kube-pods", "GET", f"{_CORE}/pods", "its Pods"),
    _kube("kube-log", "GET", f"{_CORE}/pods/any/log", "a Pod's log", passes="404"),
    _kube("kube-configmaps", "GET", f"{_CORE}/configmaps", "its ConfigMaps"),
    _kube("kube-models", "GET", _SERVING, "its models"),
    _kube("kube-create-secret", "POST", f"{_CORE}/secrets", "a Secret in it", _SECRET, "201"),
    _kube("kube-create-pod", "POST", f"{_CORE}/pods", "a Pod in it", _POD, "201"),
    _kube("kube-create-model", "POST", _SERVING, "a model in it", _ISVC, "201"),
    _kube("kube-delete-all", "DELETE", f"{_CORE}/configmaps", "all its ConfigMaps, gone"),
    _kube(
        "kube-token", "POST", f"{_CORE}/serviceaccounts/default/token", "a token of its account", {"spec": {}}, "201"
    ),
)

ATTACKS = (*_AT_THE_EDGE, *_OF_KUBERNETES, *_OF_THE_SERVICE)
