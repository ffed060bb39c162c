"""Folders of YAML → a ready platform: what to apply in which order, and what to wait for.

The charts folder stands for what Helm installs on a cluster; everything else is `manifests/`, the same files for both
engines. Applying is idempotent, so a second run only waits.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ...assets import manifests
from ...kube import Kube, Object, has_condition
from ..order import ADMIN, AFTER_JOBS, FOLDERS, admin_secret, arrived, ordered

# (step, what it is doing now, or "" when done; a step that never did anything is a finding)
Progress = Callable[[str, str], None]


@dataclass(frozen=True)
class Step:
    name: str
    why: str
    folder: Path


CHARTS = Path(__file__).parent / "charts"

STEPS = (
    Step("charts", "roles, namespaces, tier 2, Prometheus: what Helm installs on a cluster", CHARTS),
    *(Step(name, why, manifests() / name) for name, why in FOLDERS),
)

# The label by which an object's Pods are found, where it has no selector of its own.
_POD_LABEL = {
    "Gateway": "gateway.envoyproxy.io/owning-gateway-name",
    AFTER_JOBS: "serving.kserve.io/inferenceservice",
}


def boot(kube: Kube, progress: Progress, password: str = "", timeout: float = 120) -> None:
    """Applies every step, then waits until everything that can be ready is; NotReady names what is not.

    `password` is the management service's admin's from now on; without one, it is what it was, at first a random one.
    """
    waiting: list[Object] = []
    for step in STEPS:
        progress(step.name, step.why)
        objects = ordered(step.folder)
        late = [obj for obj in objects if obj["kind"] == AFTER_JOBS]
        waiting += _apply(kube, (obj for obj in objects if obj["kind"] != AFTER_JOBS))
        if late:
            _await(kube, [obj for obj in waiting if obj["kind"] == "Job"], timeout)
            waiting += _apply(kube, late)
        if step.folder == CHARTS:
            _admin(kube, password)
        progress(step.name, "")
    for obj in waiting:
        progress("ready", f"waiting for {obj['kind']} {obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}")
        _await(kube, [obj], timeout)
        _await_pod(kube, obj, timeout)
    progress("ready", "")


def rows() -> list[tuple[str, str, str]]:
    """step, why, what it applies."""
    return [
        (step.name, step.why, f"apply {len(ordered(step.folder))} objects of {step.folder.name}/") for step in STEPS
    ]


def _admin(kube: Kube, password: str) -> None:
    """The Secret that the management service compares a sign-in with."""
    if not password and kube.get("v1", "Secret", *ADMIN):
        return
    kube.apply(admin_secret(password or secrets.token_urlsafe(15)))


def _apply(kube: Kube, objects: Iterable[Object]) -> list[Object]:
    """Applies each; returns those worth waiting for."""
    applied = []
    for obj in objects:
        kube.apply(obj)
        if arrived(obj):
            applied.append(obj)
    return applied


def _await(kube: Kube, objects: list[Object], timeout: float) -> None:
    for obj in objects:
        meta = obj["metadata"]
        where = (obj["apiVersion"], obj["kind"], meta.get("namespace", ""), meta["name"])
        condition = arrived(obj)
        kube.wait(where, has_condition(condition), what=condition, timeout=timeout)


def _await_pod(kube: Kube, obj: Object, timeout: float) -> None:
    """A ready Pod besides the condition: a Revision that was ready once keeps saying so while its Pods start again."""
    meta = obj["metadata"]
    labels = (obj["spec"].get("selector") or {}).get("matchLabels") if obj["kind"] == "Deployment" else None
    if obj["kind"] in _POD_LABEL and not _starts_at_zero(obj):
        labels = {_POD_LABEL[obj["kind"]]: meta["name"]}
    if labels:
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        where = ("v1", "Pod", meta["namespace"], selector)
        kube.wait(
            where, has_condition("Ready"), what="Ready", timeout=timeout, cure="look at: iiab kubectl get pods -A"
        )


def _starts_at_zero(obj: Object) -> bool:
    """Ready without a Pod: the first request brings it."""
    return (obj["spec"].get("predictor") or {}).get("minReplicas") == 0
