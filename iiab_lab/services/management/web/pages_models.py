"""Models: the list, one model with its conditions, revisions, logs and a form to try it; create, change, delete."""

from __future__ import annotations

import json
import time
from typing import Any

from fastapi import APIRouter, Response
from pydantic import ValidationError

from ..errors import Refused
from ..models import FRAMEWORKS, ModelBody, answer, info
from ..platform import Kind, Object, condition
from ..predict import PredictBody
from ..published.documentation import EXAMPLE
from ..registry.address import artifact_of
from ..routes.models import delete as delete_model
from ..routes.models import logs
from .forms import Filled, filled
from .visit import Posted, Signed, Visit

router = APIRouter()
REVISION = Kind("serving.knative.dev/v1", "Revision")
_FIELDS = ("name", "namespace", "framework", "storageUri", "minReplicas", "maxReplicas", "scaleTarget", "scaleMetric")
_WHOLE, _LINES = ("minReplicas", "maxReplicas", "scaleTarget"), 40


@router.get("/models")
def listed(visit: Signed) -> Response:
    found = [_row(obj) for obj in visit.lab.models.listed(visit.who)]
    published = {(one.namespace, one.model) for one in visit.lab.publisher.listed(visit.who)}
    return visit.page("models.html", models=found, published=published)


@router.get("/models/new")
def asked(visit: Signed) -> Response:
    return _form(visit, Filled({"namespace": "", "framework": "sklearn", "minReplicas": "1"}))


@router.post("/models/new")
def create(visit: Signed, form: Posted) -> Response:
    given = filled(form, *_FIELDS)
    try:
        body = _body(given)
        if given.wrong:
            return _form(visit, given, 400)
        made = visit.lab.models.create(visit.who, body)
    except (Refused, ValidationError) as error:
        return _form(visit, given.refuse(error), getattr(error, "status", 400))
    meta = made["metadata"]
    return visit.go(
        "models", meta["namespace"], meta["name"], done=f"{meta['name']} is created. It is ready in seconds."
    )


@router.get("/models/{namespace}/{name}")
def one(namespace: str, name: str, visit: Signed) -> Response:
    return _shown(visit, namespace, name, Filled({"input": json.dumps(EXAMPLE)}))


@router.post("/models/{namespace}/{name}/predict")
def predict(namespace: str, name: str, visit: Signed, form: Posted) -> Response:
    given, model = filled(form, "input"), visit.model(namespace, name)
    data, result = given.data("input"), None
    if not given.wrong:
        began = time.perf_counter()
        try:
            said = visit.lab.predictor.predict(visit.who, model, PredictBody(inputData=data))
            result = (_readable(said), round((time.perf_counter() - began) * 1e3, 1))
        except Refused as refused:
            given.errors["input"] = f"{refused.error}: {refused.details}"
    return _shown(visit, namespace, name, given, result, 400 if given.wrong else 200)


@router.get("/models/{namespace}/{name}/edit")
def edited(namespace: str, name: str, visit: Signed) -> Response:
    said = answer("", visit.model(namespace, name))
    known = {key: "" if value is None else str(value) for key, value in said["config"].items()}
    if artifact_of(known["storageUri"]):  # it opens the file to whoever reads it; left out, it stays
        known["storageUri"] = ""
    return _form(visit, Filled(known | {"name": name, "namespace": namespace}), name=name)


@router.post("/models/{namespace}/{name}/edit")
def update(namespace: str, name: str, visit: Signed, form: Posted) -> Response:
    given = filled(form, *_FIELDS)
    given.values |= {"name": name, "namespace": namespace}
    visit.model(namespace, name)
    try:
        body = _body(given)
        if given.wrong:
            return _form(visit, given, 400, name)
        visit.lab.models.update(visit.who, name, body, namespace)
    except (Refused, ValidationError) as error:
        return _form(visit, given.refuse(error), getattr(error, "status", 400), name)
    return visit.go("models", namespace, name, done=f"{name} is changed.")


@router.get("/models/{namespace}/{name}/delete")
def doomed(namespace: str, name: str, visit: Signed) -> Response:
    visit.model(namespace, name)
    question, why = f"Delete {name}?", "Its server stops and its revisions are gone. Files on its volume stay."
    back = f"/ui/models/{namespace}/{name}"
    return visit.page("confirm.html", question=question, why=why, verb="Delete the model", back=back)


@router.post("/models/{namespace}/{name}/delete")
def delete(namespace: str, name: str, visit: Signed, form: Posted) -> Response:
    visit.model(namespace, name)
    delete_model(name, visit.who, visit.lab, namespace)
    return visit.go("models", done=f"{name} is deleted.")


def _shown(
    visit: Visit, namespace: str, name: str, form: Filled, result: tuple[str, float] | None = None, status: int = 200
) -> Response:
    model = visit.model(namespace, name)
    found = visit.lab.platform.list(REVISION, namespace, f"serving.kserve.io/inferenceservice={name}")
    published = any(one.model == name for one in visit.lab.publisher.within(namespace))
    said = _logs(visit, namespace, name)
    known = {"model": _row(model), "conditions": info(model)["statusDetails"]["conditions"], "said": said}
    revisions = [_revision(model, obj) for obj in found][::-1]
    known |= {
        "versions": visit.lab.registry.listed(model),
        "revisions": revisions,
        "published": published,
        "result": result,
        "form": form,
    }
    return visit.page("model.html", status, **known)


def _logs(visit: Visit, namespace: str, name: str) -> list[str]:
    """A server that is only starting has none, and that is worth a line, not an error."""
    try:
        return logs(name, visit.who, visit.lab, namespace, _LINES)["logs"][-_LINES:]
    except Refused as refused:
        return [refused.details or refused.error]


def _form(visit: Visit, form: Filled, status: int = 200, name: str = "") -> Response:
    served = set(visit.lab.models.formats())
    spaces = visit.lab.models.namespaces(visit.who)
    frameworks = [(framework, framework in served) for framework in FRAMEWORKS]
    return visit.page("model_form.html", status, form=form, name=name, frameworks=frameworks, namespaces=spaces)


def _body(given: Filled) -> ModelBody:
    numbers = {name: given.whole(name) for name in _WHOLE}
    words = {name: given[name] for name in _FIELDS if name not in _WHOLE}
    return ModelBody(**words, **numbers)  # type: ignore[arg-type]


def _readable(said: Any) -> str:
    """On one line what fits there."""
    text = json.dumps(said)
    return text if len(text) <= 80 else json.dumps(said, indent=2)


def _row(model: Object) -> dict[str, Any]:
    made = info(model)
    details = made["statusDetails"]
    predictor = details["components"].get("predictor") or {}
    config = answer("", model)["config"]
    why: Object = next((one for one in details["conditions"] if one["type"] == "Ready" and one.get("message")), {})
    return (
        made
        | config
        | {
            "why": details["error"] or why.get("message", ""),
            "traffic": [(one.get("revisionName", ""), one.get("percent", 0)) for one in predictor.get("traffic") or ()],
            "copies": details["modelCopies"].get("totalCopies", 0),
        }
    )


def _revision(model: Object, obj: Object) -> dict[str, Any]:
    meta, status = obj["metadata"], obj.get("status") or {}
    shares = dict(_row(model)["traffic"])
    ready = condition(obj, "Ready")
    return {
        "name": meta["name"],
        "created": meta["creationTimestamp"],
        "percent": shares.get(meta["name"], 0),
        "ready": ready.get("status", "Unknown"),
        "why": ready.get("message", "") or ready.get("reason", ""),
        "replicas": status.get("actualReplicas", 0),
    }
