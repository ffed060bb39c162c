"""InferenceService and serving runtime → Deployment, Service, autoscaler and VirtualService. KServe's Standard mode, as pure functions.

KServe writes an Ingress or an HTTPRoute for the way in; here it is a VirtualService, because tier 2 reads those.
"""

from __future__ import annotations

from ..objects.conditions import Condition, condition, find
from ..objects.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, SERVICE, VIRTUAL_SERVICE, Kind
from ..objects.meta import Object, annotations_of, labels_of, new
from ..objects.names import AUTOSCALER_CLASS, INFERENCE_SERVICE, STORAGE_URI
from . import knative
from .kserve import CONTAINER, pod_spec, predictor

PORT = 8080
CPU_UTILIZATION, TIMEOUT_SECONDS = 80, 60
_GATEWAY = "knative-serving/knative-ingress-gateway"
_PROBE = {
    "tcpSocket": {"port": PORT},
    "timeoutSeconds": 1,
    "periodSeconds": 10,
    "successThreshold": 1,
    "failureThreshold": 3,
}


def is_autoscaled(isvc: Object) -> bool:
    return annotations_of(isvc).get(AUTOSCALER_CLASS, "hpa") == "hpa"


def app(isvc: Object) -> str:
    """The label `app` of its Pods, by which the Service and the Deployment choose them."""
    return f"isvc.{predictor(isvc)}"


def deployment(isvc: Object, runtime: Object, present: Object | None) -> Object:
    """Its size is the autoscaler's once it exists; without one, it is minReplicas."""
    least = least_replicas(isvc)
    size = present["spec"].get("replicas", least) if present and is_autoscaled(isvc) else least
    template = {"metadata": _metadata(isvc, runtime), "spec": _serving(pod_spec(isvc, runtime))}
    selector = {"matchLabels": {"app": app(isvc)}}
    return _new(DEPLOYMENT, isvc, runtime, {"replicas": size, "selector": selector, "template": template})


def service(isvc: Object, runtime: Object) -> Object:
    ports = [{"name": predictor(isvc), "port": 80, "targetPort": PORT, "protocol": "TCP"}]
    return _new(SERVICE, isvc, runtime, {"selector": {"app": app(isvc)}, "ports": ports})


def autoscaler(isvc: Object, runtime: Object) -> Object:
    least = least_replicas(isvc)
    spec: Object = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": predictor(isvc)},
        "minReplicas": least,
        "maxReplicas": max(least, isvc["spec"]["predictor"].get("maxReplicas", 0)),
        "metrics": [_metric(isvc)],
        "behavior": {},
    }
    return _new(HORIZONTAL_POD_AUTOSCALER, isvc, runtime, spec)


def virtual_service(isvc: Object) -> Object:
    """The service's own host, and the predictor's, lead to the Service."""
    meta = isvc["metadata"]
    destination = {"host": f"{predictor(isvc)}.{meta['namespace']}.svc.cluster.local", "port": {"number": 80}}
    named = {"KServe-Isvc-Name": meta["name"], "KServe-Isvc-Namespace": meta["namespace"]}
    rule = {
        "headers": {"request": {"set": named}},
        "route": [{"destination": destination, "weight": 100}],
        "timeout": f"{isvc['spec']['predictor'].get('timeout', TIMEOUT_SECONDS)}s",
    }
    hosts = [knative.external(name, meta["namespace"]) for name in (meta["name"], predictor(isvc))]
    spec = {"hosts": hosts, "gateways": [_GATEWAY], "http": [rule]}
    return new(VIRTUAL_SERVICE, meta["name"], meta["namespace"], owner=isvc, labels=labels_of(isvc), spec=spec)


def least_replicas(isvc: Object) -> int:
    """There is no scaling to zero in this mode."""
    return max(1, isvc["spec"]["predictor"].get("minReplicas", 1))


