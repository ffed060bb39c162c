"""InferenceService and serving runtime → Knative Service and VirtualService. KServe's Knative mode, as pure functions."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping

from ..objects.conditions import Condition, condition, is_true
from ..objects.kinds import KNATIVE_SERVICE, VIRTUAL_SERVICE
from ..objects.meta import Object, annotations_of, labels_of, new
from ..objects.names import DEPLOYMENT_MODE, INFERENCE_SERVICE, STORAGE_URI
from . import knative, kserve_canary

CONTAINER = "kserve-container"
_AUTOSCALING = "autoscaling.knative.dev/"
_GATEWAYS = ["knative-serving/knative-local-gateway", "knative-serving/knative-ingress-gateway"]
_LOCAL = "knative-local-gateway.istio-system.svc.cluster.local"


KNATIVE, STANDARD = "Knative", "Standard"
# Every name that the annotation may say, older ones included.
MODES = {KNATIVE: KNATIVE, "Serverless": KNATIVE, STANDARD: STANDARD, "RawDeployment": STANDARD}


def mode(isvc: Object) -> str:
    """Knative or Standard: what was recorded once stays; else the annotation decides, else Knative."""
    recorded = (isvc.get("status") or {}).get("deploymentMode")
    return str(recorded or MODES.get(annotations_of(isvc).get(DEPLOYMENT_MODE, ""), KNATIVE))


def predictor(isvc: Object) -> str:
    return f"{isvc['metadata']['name']}-predictor"


def supporting(runtimes: list[Object], isvc: Object) -> list[Object]:
    """The runtimes that could serve this model, best first: the one it names, else by priority of their autoSelect format."""
    model = isvc["spec"]["predictor"].get("model") or {}
    protocol = model.get("protocolVersion") or "v1"
    if named := model.get("runtime"):
        return [runtime for runtime in runtimes if runtime["metadata"]["name"] == named]
    found = []
    for runtime in runtimes:
        spec = runtime["spec"]
        if spec.get("disabled") or protocol not in (spec.get("protocolVersions") or ["v1"]):
            continue
        priorities = [
            f.get("priority", 0) for f in spec.get("supportedModelFormats") or () if _fits(f, model["modelFormat"])
        ]
        if priorities:
            found.append((max(priorities), runtime))
    return [runtime for _, runtime in sorted(found, key=lambda pair: (-pair[0], pair[1]["metadata"]["name"]))]


def _fits(offered: Object, wanted: Object) -> bool:
    if not offered.get("autoSelect") or offered["name"] != wanted["name"]:
        return False
    return "version" not in wanted or wanted["version"] == offered.get("version")


def service(isvc: Object, runtime: Object) -> Object:
    """The Knative Service `<name>-predictor`, traffic and canary included."""
    meta = isvc["metadata"]
    labels = {**labels_of(isvc), INFERENCE_SERVICE: meta["name"], "component": "predictor"}
    template = {
        "metadata": {"labels": labels, "annotations": _annotations(isvc, runtime)},
        "spec": pod_spec(isvc, runtime) | _limits(isvc),
    }
    body = {"template": template, "traffic": kserve_canary.traffic(isvc)}
    return new(KNATIVE_SERVICE, predictor(isvc), meta["namespace"], owner=isvc, labels=labels_of(isvc), spec=body)


def autoscaling(isvc: Object, annotations: Mapping[str, str]) -> dict[str, str]:
    """The annotations, and with them what the predictor says of its scaling."""
    spec, made = isvc["spec"]["predictor"], dict(annotations)
    made.setdefault(f"{_AUTOSCALING}class", "kpa.autoscaling.knative.dev")
    if "scaleTarget" in spec:
        made[f"{_AUTOSCALING}target"] = str(spec["scaleTarget"])
    if "scaleMetric" in spec:
        made[f"{_AUTOSCALING}metric"] = spec["scaleMetric"]
    made[f"{_AUTOSCALING}min-scale"] = str(spec.get("minReplicas", 1))
    if spec.get("maxReplicas"):
        made[f"{_AUTOSCALING}max-scale"] = str(spec["maxReplicas"])
    return made


def _annotations(isvc: Object, runtime: Object) -> dict[str, str]:
    spec = isvc["spec"]["predictor"]
    made = {**(runtime["spec"].get("annotations") or {})}
    made |= {
        k: v
        for k, v in annotations_of(isvc).items()
        if not k.startswith(("kubectl.kubernetes.io/", "serving.kserve.io/"))
    }
    made = autoscaling(isvc, made)
    if uri := (spec.get("model") or {}).get("storageUri"):
        made[STORAGE_URI] = uri
    return made


def _limits(isvc: Object) -> Object:
    spec = isvc["spec"]["predictor"]
    pairs = (("timeout", "timeoutSeconds"), ("containerConcurrency", "containerConcurrency"))
    return {ours: spec[theirs] for theirs, ours in pairs if theirs in spec}


def pod_spec(isvc: Object, runtime: Object) -> Object:
    """The runtime's containers with what the model adds to them."""
    spec, model = isvc["spec"]["predictor"], isvc["spec"]["predictor"].get("model") or {}
    containers = copy.deepcopy(runtime["spec"]["containers"])
    for container in containers:
        if container["name"] == CONTAINER:
            container["args"] = [*(container.get("args") or ()), *(model.get("args") or ())]
            container["env"] = [*(container.get("env") or ()), *(model.get("env") or ())]
            if model.get("resources"):
                container["resources"] = model["resources"]
        container["args"] = [templated(arg, isvc) for arg in container.get("args") or ()]
        container["env"] = [
            item | ({"value": templated(item["value"], isvc)} if "value" in item else {})
            for item in container.get("env") or ()
        ]
    made: Object = {"containers": containers}
    if "serviceAccountName" in spec:
        made["serviceAccountName"] = spec["serviceAccountName"]
    return made


