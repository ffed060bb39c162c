"""The admin's view of the platform."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from ..withdrawal import withdraw
from .common import Admin, Lab

router = APIRouter(prefix="/api/admin", tags=["admin"])


class Command(BaseModel):
    command: str


@router.get("/system")
def system(who: Admin, lab: Lab) -> dict[str, Any]:
    return lab.admin.system()


@router.get("/tenants")
def tenants(who: Admin, lab: Lab) -> dict[str, Any]:
    return lab.admin.tenants()


@router.delete("/tenants/{tenant}")
def withdraw_tenant(tenant: Annotated[str, Path(max_length=63)], who: Admin, lab: Lab) -> dict[str, Any]:
    """What this service made for a tenant goes: publications, models, uploads. The tenant itself is `iiab tenant remove`'s."""
    return withdraw(lab, who, tenant)


@router.get("/resources")
def resources(who: Admin, lab: Lab) -> dict[str, Any]:
    return lab.admin.resources()


@router.get("/ai-gateway-service")
def gateway_service(who: Admin, lab: Lab) -> dict[str, Any]:
    return lab.admin.gateway_service()


@router.get("/logs")
def logs(
    who: Admin,
    lab: Lab,
    component: Annotated[str, Query(max_length=253, description="A Pod, or the beginning of its name.")] = "",
    lines: Annotated[int, Query(ge=1, le=10_000)] = 100,
) -> dict[str, list[str]]:
    return {"logs": lab.admin.logs(component, lines)}


@router.post("/kubectl")
def kubectl(body: Command, who: Admin, lab: Lab) -> dict[str, str]:
    return {"result": lab.admin.kubectl(body.command), "command": body.command}
