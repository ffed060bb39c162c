"""Publishing: a model's routes, keys and limits at the edge; how it is called; tests through it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field, StrictInt

from ..callers import Caller
from ..errors import Refused
from ..predict import ConnectionSettings, Header, checked
from ..published.config import Change, Publish
from ..published.documentation import documentation
from ..published.publication import Key, Publication
from ..services import Services
from ..usage import stats
from .common import Lab, Namespace, Paging, Who, page
from .models import Name

router = APIRouter(prefix="/api", tags=["publishing"])
_HISTORY = 50


class Rotation(BaseModel):
    keyId: str = ""
    overlapSeconds: StrictInt = 300


class NewKey(BaseModel):
    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$")]
    owner: Annotated[str, Field(max_length=63)] = ""
    requestsPerMinute: Annotated[StrictInt, Field(ge=0, le=10**9)] = 0
    requestsPerHour: Annotated[StrictInt, Field(ge=0, le=10**9)] = 0


class TestBody(BaseModel):
    __test__ = False
    modelName: str
    testData: Any
    customEndpoint: str = ""
    customHeaders: list[Header] = Field(default_factory=list)
    customMethod: str = ""
    useCustomConfig: bool = False
    connectionSettings: ConnectionSettings | None = None


@router.post("/models/{model}/publish")
def publish(model: Name, body: Publish, who: Who, lab: Lab) -> dict[str, Any]:
    """The key in the answer is shown this once."""
    publication, value = lab.publisher.publish(who, model, body.config)
    return {"message": "Model published successfully", "publishedModel": shown(lab, publication) | {"apiKey": value}}


@router.put("/models/{model}/publish")
def update(model: Name, body: Change, who: Who, lab: Lab, namespace: Namespace = "") -> dict[str, Any]:
    publication = lab.publisher.update(who, model, body.config, namespace)
    return {"message": "Published model updated successfully", "publishedModel": shown(lab, publication)}


@router.get("/models/{model}/publish")
def one(model: Name, who: Who, lab: Lab, namespace: Namespace = "") -> dict[str, Any]:
    publication = lab.publisher.find(who, model, namespace)
    return shown(lab, publication) | {"usage": stats(lab.prometheus, publication)}


@router.delete("/models/{model}/publish")
def unpublish(model: Name, who: Who, lab: Lab, namespace: Namespace = "") -> dict[str, Any]:
    publication = lab.publisher.unpublish(who, model, namespace)
    return {
        "message": "Model unpublished successfully",
        "modelName": publication.model,
        "namespace": publication.namespace,
    }


@router.get("/published-models")
def listed(who: Who, lab: Lab, paging: Paging, namespace: Namespace = "") -> dict[str, Any]:
    found = lab.publisher.listed(who, namespace)
    return {"publishedModels": [shown(lab, one) for one in page(found, paging)], "total": len(found)}


@router.get("/models/{model}/publish/documentation")
def documented(model: Name, who: Who, lab: Lab, namespace: Namespace = "") -> dict[str, Any]:
    return documentation(lab.publisher.find(who, model, namespace), lab.edge.public(True))


@router.post("/models/{model}/publish/rotate-key")
def rotate(model: Name, who: Who, lab: Lab, body: Rotation | None = None, namespace: Namespace = "") -> dict[str, Any]:
    wanted = body or Rotation()
    key, value = lab.publisher.rotate(who, model, wanted.keyId, wanted.overlapSeconds, namespace)
    said = {"message": "API key rotated successfully", "newApiKey": value, "keyId": key.id, "updatedAt": key.created}
    return said | {"oldKeyValidForSeconds": wanted.overlapSeconds}


@router.get("/models/{model}/keys")
def keys(model: Name, who: Who, lab: Lab, namespace: Namespace = "") -> dict[str, Any]:
    publication = lab.publisher.find(who, model, namespace)
    return {"keys": [_key(lab, publication, key) for key in publication.keys], "total": len(publication.keys)}


@router.post("/models/{model}/keys", status_code=201)
def add_key(model: Name, body: NewKey, who: Who, lab: Lab, namespace: Namespace = "") -> dict[str, Any]:
    limits = {
        name: value
        for name, value in body.model_dump(include={"requestsPerMinute", "requestsPerHour"}).items()
        if value
    }
    key, value = lab.publisher.add_key(who, model, body.name, body.owner, limits, namespace)
    return {"message": "API key created successfully", "keyId": key.id, "apiKey": value}


@router.delete("/models/{model}/keys/{key_id}")
def revoke(
    model: Name, key_id: Annotated[str, Path(max_length=253)], who: Who, lab: Lab, namespace: Namespace = ""
) -> dict[str, Any]:
    return {"message": "API key revoked successfully", "keyId": lab.publisher.revoke(who, model, key_id, namespace).id}


@router.post("/publish/test/execute")
def execute(body: TestBody, who: Who, lab: Lab) -> dict[str, Any]:
    """A request to a published model, through the gateway, as its callers send it; with the caller's token."""
    host, path, headers = _prepared(lab, who, body)
    result = lab.predictor.execute(host, path, headers, body.testData, body.customMethod or "POST")
    lab.history[who.name] = [result, *lab.history.get(who.name, ())][:_HISTORY]
    return result


