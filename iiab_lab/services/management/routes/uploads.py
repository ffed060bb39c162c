"""Uploads: a model's bytes in, its versions, and the artifacts as KServe's storage initializer fetches them."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from ..errors import Refused
from ..registry.address import PREFIX
from ..registry.multipart import receive
from .common import Lab, Namespace, Who
from .models import Name

router = APIRouter()
PATH = re.compile("/api/models/[^/]+/upload")
_FORM = {
    "schema": {"type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}}}
}
_RAW = {"schema": {"type": "string", "format": "binary"}}
_BODY = {"requestBody": {"content": {"multipart/form-data": _FORM, "application/octet-stream": _RAW}}}
_TYPES = {".tar": "application/x-tar"}
Segment = Annotated[str, Path(max_length=253)]


@router.post("/api/models/{model}/upload", status_code=201, tags=["models"], openapi_extra=_BODY)
async def upload(
    model: Name,
    request: Request,
    who: Who,
    lab: Lab,
    namespace: Namespace = "",
    framework: Annotated[str, Query(max_length=63)] = "",
    sha256: Annotated[str, Query(max_length=71)] = "",
) -> dict[str, Any]:
    """`framework`, `sha256` and `namespace` may be fields of the form too. The model is made, or gets a new revision."""
    registry = lab.registry
    to = await run_in_threadpool(registry.destination, who, model, namespace)
    with registry.incoming() as incoming:
        fields = await receive(request, incoming, registry.limits.upload)
        if fields.get("namespace", namespace) != namespace:
            to = await run_in_threadpool(registry.destination, who, model, fields["namespace"])
        said = _digest(fields.get("sha256") or sha256 or _header(request))
        wanted = fields.get("framework") or framework
        version = await run_in_threadpool(registry.publish, who, to, incoming, wanted, said)
    return {"message": "Model uploaded successfully", "name": to.model, "namespace": to.namespace, **version}


@router.get("/api/models/{model}/versions", tags=["models"])
def versions(model: Name, who: Who, lab: Lab, namespace: Namespace = "") -> dict[str, Any]:
    found = lab.registry.listed(lab.models.find(who, model, namespace))
    return {"versions": found, "total": len(found)}


@router.delete("/api/models/{model}/versions/{version}", tags=["models"])
def delete(
    model: Name, version: Annotated[int, Path(ge=1)], who: Who, lab: Lab, namespace: Namespace = ""
) -> dict[str, Any]:
    lab.registry.delete(lab.models.find(who, model, namespace), version)
    return {"message": "Version deleted successfully", "name": model, "version": version}


@router.get(PREFIX + "/{namespace}/{artifact}/{code}/{file}", include_in_schema=False)
def artifact(namespace: Segment, artifact: Segment, code: Segment, file: Segment, lab: Lab) -> FileResponse:
    """Whoever knows the address may have it; KServe unpacks by the type."""
    suffix = file[file.rfind(".") :]
    return FileResponse(
        lab.registry.file(namespace, artifact, code, file), media_type=_TYPES.get(suffix, "application/octet-stream")
    )


def _header(request: Request) -> str:
    """X-Content-SHA256, Repr-Digest or Content-Digest (RFC 9530: sha-256=:BASE64:), or Digest (RFC 3230: SHA-256=BASE64)."""
    if plain := request.headers.get("x-content-sha256"):
        return plain
    for name in ("digest", "repr-digest", "content-digest"):
        # A form's own digest would be of the whole body, which nobody computes: it is taken as the file's.
        if found := re.search(r"sha-256=:?([A-Za-z0-9+/]{43}=)", request.headers.get(name, ""), re.IGNORECASE):
            try:
                return base64.b64decode(found[1], validate=True).hex()
            except binascii.Error:
                break
    return ""


def _digest(said: str) -> str:
    """64 hexadecimal digits, with or without `sha256:` before them."""
    found = said.lower().removeprefix("sha256:")
    if found and not re.fullmatch("[0-9a-f]{64}", found):
        raise Refused(400, "Validation failed", "sha256: must be 64 hexadecimal digits")
    return found
