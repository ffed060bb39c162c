"""Models: create, look at, change, delete, call, read the logs of."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from ..models import FRAMEWORKS, ModelBody, answer, info
from ..platform import POD
from ..predict import PredictBody
from .common import Lab, Namespace, Paging, Who, page

router = APIRouter(prefix="/api", tags=["models"])
Name = Annotated[str, Path(max_length=253)]
_SERVER = "kserve-container"


@router.get("/frameworks")
def frameworks(lab: Lab) -> dict[str, Any]:
    served = set(lab.models.formats())
    listed = [{"name": name, "available": name in served} for name in FRAMEWORKS]
    return {"frameworks": listed, "confinement": lab.registry.confinement}


@router.get("/models")
def listed(
    who: Who, lab: Lab, paging: Paging, namespace: Namespace = "", framework: str = "", ready: bool | None = None
) -> dict[str, Any]:
    found = [info(obj) for obj in lab.models.listed(who, namespace)]
    found = [one for one in found if framework in ("", one["framework"]) and ready in (None, one["ready"])]
    return {"models": page(found, paging), "total": len(found)}


@router.post("/models", status_code=201)
def create(body: ModelBody, who: Who, lab: Lab) -> dict[str, Any]:
    return answer("Model created successfully", lab.models.create(who, body))


@router.get("/models/{model}")
def one(model: Name, who: Who, lab: Lab, namespace: Namespace = "") -> dict[str, Any]:
    found = lab.models.find(who, model, namespace)
    return info(found) | {"spec": found["spec"], "fullStatus": found.get("status") or {}}


@router.put("/models/{model}")
def update(model: Name, body: ModelBody, who: Who, lab: Lab, namespace: Namespace = "") -> dict[str, Any]:
    return answer("Model updated successfully", lab.models.update(who, model, body, namespace))


@router.delete("/models/{model}")
def delete(model: Name, who: Who, lab: Lab, namespace: Namespace = "") -> dict[str, Any]:
    gone = lab.models.delete(who, model, namespace)
    lab.registry.collect(gone["metadata"]["namespace"])
    return answer("Model deleted successfully", gone)


@router.post("/models/{model}/predict")
def predict(model: Name, body: PredictBody, who: Who, lab: Lab, namespace: Namespace = "") -> Any:
    wanted = namespace or (body.connectionSettings.namespace if body.connectionSettings else "")
    return lab.predictor.predict(who, lab.models.find(who, model, wanted), body)


@router.get("/models/{model}/logs")
def logs(
    model: Name, who: Who, lab: Lab, namespace: Namespace = "", lines: Annotated[int, Query(ge=1, le=10_000)] = 100
) -> dict[str, list[str]]:
    """Of every Pod of the model, the latest lines of each."""
    found = lab.models.find(who, model, namespace)["metadata"]
    pods = lab.platform.list(POD, found["namespace"], f"serving.kserve.io/inferenceservice={found['name']}")
    said: list[str] = []
    for pod in pods:
        said += lab.platform.logs(pod["metadata"]["name"], found["namespace"], _SERVER, lines).splitlines()
    return {"logs": said}
