"""A Target → a panel with every Pod, its containers and restarts, that follows the platform while the notebook runs."""

from __future__ import annotations

import html
import os
from typing import Any

from ..errors import LabError
from ..follow import Follower
from ..kube import Kube, Object
from ..target import Target

_READY, _NOT = "<span style='color:#0a7d33'>● ready</span>", "<b style='color:#b00020'>○ not ready</b>"
_CELL = "<td style='text-align:left;padding:2px 12px 2px 0'>{}</td>"


def health(target: Target, every: float = 1.0) -> Any:
    """The panel: live in JupyterLab, a plain table when headless. Put it last in a cell. `every` is in seconds."""
    if os.environ.get("IIAB_HEADLESS"):
        from IPython.display import HTML

        return HTML(render(target.kube, target.endpoints))
    import ipywidgets

    panel = ipywidgets.HTML()
    kube = Kube(target.kubeconfig, target.context)  # a session belongs to one thread
    Follower("health", lambda: _tick(panel, kube, target.endpoints), every)
    return panel


def _tick(panel: Any, kube: Kube, endpoints: dict[str, str]) -> None:
    try:
        panel.value = render(kube, endpoints)
    except LabError as error:
        panel.value = f"<b style='color:#b00020'>{html.escape(error.message)}</b> → {html.escape(error.cure)}"


def render(kube: Kube, endpoints: dict[str, str]) -> str:
    """HTML: one line of endpoints, one row per Pod that has not ended."""
    pods = [pod for pod in kube.list("v1", "Pod") if (pod.get("status") or {}).get("phase") != "Succeeded"]
    rows = sorted(_row(pod) for pod in pods)
    ready = sum(_READY in row for row in rows)
    where = " · ".join(f"{html.escape(name)} <code>{html.escape(url)}</code>" for name, url in endpoints.items())
    head = "".join(_CELL.format(f"<b>{name}</b>") for name in ("namespace", "pod", "", "containers", "restarts", ""))
    return (
        f"<p><b>{ready} of {len(rows)} Pods are ready</b><br>{where}</p><table><tr>{head}</tr>{''.join(rows)}</table>"
    )


def _row(pod: Object) -> str:
    status = pod.get("status") or {}
    containers = status.get("containerStatuses") or []
    conditions: list[Object] = status.get("conditions") or []
    ready = next((c for c in conditions if c["type"] == "Ready"), {})
    cells = (
        html.escape(pod["metadata"]["namespace"]),
        html.escape(pod["metadata"]["name"]),
        _READY if ready.get("status") == "True" else _NOT,
        f"{sum(c['ready'] for c in containers)}/{len(pod['spec']['containers'])}",
        str(sum(c.get("restartCount", 0) for c in containers)),
        html.escape(ready.get("message", "")),
    )
    return "<tr>" + "".join(_CELL.format(cell) for cell in cells) + "</tr>"
