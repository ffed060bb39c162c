"""The platform's edge as this service reaches it: where its listeners are, and requests through it, as any client sends them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

import requests

from ...traffic.resolve import Resolving
from .errors import Refused
from .platform import CONFIG_MAP, ENDPOINTS, GATEWAY, SECRET, SERVICE, Object, Platform

NAMESPACE, NAME = "envoy-gateway-system", "ai-inference-gateway"
IDENTITY = "identity.inference-in-a-box"
_OWNER = f"gateway.envoyproxy.io/owning-gateway-name={NAME}"
_CA = ("lab-ca", "istio-system")
_SECONDS = 30.0


class Address(NamedTuple):
    host: str
    port: int


class Edge:
    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def address(self, listener_port: int) -> Address:
        """Of a ready proxy, behind the Service that Envoy Gateway makes for the Gateway; 503 where there is none."""
        for service in self._platform.list(SERVICE, NAMESPACE, _OWNER):
            named = next((p["name"] for p in service["spec"]["ports"] if p["port"] == listener_port), None)
            label = f"kubernetes.io/service-name={service['metadata']['name']}"
            for piece in self._platform.list(ENDPOINTS, NAMESPACE, label):
                port = next((p["port"] for p in piece.get("ports") or () if p.get("name") == named), None)
                ready = [e for e in piece["endpoints"] if (e.get("conditions") or {}).get("ready")]
                if port and ready:
                    return Address(ready[0]["addresses"][0], port)
        raise Refused(503, "The gateway is not ready", "kubectl get gateway -A")

    def public(self, tls: bool) -> Address:
        """Where the world finds the edge: the Gateway's own address, or what its environment made of it."""
        gateway = self._platform.get(GATEWAY, NAME, NAMESPACE) or {}
        addresses = (gateway.get("status") or {}).get("addresses") or []
        own = self.address(443 if tls else 80)
        host = str(addresses[0]["value"]) if addresses else own.host
        return own if host == own.host else Address(host, 443 if tls else 80)

    def authority(self) -> str:
        """The lab's CA in PEM."""
        found = self._platform.get(CONFIG_MAP, *_CA) or {}
        return str((found.get("data") or {}).get("ca.crt", ""))

    def send(self, method: str, host: str, path: str, headers: Mapping[str, str], **options: Any) -> requests.Response:
        """Over plain HTTP inside the platform; `host` is the name the request is for."""
        address = self.address(80)
        session = requests.Session()
        session.trust_env = False
        session.mount("http://", Resolving({f"{host}:80": f"{address.host}:{address.port}"}))
        try:
            return session.request(
                method,
                f"http://{host}{path}",
                headers=dict(headers),
                timeout=_SECONDS,
                allow_redirects=False,
                **options,
            )
        except requests.RequestException as error:
            raise Refused(502, "The gateway did not answer", type(error).__name__) from error

    def token(self, secret: str, namespace: str) -> str:
        """A token for the client whose credentials lie in a Secret."""
        found = self._platform.get(SECRET, secret, namespace)
        if found is None:
            raise Refused(503, "The identity service is not ready", "kubectl get pods -n identity")
        credentials = _decoded(found)
        form = {"grant_type": "client_credentials"}
        basic = base64.b64encode(f"{credentials['client_id']}:{credentials['client_secret']}".encode()).decode()
        answer = self.send("POST", IDENTITY, "/token", {"Authorization": f"Basic {basic}"}, data=form)
        if answer.status_code != 200:
            raise Refused(503, "The identity service is not ready", f"it answered {answer.status_code}")
        return str(answer.json()["access_token"])


def _decoded(secret: Object) -> dict[str, str]:
    return {name: base64.b64decode(value).decode() for name, value in (secret.get("data") or {}).items()}
