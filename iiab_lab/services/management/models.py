"""InferenceServices ⇄ models as the API shows them. What KServe would not serve is refused before anything is written."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, StrictInt

from .callers import Caller, Callers
from .edge import NAMESPACE
from .errors import Refused
from .platform import CONFIG_MAP, MODEL, RUNTIME, Kind, Object, Platform, condition
from .published.objects import metadata_name, tenant_door

TRADITIONAL, OPENAI = "traditional", "openai"
# The original's frameworks; which of them have a server here, the platform's runtimes say.
FRAMEWORKS = ("sklearn", "tensorflow", "pytorch", "onnx", "xgboost")
_OPENAI_FORMATS = ("huggingface", "vllm")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?")
_SCHEMES = ("pvc", "gs", "s3", "https", "http", "hf")
_MOST_REPLICAS = 100


class ModelBody(BaseModel):
    """Of a create; an update may leave out what stays. Anything else in the body is not looked at."""

    name: str = ""
    framework: str = ""
    storageUri: str = ""
    minReplicas: StrictInt | None = None
    maxReplicas: StrictInt | None = None
    scaleTarget: StrictInt | None = None
    scaleMetric: str = ""
    namespace: str = ""


class Models:
    def __init__(
        self,
        platform: Platform,
        callers: Callers,
        default_namespace: str,
        is_uploaded: Callable[[str, str], bool] = lambda uri, namespace: False,
    ) -> None:
        """`default_namespace` is where an admin's models go that name none; `is_uploaded` tells the one inside address
        that a namespace's models may name: the registry's, of their own uploads."""
        self._platform, self._callers, self._default = platform, callers, default_namespace
        self._is_uploaded = is_uploaded

    def namespaces(self, caller: Caller, wanted: str = "") -> list[str]:
        """Those the caller sees; a tenant its own, whatever it asks for."""
        if not caller.is_admin:
            return [caller.namespace]
        known = sorted(self._callers.tenants().values())
        return [wanted] if wanted in known else [] if wanted else known

    def find(self, caller: Caller, name: str, namespace: str = "") -> Object:
        """Raises 404, and 409 where an admin's name alone fits several tenants' models."""
        found = [o for ns in self.namespaces(caller, namespace) if (o := self._platform.get(MODEL, name, ns))]
        if not found:
            raise Refused(404, "Model not found", f"there is no model {name}; see GET /api/models")
        if len(found) > 1:
            places = ", ".join(obj["metadata"]["namespace"] for obj in found)
            raise Refused(409, "Several tenants have a model of this name", f"add ?namespace= with one of: {places}")
        return found[0]

    def listed(self, caller: Caller, namespace: str = "") -> list[Object]:
        return [obj for ns in self.namespaces(caller, namespace) for obj in self._platform.list(MODEL, ns)]

    def create(self, caller: Caller, body: ModelBody) -> Object:
        if not (body.name and body.framework and body.storageUri):
            raise Refused(400, "Missing required fields: name, framework, storageUri", "send all three")
        namespace = self._target(caller, body.namespace)
        self._require(body, namespace)
        if self._platform.get(MODEL, body.name, namespace):
            raise Refused(409, "Model already exists", "change it: PUT /api/models/" + body.name)
        return self._platform.create(_manifest(body, namespace))

    def update(self, caller: Caller, name: str, body: ModelBody, namespace: str = "") -> Object:
        """What the body leaves out stays; a change of the model's source makes a new revision."""
        before = self.find(caller, name, namespace or body.namespace)
        wanted = _completed(body.model_copy(update={"name": name}), before)
        self._require(wanted, before["metadata"]["namespace"])
        made = _manifest(wanted, before["metadata"]["namespace"])
        spec = {**before["spec"], "predictor": {**before["spec"]["predictor"], **made["spec"]["predictor"]}}
        return self._platform.replace({**before, "spec": spec})

    def delete(self, caller: Caller, name: str, namespace: str = "") -> Object:
        found = self.find(caller, name, namespace)
        namespace = found["metadata"]["namespace"]
        if self._platform.get(CONFIG_MAP, metadata_name(name), namespace):
            raise Refused(409, "Model is published", f"unpublish it first: DELETE /api/models/{name}/publish")
        for door in tenant_door(name, namespace, ""):
            self._platform.delete(Kind(door["apiVersion"], door["kind"]), door["metadata"]["name"], NAMESPACE)
        self._platform.delete(MODEL, name, namespace)
        return found

    def place(self, caller: Caller, name: str, namespace: str = "") -> str:
        """Where a model of this name is, or is to be made; raises 400, and 409 where an admin has to say."""
        if wrong := list(_wrong(ModelBody(name=name))):
            raise Refused(400, "Validation failed", "; ".join(wrong))
        try:
            return str(self.find(caller, name, namespace)["metadata"]["namespace"])
        except Refused as refused:
            if refused.status != 404:
                raise
        return self._target(caller, namespace)

    def _target(self, caller: Caller, wanted: str) -> str:
        if not caller.is_admin:
            return caller.namespace
        namespace = wanted or self._default
        if namespace not in self._callers.tenants().values():
            raise Refused(400, f"{namespace} is no tenant's namespace", "see GET /api/admin/tenants")
        return namespace

    def _require(self, body: ModelBody, namespace: str) -> None:
        framework = body.framework
        if framework not in FRAMEWORKS:
            raise Refused(400, f"Unsupported framework. Supported: {', '.join(FRAMEWORKS)}", f"not {framework}")
        served = self.formats()
        if framework not in served:
            raise Refused(
                400, f"No model server for {framework} is installed", f"there is one for: {', '.join(served)}"
            )
        uploaded = self._is_uploaded(body.storageUri, namespace)
        wrong = [*_wrong(body), *(() if uploaded else _wrong_uri(body.storageUri))]
        if wrong:
            raise Refused(400, "Validation failed", "; ".join(wrong))

    def formats(self) -> list[str]:
        """The model formats that the platform's runtimes serve."""
        runtimes = self._platform.list(RUNTIME)
        return sorted({f["name"] for r in runtimes for f in r["spec"].get("supportedModelFormats") or ()})


