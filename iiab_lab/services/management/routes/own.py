"""A tenant's own logs and audit trail; the admin's copy of the whole stream."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from ..errors import Refused
from .common import Admin, Lab, Namespace, Who

router = APIRouter(prefix="/api", tags=["own"])


@router.get("/logs")
def logs(
    who: Who,
    lab: Lab,
    pod: Annotated[str, Query(max_length=253, description="A Pod, or the beginning of its name.")] = "",
    namespace: Namespace = "",
    lines: Annotated[int, Query(ge=1, le=10_000)] = 100,
) -> dict[str, list[str]]:
    """Of every container of the caller's Pods, the latest lines of each."""
    return {"logs": lab.trail.logs(lab.models.namespaces(who, namespace), pod, lines)}


@router.get("/audit")
def audit(
    who: Who,
    lab: Lab,
    decision: Literal["", "allowed", "denied", "error"] = "",
    request_id: Annotated[str, Query(max_length=64)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Any:
    """Requests to what is the tenant's, and by the tenant's callers: the newest, oldest first. Of others nothing is named."""
    if who.is_admin:
        raise Refused(
            403, "This is a tenant's view", "the admin reads the whole stream: iiab audit, or GET /api/audit/stream"
        )
    return lab.trail.audit(who, {"decision": decision, "request_id": request_id, "limit": str(limit)})


@router.get("/audit/stream")
def stream(who: Admin, lab: Lab) -> StreamingResponse:
    """Its segments and its head, as tar.gz: what `iiab audit --folder` and `iiab audit verify --folder` read, unpacked."""
    return StreamingResponse(lab.trail.stream(who), media_type="application/gzip")


@router.get("/audit/verdict")
def verdict(who: Admin, lab: Lab) -> Any:
    """Whether every record is as it was written, and the end sealed: by the audit service, which alone has the key."""
    return lab.trail.verdict(who)
