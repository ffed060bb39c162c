"""How to reach a platform, whatever it runs on: the kubeconfig, the edge, Prometheus, the CA.

Target.connect()                        IIAB_KUBECONFIG, else the home in IIAB_HOME, else ~/.iiab
Target.connect(home="…/.iiab")          what `iiab up` made from there, embedded or a cluster
Target.connect(kubeconfig="…", context="kind-lab")
                                        a cluster: the edge's address is the Gateway's, unless IIAB_GATEWAY_URL,
                                        IIAB_GATEWAY_TLS_URL, IIAB_MANAGEMENT_URL and IIAB_PROMETHEUS_URL say otherwise
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from .assets import home as default_home
from .errors import NotReady, NotRunning
from .kube import Kube

_GATEWAY = ("gateway.networking.k8s.io/v1", "Gateway", "ai-inference-gateway", "envoy-gateway-system")


@dataclass(frozen=True)
class Target:
    """URLs without a trailing slash. `ca` is a PEM file, "" for the system's trust. `context` is of the kubeconfig."""

    engine: str
    kubeconfig: Path
    gateway_url: str
    gateway_tls_url: str
    prometheus_url: str
    ca: str = ""
    context: str = ""
    home: Path | None = None
    endpoints: dict[str, str] = field(default_factory=dict)

    @classmethod
    def connect(cls, home: str | Path = "", kubeconfig: str | Path = "", context: str = "") -> Target:
        """Raises NotRunning where there is nothing to connect to."""
        kubeconfig = kubeconfig or ("" if home else os.environ.get("IIAB_KUBECONFIG", ""))
        if kubeconfig:
            return _cluster(Path(kubeconfig).expanduser(), context or os.environ.get("IIAB_CONTEXT", ""))
        return _recorded(Path(home).expanduser().absolute() if home else default_home())

    @cached_property
    def kube(self) -> Kube:
        return Kube(self.kubeconfig, self.context)

    def api_client(self) -> Any:
        """The official client's ApiClient for this platform: `kubernetes.client.CoreV1Api(target.api_client())`."""
        from kubernetes import client, config

        settings = client.Configuration()
        config.load_kube_config(str(self.kubeconfig), self.context or None, client_configuration=settings)
        return client.ApiClient(settings)


def _recorded(home: Path) -> Target:
    """What `iiab up` wrote of the platform it made, on either engine."""
    try:
        known = json.loads((home / "status.json").read_text())
    except (OSError, ValueError) as error:
        raise NotRunning(f"There is no platform in {home}.", "start it: iiab up") from error
    endpoints = known["endpoints"]
    return Target(
        known["engine"],
        Path(known["kubeconfig"]),
        endpoints["gateway"],
        endpoints["gateway_tls"],
        endpoints["prometheus"],
        known["ca"],
        known.get("context", ""),
        home=home if known["engine"] == "embedded" else None,
        endpoints=endpoints,
    )


def _cluster(kubeconfig: Path, context: str) -> Target:
    gateway = os.environ.get("IIAB_GATEWAY_URL", "")
    secure = os.environ.get("IIAB_GATEWAY_TLS_URL", "")
    if not gateway:
        address = _address(Kube(kubeconfig, context))
        gateway, secure = f"http://{address}", secure or f"https://{address}"
    prometheus = os.environ.get("IIAB_PROMETHEUS_URL", "http://localhost:9090")
    endpoints = {"gateway": gateway, "gateway_tls": secure, "prometheus": prometheus}
    if management := os.environ.get("IIAB_MANAGEMENT_URL", ""):  # without one, through the edge
        endpoints["management"] = management
    ca = os.environ.get("IIAB_CA", "")
    return Target("cluster", kubeconfig, gateway, secure, prometheus, ca, context, endpoints=endpoints)


def _address(kube: Kube) -> str:
    gateway = kube.get(*_GATEWAY) or {}
    addresses = (gateway.get("status") or {}).get("addresses") or []
    if not addresses:
        raise NotReady(
            "The Gateway ai-inference-gateway has no address.",
            "look at: kubectl get gateway -A, or set IIAB_GATEWAY_URL",
        )
    return str(addresses[0]["value"])