def templated(text: str, isvc: Object) -> str:
    """`{{.Name}}`, `{{.Labels.x}}` and `{{.Annotations.x}}` of a runtime's arguments."""
    meta = isvc["metadata"]

    def value(found: re.Match[str]) -> str:
        if found[1] in ("Name", "Namespace"):
            return str(meta[found[1].lower()])
        return str((meta.get(found[1].lower()) or {}).get(found[2], ""))

    return re.sub(r"\{\{\s*\.(Name|Namespace|Labels|Annotations)(?:\.([\w./-]+))?\s*\}\}", value, text)


def virtual_service(isvc: Object) -> Object:
    """The top-level VirtualService: it only says that the service's own hosts mean the predictor's."""
    meta = isvc["metadata"]
    hosts = [f"{meta['name']}.{meta['namespace']}.svc.cluster.local", knative.external(meta["name"], meta["namespace"])]
    rewritten = f"{predictor(isvc)}.{meta['namespace']}.svc.cluster.local"
    http = {
        "match": [{"authority": {"regex": rf"^{re.escape(host)}(?::\d{{1,5}})?$"}} for host in hosts],
        "headers": {
            "request": {
                "set": {"Host": rewritten, "KServe-Isvc-Name": meta["name"], "KServe-Isvc-Namespace": meta["namespace"]}
            }
        },
        "route": [{"destination": {"host": _LOCAL, "port": {"number": 80}}, "weight": 100}],
    }
    spec = {"hosts": hosts, "gateways": _GATEWAYS, "http": [http]}
    return new(VIRTUAL_SERVICE, meta["name"], meta["namespace"], owner=isvc, labels=labels_of(isvc), spec=spec)


def status(isvc: Object, ksvc: Object, now: str) -> Object:
    """status.conditions, and the addresses once there is a way to them."""
    meta = isvc["metadata"]
    made: Object = {"conditions": _conditions(ksvc, now)}
    if any(item["type"] == "IngressReady" and item["status"] == "True" for item in made["conditions"]):
        made["url"] = f"http://{knative.external(meta['name'], meta['namespace'])}"
        made["address"] = {"url": f"http://{meta['name']}.{meta['namespace']}.svc.cluster.local"}
    return made


def _conditions(ksvc: Object, now: str) -> list[Condition]:
    current = ksvc if knative.is_current(ksvc) else None
    predictor_ready = knative.copied("PredictorReady", current, "Ready", now)
    if is_true(current, "RoutesReady"):
        ingress = condition("IngressReady", True, now=now)
    else:
        ingress = condition("IngressReady", "Unknown", "Predictor ingress not created", now=now)
    informational = [
        knative.copied("PredictorConfigurationReady", current, "ConfigurationsReady", now),
        knative.copied("LatestDeploymentReady", current, "ConfigurationsReady", now),
        knative.copied("PredictorRouteReady", current, "RoutesReady", now),
        knative.copied("RoutesReady", current, "RoutesReady", now),
        condition("Stopped", False, now=now),
    ]
    return [*({**item, "severity": "Info"} for item in informational), *knative.ready([predictor_ready, ingress], now)]
