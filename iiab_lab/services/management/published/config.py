"""The body of a publish request → a checked configuration; every wrong field is named. Field names are the original's."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, Field, StrictBool, StrictInt

from ..errors import Refused

HOSTNAME = "api.router.inference-in-a-box"
# Names of the platform itself: nobody publishes there.
RESERVED = (
    "identity.inference-in-a-box",
    "management.inference-in-a-box",
    "metrics.inference-in-a-box",
    "prometheus.inference-in-a-box",
    "localhost",
)
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_MOST, _OVERLAP = 1_000_000_000, 86_400
_ISSUERS = 16  # of one SecurityPolicy, the owner's among them

Cause = tuple[str, str]


class RateLimiting(BaseModel):
    """Requests of one key, or of one tenant's tokens. `burstLimit` is what may come on top within a minute."""

    requestsPerMinute: StrictInt = 100
    requestsPerHour: StrictInt = 5000
    burstLimit: StrictInt = 0
    tokensPerHour: StrictInt = 0


class Authentication(BaseModel):
    requireApiKey: StrictBool = True
    allowedTenants: list[str] = Field(default_factory=list)


class Config(BaseModel):
    """`overlapSeconds`: how long a path or hostname that is replaced goes on working."""

    tenantId: str
    modelType: str = ""
    externalPath: str = ""
    publicHostname: str = HOSTNAME
    rateLimiting: RateLimiting = Field(default_factory=RateLimiting)
    authentication: Authentication = Field(default_factory=Authentication)
    metadata: dict[str, str] = Field(default_factory=dict)
    overlapSeconds: StrictInt = 60


class Publish(BaseModel):
    config: Config


class Change(BaseModel):
    """Of an update: what it leaves out stays."""

    config: dict[str, Any]


def merged(before: Config, change: dict[str, Any]) -> Config:
    """A published configuration with what an update says; raises 400 as for a new one."""
    said = before.model_dump()
    for name, value in change.items():
        nested = isinstance(said.get(name), dict) and isinstance(value, dict) and name != "metadata"
        said[name] = {**said[name], **value} if nested else value
    return Config.model_validate(said)


def require_valid(config: Config, detected: str, tenants: dict[str, str]) -> None:
    """`detected`: the model's own type; `tenants`: those there are. Raises 400 with every cause."""
    causes = [*_limits(config.rateLimiting), *_path(config.externalPath), *hostname(config.publicHostname)]
    causes += list(_type(config.modelType, detected))
    if not config.authentication.requireApiKey:
        causes.append(("authentication.requireApiKey", "must be true: a published model is never open"))
    unknown = sorted(set(config.authentication.allowedTenants) - set(tenants))
    if unknown:
        causes.append(("authentication.allowedTenants", f"there is no tenant {', '.join(unknown)}"))
    if len(set(config.authentication.allowedTenants) - {config.tenantId}) >= _ISSUERS:
        causes.append(
            ("authentication.allowedTenants", f"the edge trusts {_ISSUERS - 1} beside the owner on one route")
        )
    if not 0 <= config.overlapSeconds <= _OVERLAP:
        causes.append(("overlapSeconds", f"must be from 0 to {_OVERLAP}"))
    if sum(len(key) + len(value) for key, value in config.metadata.items()) > 16_384:
        causes.append(("metadata", "must not be more than 16 KiB"))
    if causes:
        raise Refused(400, "Validation failed", "; ".join(f"{field}: {message}" for field, message in causes))


def _limits(limits: RateLimiting) -> Iterator[Cause]:
    for name in ("requestsPerMinute", "requestsPerHour"):
        if not 0 < getattr(limits, name) <= _MOST:
            yield f"rateLimiting.{name}", f"must be from 1 to {_MOST}"
    if limits.requestsPerMinute > limits.requestsPerHour:
        yield "rateLimiting.requestsPerMinute", "must not be more than requestsPerHour"
    if not 0 <= limits.burstLimit <= _MOST:
        yield "rateLimiting.burstLimit", f"must be from 0 to {_MOST}"
    if limits.tokensPerHour:
        yield "rateLimiting.tokensPerHour", "tokens are not counted yet, so a limit on them is refused; leave it out"


def _path(path: str) -> Iterator[Cause]:
    if path and (not _PATH.fullmatch(path) or len(path) > 1024 or any(p in (".", "..") for p in path.split("/"))):
        yield "externalPath", "must begin with / and hold letters, digits, '-', '.', '_' and '~' between slashes"


def _type(wanted: str, detected: str) -> Iterator[Cause]:
    if wanted and wanted not in ("traditional", "openai"):
        yield "modelType", "must be traditional or openai"
    elif wanted and wanted != detected:
        yield "modelType", f"the model is {detected}"


def hostname(name: str) -> Iterator[Cause]:
    """RFC 1123, not an address, not the platform's own."""
    labels = name.split(".")
    if "://" in name or "/" in name or ":" in name:
        yield "publicHostname", "must be a name alone, without scheme, port and path"
    elif len(name) > 253 or any(len(label) > 63 or not _LABEL.fullmatch(label) for label in labels) or "--" in name:
        yield "publicHostname", "must be lower-case labels of letters, digits and '-', of at most 63 characters each"
    elif name in RESERVED or name.endswith((".svc", ".cluster.local", ".localhost", ".models.inference-in-a-box")):
        yield "publicHostname", "is a name of the platform's own"
    elif len(labels) < 2 or _is_address(name):
        yield "publicHostname", "must be a fully qualified name"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
