"""A Gateway's listeners and the routes on each → Envoy's listeners and route tables: one Envoy listener per port.

HTTP listeners of one port share a table, told apart by host; HTTPS listeners have a filter chain each, told apart by the name
the client asks for (SNI).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, groupby
from typing import Any

from ..objects.kinds import Key
from ..objects.meta import Object
from . import http, telemetry
from .attachment import Attached, Verdict, hostnames
from .world import World, secret_text

Resource = dict[str, Any]
Made = dict[str, dict[str, Resource]]

_RESOLVED = Verdict(True, "ResolvedRefs", "Listener references have been resolved")
_NO_CERTIFICATE = Verdict(False, "InvalidCertificateRef", "the Secret of the listener's certificate was not found")
_INSPECTOR = "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
_SNI = {"name": "envoy.filters.listener.tls_inspector", "typed_config": {"@type": _INSPECTOR}}


class Listeners:
    """`ranked`: a route's name → its Envoy routes with their ranks."""

    def __init__(
        self,
        world: World,
        gateway: Object,
        served: Sequence[Attached],
        ranked: Mapping[str, list[Any]],
        filters: Sequence[Resource],
        proxy: Object | None,
    ) -> None:
        self._world, self._gateway, self._served, self._ranked = world, gateway, served, ranked
        self._filters, self._logs = filters, list(_logs(proxy))

    def into(self, made: Made, ports: Mapping[int, int]) -> dict[str, Verdict]:
        """`ports`: the listener's port → the one on loopback. Returns whether each listener's certificate was found."""
        listeners = self._gateway["spec"]["listeners"]
        certificates = {one["name"]: self._certificate(one, made) for one in listeners if one["protocol"] == "HTTPS"}
        for port, group in groupby(sorted(listeners, key=lambda one: one["port"]), key=lambda one: one["port"]):
            chains = list(self._chains(list(group), certificates, made))
            named = any("filter_chain_match" in one for one in chains)
            more = {"listener_filters": [_SNI]} if named else {}
            if chains:
                name = chains[0]["name"]
                made["listeners"][name] = http.listener(name, ports[port], chains, **more)
        found = {name: _RESOLVED if secret else _NO_CERTIFICATE for name, secret in certificates.items()}
        return {one["name"]: found.get(one["name"], _RESOLVED) for one in listeners}

    def _chains(self, group: list[Object], certificates: Mapping[str, str], made: Made) -> Iterator[Resource]:
        plain = [one for one in group if one["protocol"] == "HTTP"]
        if plain:
            yield self._chain(plain, made)
        for listener in group:
            if secret := certificates.get(listener["name"]):
                secured = self._chain([listener], made) | {"transport_socket": http.downstream_tls(secret)}
                host = listener.get("hostname")
                yield secured | ({"filter_chain_match": {"server_names": [host]}} if host else {})

    def _chain(self, listeners: list[Object], made: Made) -> Resource:
        meta = self._gateway["metadata"]
        table = f"{meta['namespace']}/{meta['name']}/{listeners[0]['name']}"
        made["routes"][table] = self._table(table, listeners)
        more = {
            "use_remote_address": True,
            # Nobody before the edge is trusted, not even on loopback: request ids and x-envoy headers are ours.
            "internal_address_config": {"unix_sockets": False, "cidr_ranges": []},
            "always_set_request_id_in_response": True,
            "forward_client_cert_details": "SANITIZE",
        }
        manager = http.manager(table.replace("/", "_"), http.rds(table), self._filters, self._logs, **more)
        return {"name": table, "filters": [manager]}

    def _table(self, table: str, listeners: list[Object]) -> Resource:
        """One virtual host per hostname; within it, routes by precedence."""
        by_host: dict[str, dict[str, list[Any]]] = {}
        for listener in listeners:
            for one in self._served:
                for host in hostnames(listener, one.route) if listener in one.listeners else ():
                    by_host.setdefault(host, {})[one.name] = self._ranked[one.name]
        hosts = [
            {
                "name": f"{table}/{host.replace('.', '_')}",
                "domains": [host],
                "routes": [
                    route for _, route in sorted(chain.from_iterable(routes.values()), key=lambda pair: pair[0])
                ],
            }
            for host, routes in sorted(by_host.items())
        ]
        return {"name": table, "virtual_hosts": hosts, "ignore_port_in_host_matching": True, "validate_clusters": False}

    def _certificate(self, listener: Object, made: Made) -> str:
        """The name of the secret with the listener's certificate; "" where there is none."""
        name = ((listener.get("tls") or {}).get("certificateRefs") or [{}])[0].get("name", "")
        key = Key(self._gateway["metadata"]["namespace"], name)
        public, private = secret_text(self._world, key, "tls.crt"), secret_text(self._world, key, "tls.key")
        if not public or not private:
            return ""
        made["secrets"][str(key)] = http.certificate(str(key), public, private)
        return str(key)


def _logs(proxy: Object | None) -> Iterator[Resource]:
    settings = (((proxy or {}).get("spec") or {}).get("telemetry") or {}).get("accessLog", {}).get("settings") or [{}]
    for item in settings:
        yield telemetry.json_log((item.get("format") or {}).get("json") or {"hop": "tier-1", **telemetry.MESH})
