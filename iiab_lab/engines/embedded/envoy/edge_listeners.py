"""A Gateway's listeners and the routes on each → Envoy's listeners and route tables: one Envoy listener per port.

HTTP listeners of one port share a table, told apart by host; HTTPS listeners have a filter chain each, told apart by the name
the client asks for (SNI). Listeners that cannot serve are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from typing import Any

from ..objects.meta import Object
from . import http, request_buffer, telemetry
from .attachment import Attached, hostnames
from .client_traffic import Client, without_limit_headers
from .edge_filters import redirected_at
from .edge_routes import closed
from .listener_verdicts import Judged
from .world import World, secret_text

Resource = dict[str, Any]
Made = dict[str, dict[str, Resource]]


class Listeners:
    """`judged`: by the listener's name; `ranked`: a route's name → its Envoy routes with their ranks."""

    def __init__(
        self,
        world: World,
        gateway: Object,
        judged: Mapping[str, Judged],
        served: Sequence[Attached],
        ranked: Mapping[str, list[Any]],
        filters: Sequence[Resource],
        clients: Mapping[str, Client],
        proxy: Object | None,
    ) -> None:
        self._world, self._gateway, self._judged, self._clients = world, gateway, judged, clients
        self._served, self._ranked = served, ranked
        self._filters, self._logs = filters, list(_logs(proxy))

    def into(self, made: Made, ports: Mapping[int, int]) -> None:
        """`ports`: the listener's port → the one on loopback."""
        serving = [one for one in self._gateway["spec"]["listeners"] if self._judged[one["name"]].serves]
        for port, group in groupby(sorted(serving, key=lambda one: one["port"]), key=lambda one: one["port"]):
            chains = list(self._chains(list(group), made))
            named = any("filter_chain_match" in one for one in chains)
            name = chains[0]["name"]
            more = self._clients[name.rpartition("/")[2]].listener | (
                {"listener_filters": http.PEEKING} if named else {}
            )
            made["listeners"][name] = http.listener(name, ports[port], chains, **more)

    def _chains(self, group: list[Object], made: Made) -> Iterator[Resource]:
        """Of one port, so of one protocol."""
        if group[0]["protocol"] == "HTTP":
            yield self._chain(group, made)
            return
        for listener in group:
            first, *others = self._certificates(listener, made)
            common, beside = self._clients[listener["name"]].tls
            socket = http.downstream_tls(first, more=others, common_more=common, **beside)
            secured = self._chain([listener], made) | {"transport_socket": socket}
            host = listener.get("hostname")
            yield secured | ({"filter_chain_match": {"server_names": [host]}} if host else {})

    def _chain(self, listeners: list[Object], made: Made) -> Resource:
        meta = self._gateway["metadata"]
        table = f"{meta['namespace']}/{meta['name']}/{listeners[0]['name']}"
        client = self._clients[listeners[0]["name"]]  # of one port without TLS, all have the same
        made["routes"][table] = self._table(table, listeners, client)
        # Nobody before the edge is trusted, not even on loopback: request ids and x-envoy headers are ours. Envoy does so
        # without an internal_address_config: one whose list of ranges is empty trusts every address.
        more = {
            **client.manager,
            "common_http_protocol_options": client.common,
            "always_set_request_id_in_response": True,
            "upgrade_configs": [{"upgrade_type": "websocket"}],
        }
        router = {} if client.envoy_headers else {"suppress_envoy_headers": True}
        filters = client.filters(self._filters)
        manager = http.manager(table.replace("/", "_"), http.rds(table), filters, self._logs, router, **more)
        return {"name": table, "filters": [*client.before, manager], **client.chain}

    def _table(self, table: str, listeners: list[Object], client: Client) -> Resource:
        """One virtual host per hostname; within it, routes by precedence."""
        by_host: dict[str, dict[str, list[Any]]] = {}
        for one in self._served:
            own = {listener["name"] for listener in one.listeners}
            for listener in listeners:
                for host in hostnames(listener, one.route) if listener["name"] in own else ():
                    by_host.setdefault(host, {})[one.name] = self._ranked[one.name]
        hosts = [
            {
                "name": f"{table}/{host.replace('.', '_')}",
                "domains": [host],
                "routes": _sorted(routes.values(), listeners[0]["port"], client),
            }
            for host, routes in sorted(by_host.items())
        ]
        return {"name": table, "virtual_hosts": hosts, "ignore_port_in_host_matching": True, "validate_clusters": False}

    def _certificates(self, listener: Object, made: Made) -> list[str]:
        """The names of the secrets with the listener's certificates."""
        names = []
        for key in self._judged[listener["name"]].certificates:
            public, private = (secret_text(self._world, key, field) or "" for field in ("tls.crt", "tls.key"))
            made["secrets"][str(key)] = http.certificate(str(key), public, private)
            names.append(str(key))
        return names


def _sorted(routes: Iterable[list[Any]], port: int, client: Client) -> list[Resource]:
    ordered = sorted(chain.from_iterable(routes), key=lambda one: one.rank)
    if client.wrong:
        return [closed(one.route) for one in ordered]
    made = [redirected_at(port, one.route) for one in ordered]
    made = [*request_buffer.announced(made), *made]
    return made if client.limit_headers else [without_limit_headers(one) for one in made]


def _logs(proxy: Object | None) -> Iterator[Resource]:
    settings = (((proxy or {}).get("spec") or {}).get("telemetry") or {}).get("accessLog", {}).get("settings") or [{}]
    for item in settings:
        yield telemetry.json_log((item.get("format") or {}).get("json") or {"hop": "tier-1", **telemetry.MESH})
