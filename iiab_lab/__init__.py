"""Inference-in-a-Box Lab: the names a notebook imports.

Everything heavy is imported on first use, so that the command line starts at once.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

# jsonschema, which papermill, nbformat and Plotly's widgets load, imports this parser of international resource
# identifiers if it is there (Jupyter's event system installs it) and spends 1.3 s compiling its grammar. Nothing here has
# such a field, and jsonschema goes on without it. It reads no setting that would leave it out.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

if TYPE_CHECKING:
    from .audit import audit, controls, verify_audit
    from .errors import LabError
    from .follow import stop_all
    from .mesh_access import who_may_call
    from .models.by_hand import train_tree
    from .models.iris import split
    from .plots.autoscaling import watch
    from .plots.live import show
    from .plots.prometheus import Prometheus
    from .plots.rollout import course, watch_rollout
    from .plots.usage import usage, usage_chart
    from .renewal import renew, rotate_ca
    from .rollout.ab import ab
    from .rollout.criteria import Criterion
    from .rollout.driver import Rollout
    from .rollout.shadow import agreement
    from .rollout.share import shares
    from .rollout.steps import STEPS, Step, exposed_requests
    from .scenarios import Report, find
    from .scenarios.hops import timeline, trace
    from .scenarios.publishing import hits
    from .scenarios.security.catalogue import attack
    from .scenarios.security.figures import DENIALS
    from .scenarios.security.tampering import tampered_audit
    from .scenarios.served import Served
    from .scenarios.tenancy.matrix import isolation
    from .start import plan, preflight, up
    from .target import Target
    from .tenants import add_tenant, export_tenant, import_tenant, remove_tenant, tenants
    from .traffic.client import InferenceClient
    from .traffic.feedback import Feedback
    from .traffic.identity import claims, token
    from .traffic.load.bounds import Bounds
    from .traffic.load.call import Call
    from .traffic.load.handle import Load, load
    from .traffic.load.phases import Phase
    from .traffic.management import Management
    from .view import apply, kubectl, proxy_file, proxy_files, source
    from .what_if import what_if
    from .widgets.health import health
    from .widgets.load import load_panel

_WHERE = {
    "Bounds": ".traffic.load.bounds",
    "Call": ".traffic.load.call",
    "Criterion": ".rollout.criteria",
    "DENIALS": ".scenarios.security.figures",
    "Feedback": ".traffic.feedback",
    "InferenceClient": ".traffic.client",
    "LabError": ".errors",
    "Load": ".traffic.load.handle",
    "Management": ".traffic.management",
    "Phase": ".traffic.load.phases",
    "Prometheus": ".plots.prometheus",
    "Report": ".scenarios",
    "Rollout": ".rollout.driver",
    "Served": ".scenarios.served",
    "STEPS": ".rollout.steps",
    "Step": ".rollout.steps",
    "Target": ".target",
    "ab": ".rollout.ab",
    "add_tenant": ".tenants.lives",
    "agreement": ".rollout.shadow",
    "apply": ".view",
    "attack": ".scenarios.security.catalogue",
    "audit": ".audit",
    "claims": ".traffic.identity",
    "controls": ".audit",
    "course": ".plots.rollout",
    "export_tenant": ".tenants.carry",
    "exposed_requests": ".rollout.steps",
    "find": ".scenarios",
    "health": ".widgets.health",
    "hits": ".scenarios.publishing",
    "isolation": ".scenarios.tenancy.matrix",
    "import_tenant": ".tenants.carry",
    "kubectl": ".view",
    "load": ".traffic.load.handle",
    "load_panel": ".widgets.load",
    "plan": ".start",
    "preflight": ".start",
    "proxy_file": ".view",
    "proxy_files": ".view",
    "remove_tenant": ".tenants.lives",
    "renew": ".renewal",
    "rotate_ca": ".renewal",
    "shares": ".rollout.share",
    "show": ".plots.live",
    "source": ".view",
    "split": ".models.iris",
    "stop_all": ".follow",
    "tampered_audit": ".scenarios.security.tampering",
    "tenants": ".tenants.lives",
    "timeline": ".scenarios.hops",
    "token": ".traffic.identity",
    "train_tree": ".models.by_hand",
    "trace": ".scenarios.hops",
    "up": ".start",
    "usage": ".plots.usage",
    "usage_chart": ".plots.usage",
    "verify_audit": ".audit",
    "watch": ".plots.autoscaling",
    "watch_rollout": ".plots.rollout",
    "what_if": ".what_if",
    "who_may_call": ".mesh_access",
}
__all__ = [*_WHERE]


class _Names(ModuleType):
    """Where a module and what it holds have one name, it is what it holds: importing `iiab_lab.audit` leaves `audit` a function."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _WHERE and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Names


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_WHERE[name], __name__), name)
    globals()[name] = found
    return found