def status(isvc: Object, deployed: Object, now: str) -> Object:
    """status.{conditions, components, url, address}; the addresses stay once they have been told."""
    before, namespace = isvc.get("status") or {}, isvc["metadata"]["namespace"]
    current = deployed if knative.is_current(deployed) else None
    serving = _predictor_ready(current, now)
    component = (before.get("components") or {}).get("predictor") or {}
    if serving["status"] == "True":
        ingress = condition("IngressReady", True, now=now)
        component = {"url": f"http://{knative.external(predictor(isvc), namespace)}"}
        before = {
            "url": f"http://{knative.external(isvc['metadata']['name'], namespace)}",
            "address": {"url": f"http://{predictor(isvc)}.{namespace}.svc.cluster.local"},
        }
    else:
        ingress = condition("IngressReady", False, "Predictor ingress not created", now=now)
    stopped = condition("Stopped", False, now=now) | {"severity": "Info"}
    told = {field: before[field] for field in ("url", "address") if field in before}
    conditions = [stopped, *knative.ready([serving, ingress], now)]
    return {"components": {"predictor": component}, "conditions": conditions, **told}


def _predictor_ready(deployed: Object | None, now: str) -> Condition:
    """How the Deployment fares, as KServe reads it: what has failed counts before what goes on."""
    available, progressing = find(deployed, "Available"), find(deployed, "Progressing")
    failure = find(deployed, "ReplicaFailure")
    if failure and failure["status"] == "True":
        return _copied(failure, False, now)
    if available and available["status"] == "False":
        return _copied(available, False, now)
    if progressing and progressing["status"] == "False" and progressing.get("message"):
        return _copied(progressing, False, now)
    if progressing and progressing["status"] == "True" and progressing.get("reason") != "NewReplicaSetAvailable":
        return _copied(progressing, "Unknown", now)
    if (progressing and progressing["status"] == "True") or available:
        return condition("PredictorReady", True, now=now)
    return condition("PredictorReady", "Unknown" if deployed is None else False, now=now)


def _copied(found: Condition, status: str | bool, now: str) -> Condition:
    return condition("PredictorReady", status, found.get("reason", ""), found.get("message", ""), now=now)


def _metric(isvc: Object) -> Object:
    spec = isvc["spec"]["predictor"]
    name, target = spec.get("scaleMetric", "cpu"), spec.get("scaleTarget")
    if name == "memory" and target is None:  # KServe then names no metric, and Kubernetes' default counts
        name = "cpu"
    utilization = {"type": "Utilization", "averageUtilization": CPU_UTILIZATION if target is None else target}
    return {"type": "Resource", "resource": {"name": name, "target": utilization}}


def _new(kind: Kind, isvc: Object, runtime: Object, spec: Object) -> Object:
    meta = _metadata(isvc, runtime)
    return new(kind, predictor(isvc), isvc["metadata"]["namespace"], owner=isvc, spec=spec, **meta)


def _metadata(isvc: Object, runtime: Object) -> Object:
    """Labels and annotations: the same on all it becomes, the Pods too."""
    labels = {**(runtime["spec"].get("labels") or {}), **labels_of(isvc)}
    labels |= {INFERENCE_SERVICE: isvc["metadata"]["name"], "component": "predictor", "app": app(isvc)}
    annotations = {**(runtime["spec"].get("annotations") or {})}
    annotations |= {k: v for k, v in annotations_of(isvc).items() if not k.startswith("kubectl.kubernetes.io/")}
    if uri := (isvc["spec"]["predictor"].get("model") or {}).get("storageUri"):
        annotations[STORAGE_URI] = uri
    return {"labels": labels, "annotations": annotations}


def _serving(spec: Object) -> Object:
    """The server is ready when its port opens. This engine gives a Pod only the ports that it declares."""
    for container in spec["containers"]:
        if container["name"] == CONTAINER:
            container.setdefault("ports", [{"containerPort": PORT, "protocol": "TCP"}])
            container.setdefault("readinessProbe", dict(_PROBE))
    return spec