def format_of(model: Object) -> str:
    return str(((model["spec"]["predictor"].get("model") or {}).get("modelFormat") or {}).get("name", ""))


def type_of(model: Object) -> str:
    """How the model is called: KServe's prediction protocol, or OpenAI's."""
    return OPENAI if format_of(model) in _OPENAI_FORMATS else TRADITIONAL


def is_ready(model: Object) -> bool:
    return condition(model, "Ready").get("status") == "True"


def is_serving(model: Object) -> bool:
    """Ready, or on an earlier revision while a newer one does not get ready."""
    states = ((model.get("status") or {}).get("modelStatus") or {}).get("states") or {}
    return is_ready(model) or states.get("activeModelState") == "Loaded"


def info(model: Object) -> Object:
    """The original's ModelInfo."""
    meta, status = model["metadata"], model.get("status") or {}
    failure = (status.get("modelStatus") or {}).get("lastFailureInfo") or {}
    ready = is_ready(model)
    details = {
        "ready": ready,
        "phase": "Ready" if ready else "Failed" if failure else "Pending",
        "url": status.get("url", ""),
        "observedGeneration": status.get("observedGeneration", 0),
        "conditions": status.get("conditions") or [],
        "components": status.get("components") or {},
        "modelCopies": (status.get("modelStatus") or {}).get("copies") or {},
        "error": failure.get("message", ""),
    }
    return {
        "name": meta["name"],
        "namespace": meta["namespace"],
        "framework": format_of(model),
        "modelType": type_of(model),
        "status": details["phase"],
        "ready": ready,
        "url": details["url"],
        "predictor": model["spec"]["predictor"],
        "createdAt": meta["creationTimestamp"],
        "statusDetails": details,
    }


def answer(message: str, model: Object) -> Object:
    predictor, meta = model["spec"]["predictor"], model["metadata"]
    config = {
        "framework": format_of(model),
        "storageUri": (predictor.get("model") or {}).get("storageUri", ""),
        **{name: predictor.get(name) for name in ("minReplicas", "maxReplicas", "scaleTarget", "scaleMetric")},
    }
    return {"message": message, "name": meta["name"], "namespace": meta["namespace"], "config": config}


def _manifest(body: ModelBody, namespace: str) -> Object:
    model = {"modelFormat": {"name": body.framework}, "storageUri": body.storageUri}
    given: dict[str, Any] = {
        "minReplicas": 1 if body.minReplicas is None else body.minReplicas,
        "maxReplicas": body.maxReplicas,
        "scaleTarget": body.scaleTarget,
        "scaleMetric": body.scaleMetric or None,
    }
    predictor = {name: value for name, value in given.items() if value is not None} | {"model": model}
    return {
        "apiVersion": MODEL.api_version,
        "kind": MODEL.kind,
        "metadata": {
            "name": body.name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "management"},
        },
        "spec": {"predictor": predictor},
    }


def _completed(body: ModelBody, before: Object) -> ModelBody:
    predictor = before["spec"]["predictor"]
    known = {
        "framework": format_of(before),
        "storageUri": (predictor.get("model") or {}).get("storageUri", ""),
        **{
            name: predictor[name]
            for name in ("minReplicas", "maxReplicas", "scaleTarget", "scaleMetric")
            if name in predictor
        },
    }
    said = {name: value for name, value in body.model_dump().items() if value not in ("", None)}
    return ModelBody(**(known | said))


def _wrong(body: ModelBody) -> Iterable[str]:
    least, most = body.minReplicas, body.maxReplicas
    if not _NAME.fullmatch(body.name):
        yield "name: must be at most 52 lower-case letters, digits and '-', and begin and end with one of the former"
    for name, value in (("minReplicas", least), ("maxReplicas", most), ("scaleTarget", body.scaleTarget)):
        if value is not None and not (0 if name == "minReplicas" else 1) <= value <= (
            _MOST_REPLICAS if "R" in name else 10**6
        ):
            yield f"{name}: {value} is out of range"
    if least is not None and most is not None and least > most:
        yield "minReplicas: must not be more than maxReplicas"
    if body.scaleMetric not in ("", "concurrency", "rps", "cpu", "memory"):
        yield "scaleMetric: must be concurrency, rps, cpu or memory"


def _wrong_uri(uri: str) -> Iterable[str]:
    """No address of this machine, its network or its metadata service; no file."""
    parts = urlsplit(uri)
    if parts.scheme not in _SCHEMES or not parts.netloc:
        yield f"storageUri: must begin with one of {', '.join(f'{scheme}://' for scheme in _SCHEMES)}"
    elif ".." in parts.path.split("/"):
        yield "storageUri: must not contain '..'"
    elif parts.scheme in ("http", "https") and is_inside(parts.hostname or ""):
        yield "storageUri: names an address inside the platform; use pvc://CLAIM/PATH, or upload the model"


def is_inside(host: str) -> bool:
    """Loopback, private, link-local and metadata addresses, however they are written, and the platform's own names."""
    name = host.rstrip(".").lower()
    if name in ("localhost", "metadata", "kubernetes") or ("." not in name and ":" not in name):
        return True
    if name.endswith((".localhost", ".local", ".internal", ".svc", ".inference-in-a-box")):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return bool(re.fullmatch(r"[0-9a-fx.]+", name))  # 0x7f.1, 127.1, 2130706433: addresses in disguise
    return not address.is_global
