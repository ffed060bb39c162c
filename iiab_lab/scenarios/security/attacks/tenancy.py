"""What is another tenant's is not there: every route of the management service, the edge, the Kubernetes API.

Order matters: the owner's controls are sent as they stand here, and the last of them take the victim away.
"""

from __future__ import annotations

import json
from typing import Any

from ..attack import API_SERVER, EDGE, FLOWER, MANAGEMENT, Api, Ask, Attack

_BOLA, _FUNCTION, _PROPERTY = "API1:2023", "API5:2023", "API3:2023"
# A model that its own server loads, as small as there is one; it only has to arrive.
_SETTINGS = {"useCustom": False, "namespace": "tenant-a"}
_PREDICT = json.dumps({"inputData": {"instances": [[5.1, 3.5, 1.4, 0.2]]}, "connectionSettings": _SETTINGS})


def _route(
    method: str, path: str, tries: str, body: Any = None, passes: str = "200", status: str = "404", source: str = _BOLA
) -> Attack:
    """One route of the management service, asked by the stranger and then by the owner."""
    sent = "" if body is None else body if isinstance(body, str) else json.dumps(body)
    stranger, owner = (
        Ask(path, method, token, body=sent, door="management", patience=20) for token in ("tenant-b", "tenant-a")
    )
    id_ = f"{method} {path.removeprefix('/api')}"
    return Attack(id_, "tenancy", source, tries, stranger, (MANAGEMENT,), (status,), owner, (passes,))


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

_OF_THE_SERVICE = (
    _listed("/api/models", "the list of models, for another's"),
    _listed("/api/models?namespace=tenant-a", "the list of another's namespace"),
    _listed("/api/published-models?namespace=tenant-a", "the published models of another's namespace"),
    _route("GET", _MODEL, "another's model"),
    _route("GET", f"{_MODEL}/logs?namespace=tenant-a", "its server's log"),
    _route("GET", f"{_MODEL}/versions?namespace=tenant-a", "its versions"),
    _route("POST", f"{_MODEL}/predict?namespace=tenant-a", "a prediction on one's behalf", _PREDICT),
    _route("GET", f"{_MODEL}/publish?namespace=tenant-a", "how it is published"),
    _route("GET", f"{_MODEL}/publish/documentation", "its documentation"),
    _route("GET", f"{_MODEL}/keys?namespace=tenant-a", "its keys"),
    _route(
        "POST", "/api/publish/test/execute", "a test call to it",
        {"modelName": "catalogue-iris", "testData": {"instances": [[5.1, 3.5, 1.4, 0.2]]}},
    ),
    _route("POST", f"{_MODEL}/keys?namespace=tenant-a", "a key of one's own to it", {"name": "mine"}, "201"),
    _route("POST", f"{_MODEL}/publish/rotate-key", "a new key in place of the owner's", {"overlapSeconds": 60}),
    _route("PUT", f"{_MODEL}/publish", "its limits", {"config": {"tenantId": "tenant-a"}}, status="403"),
    _route("PUT", _MODEL, "the model itself", {"namespace": "tenant-a", "minReplicas": 1}),
    _route("DELETE", f"{_MODEL}/versions/1?namespace=tenant-a", "a version of it", passes="404"),
    _route("DELETE", f"{_MODEL}/keys/<key-id>", "its key, to lock out whoever calls it"),
    _route("DELETE", f"{_MODEL}/publish", "its publication"),
    _route("POST", f"{_MODEL}/publish", "to publish it as its owner", {"config": {"tenantId": "tenant-a"}}, status="403"),
    _route("DELETE", f"{_MODEL}/publish?namespace=tenant-a", "its publication, by namespace"),
    _route("DELETE", f"{_MODEL}?namespace=tenant-a", "the model"),
    Attack(
        "create-elsewhere", "tenancy", _PROPERTY, "a model in another's namespace, by a field of the body",
        Ask("/api/models", bearer="tenant-b", door="management", body=json.dumps(
            {"name": "intruder", "framework": "none", "storageUri": "pvc://m/x", "namespace": "tenant-a"})),
        (MANAGEMENT,), ("400",), Ask("/api/models", "GET", door="management"), hides="tenant-a",
    ),
    _admins("GET", "/api/admin/system", "the platform's state"),
    _admins("GET", "/api/admin/tenants", "all tenants"),
    _admins("GET", "/api/admin/resources", "all objects"),
    _admins("GET", "/api/admin/logs", "the platform's logs"),
    _admins("GET", "/api/admin/ai-gateway-service", "where the gateway is"),
    _admins("POST", "/api/admin/kubectl", "kubectl, as the service", {"command": "get pods -n tenant-a"}),
    _admins("GET", "/api/tokens", "everybody's tokens"),
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