@router.post("/publish/test/validate")
def validate(body: TestBody, who: Who, lab: Lab) -> dict[str, Any]:
    try:
        host, path, _ = _prepared(lab, who, body)
    except Refused as refused:
        return {"valid": False, "errors": [f"{refused.error}: {refused.details}".rstrip(": ")]}
    return {"valid": True, "errors": [], "endpoint": f"https://{host}{path}"}


@router.get("/publish/test/history")
def history(who: Who, lab: Lab, paging: Paging) -> dict[str, Any]:
    found = lab.history.get(who.name, [])
    return {"tests": page(found, paging), "total": len(found)}


def shown(lab: Services, publication: Publication) -> dict[str, Any]:
    """The original's PublishedModel, without its key."""
    return {
        "modelName": publication.model,
        "namespace": publication.namespace,
        "tenantId": publication.tenant,
        "modelType": publication.type,
        "externalUrl": publication.url,
        "publicHostname": publication.host,
        "externalPath": publication.path,
        "rateLimiting": publication.config.rateLimiting.model_dump(),
        "authentication": publication.config.authentication.model_dump(),
        "metadata": publication.config.metadata,
        "status": "active",
        "createdAt": publication.created,
        "updatedAt": publication.updated,
        "formerUrls": [f"https://{one.host}{one.path}" for one in publication.former],
        "keys": [_key(lab, publication, key) for key in publication.keys],
        "documentation": documentation(publication, lab.edge.public(True)),
    }


def _key(lab: Services, publication: Publication, key: Key) -> dict[str, Any]:
    """The original's APIKeyMetadata."""
    return {
        "keyId": key.id,
        "name": key.name,
        "owner": key.owner,
        "modelName": publication.model,
        "namespace": publication.namespace,
        "tenantId": publication.tenant,
        "modelType": publication.type,
        "createdAt": key.created,
        "expiresAt": key.expires,
        "lastUsed": lab.last_use.of(key.id),
        "isActive": True,
        "rateLimiting": key.limits,
    }


def _prepared(lab: Services, who: Caller, body: TestBody) -> tuple[str, str, dict[str, str]]:
    publication = lab.publisher.find(who, body.modelName)
    settings = body.connectionSettings or ConnectionSettings()
    host, path, headers = lab.predictor.destination(settings, publication.host, publication.path)
    if body.useCustomConfig:
        headers |= checked(body.customHeaders)
        if body.customEndpoint:
            raise Refused(400, "Validation failed", "customEndpoint: say connectionSettings host and path instead")
    if body.customMethod not in ("", "GET", "POST", "PUT", "DELETE"):
        raise Refused(400, "Validation failed", "customMethod: must be GET, POST, PUT or DELETE")
    if (host, path) == (publication.host, publication.path) and "x-api-key" not in headers:
        headers.setdefault("authorization", f"Bearer {lab.predictor.token(who, publication.namespace)}")
    return host, path, headers
