"""BackendTrafficPolicies → the configuration of the rate limit service. What Envoy Gateway hands to its own.

Reads:  Gateways, HTTPRoutes and what decides their attachment, BackendTrafficPolicies.
Writes: ConfigMap envoy-gateway-system/envoy-ratelimit, one file per Gateway.
Wakes:  on each of those, always under the one key.
"""

from __future__ import annotations

import json

from ..envoy import edge_traffic, rate_limits
from ..objects import kinds
from ..objects.kinds import CONFIG_MAP, GATEWAY, Key
from ..objects.meta import Object, edition, key_of, labels_of, new
from ..reconcile.ports import Client, Result, Watch

_NAME = Key(edge_traffic.NAMESPACE, rate_limits.SERVICE)
_INPUTS = (GATEWAY, kinds.HTTP_ROUTE, kinds.BACKEND_TRAFFIC_POLICY)


class RateLimitController:
    name = "rate-limit"

    def __init__(self, client: Client) -> None:
        self._client = client
        self.watches = (
            *(Watch(kind, lambda _: [_NAME], edition) for kind in _INPUTS),
            Watch(kinds.NAMESPACE, lambda _: [_NAME], lambda namespace: tuple(sorted(labels_of(namespace).items()))),
        )

    async def reconcile(self, key: Key) -> Result | None:
        if self._client.get(kinds.NAMESPACE, Key("", key.namespace)) is None:
            return None
        data = dict(map(self._file, self._client.list(GATEWAY)))
        await self._client.apply(new(CONFIG_MAP, key.name, key.namespace, data=data))
        return None

    def _file(self, gateway: Object) -> tuple[str, str]:
        scopes = edge_traffic.scopes(self._client, gateway)
        made = rate_limits.configuration(edge_traffic.domain(gateway), scopes)
        own = key_of(gateway)
        return f"{own.namespace}.{own.name}.yaml", json.dumps(made, indent=1)
