"""One request id → the access log line each hop wrote about it, and where the time went."""

from __future__ import annotations

import json
import time
from typing import Any

from ..plots.figure import COLOURS, Panel, layout
from ..target import Target

# hop → (namespace, label selector, container): the same on both engines.
HOPS = {
    "tier-1": ("envoy-gateway-system", "gateway.envoyproxy.io/owning-gateway-name=ai-inference-gateway", "envoy"),
    "tier-2": ("istio-system", "istio=ingressgateway", "istio-proxy"),
    "sidecar": ("tenant-a", "serving.kserve.io/inferenceservice=sklearn-iris", "istio-proxy"),
}
_LOOK = 0.1


def trace(target: Target, request_id: str, seconds: float = 5.0) -> dict[str, dict[str, Any]]:
    """hop → its line; hops that have not written one within `seconds` are missing. Proxies write every 100 ms."""
    deadline, found = time.monotonic() + seconds, {}
    while True:
        for hop in HOPS:
            if hop not in found and (line := _line(target, hop, request_id)):
                found[hop] = line
        if len(found) == len(HOPS) or time.monotonic() > deadline:
            return found
        time.sleep(_LOOK)


def _line(target: Target, hop: str, request_id: str) -> dict[str, Any] | None:
    namespace, selector, container = HOPS[hop]
    for pod in target.kube.list("v1", "Pod", namespace, selector):
        text = target.kube.log(namespace, pod["metadata"]["name"], container=container, tailLines="1000")
        for line in text.splitlines():
            if request_id in line:
                parsed: dict[str, Any] = json.loads(line)
                return parsed
    return None


def timeline(found: dict[str, dict[str, Any]]) -> Any:
    """A Plotly figure: one bar per hop, in milliseconds from the first byte in to the last byte out, the edge on top.

    What a bar is longer than the one below it, that hop and its connection spent themselves.
    """
    import plotly.graph_objects as go

    hops = [hop for hop in HOPS if hop in found]
    spent = [found[hop]["microseconds"] / 1e3 for hop in hops]
    bars = go.Bar(x=spent, y=hops, orientation="h", marker_color=COLOURS[: len(hops)], texttemplate="%{x:.2f} ms")
    made = go.Figure(bars, layout=layout(Panel("One request, hop by hop", "", "")))
    made.update_xaxes(title_text="milliseconds from first byte in to last byte out", rangemode="tozero")
    made.update_yaxes(autorange="reversed")
    return made.update_layout(showlegend=False, height=320)
