"""A name and sizes → every object that makes a tenant: the template beside this file, filled in.

`manifests/tenants/` is written by the same template, so a tenant that is added equals one that was there from the start.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from ..errors import UsageError
from ..kube import Object

FILE = Path(__file__).with_name("template.yaml")
LABEL, QUOTA = "iiab.lab/tenant", "tenant"
# What of the quota each size is.
HARD = {
    "cpu": "requests.cpu",
    "memory": "limits.memory",
    "storage": "requests.storage",
    "models": "count/inferenceservices.serving.kserve.io",
    "published": "count/referencegrants.gateway.networking.k8s.io",
}
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?")
_AMOUNT = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|[KMGT]i|[MGT])?")
# Names that mean the platform, or somebody it believes: namespaces that are there already are refused besides.
_RESERVED = re.compile(r"admin|default|platform|(kube|istio|knative|kserve|cert-manager|envoy-gateway|openshift)(-.*)?")


@dataclass(frozen=True)
class Sizes:
    """A tenant's share: cores that its Pods may ask for, bytes of memory and of volumes, models, published models."""

    cpu: str = "16"
    memory: str = "64Gi"
    storage: str = "20Gi"
    models: int = 50
    published: int = 20

    def changed(self, given: Mapping[str, Any]) -> Sizes:
        """With these in place of its own; raises UsageError for what is no amount."""
        known = {field.name for field in fields(self)}
        for name, value in given.items():
            if name not in known:
                raise UsageError(f"A tenant has no size {name!r}.", f"choose of: {', '.join(sorted(known))}")
            if not _AMOUNT.fullmatch(str(value)) or (isinstance(getattr(self, name), int) and not _is_count(value)):
                raise UsageError(
                    f"{value!r} is no amount of {name}.", "say it as in: cpu 500m or 8, memory 16Gi, models 5"
                )
        return replace(self, **given)

    @classmethod
    def of(cls, quota: Object | None) -> Sizes:
        """As a tenant's ResourceQuota says them; the usual ones where it does not."""
        hard = ((quota or {}).get("spec") or {}).get("hard") or {}
        found: dict[str, Any] = {name: hard[key] for name, key in HARD.items() if key in hard}
        found |= {name: int(found[name]) for name in ("models", "published") if name in found}
        return replace(cls(), **found)


def require_name(name: str) -> str:
    """The name itself; raises UsageError for one that no tenant may have."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name of a tenant.",
            "begin with a letter; then a-z, 0-9 and single hyphens inside; at most 40 characters: team-blue",
        )
    if _RESERVED.fullmatch(name):
        raise UsageError(f"The name {name} is the platform's own.", f"choose another: tenant-{name.partition('-')[0]}")
    return name


def text(name: str, sizes: Sizes) -> str:
    """As YAML, with the comments that say why."""
    return string.Template(FILE.read_text()).substitute(asdict(sizes), tenant=require_name(name))


def objects(name: str, sizes: Sizes) -> list[Object]:
    """In the order in which they are applied; the Namespace is the first."""
    return list(yaml.safe_load_all(text(name, sizes)))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value >= 0
