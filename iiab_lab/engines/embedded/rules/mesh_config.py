"""ConfigMap istio-system/istio → the extension providers that CUSTOM policies name; ValueError on what is not served.

MeshConfig as `istioctl` installs it: YAML under the key `mesh` (istio.io, "Global Mesh Options").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml

from ..objects.kinds import Key
from ..objects.meta import Object
from . import service_names

KEY = Key("istio-system", "istio")
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
DURATION = re.compile(r"(?=.*[1-9])([0-9]{1,5}(h|m|s|ms)){1,4}")
# Those that Envoy knows.
_STATUSES = (
    *(100, *range(200, 209), 226, *range(300, 306), 307, 308, *range(400, 418), *range(421, 425), 426, 428, 429, 431),
    *(*range(500, 509), 510, 511),
)
_BOTH = {
    "service": str,
    "port": int,
    "timeout": str,
    "failOpen": bool,
    "statusOnError": str,
    "includeRequestBodyInCheck": dict,
}
_FIELDS: dict[str, dict[str, type]] = {
    "envoyExtAuthzGrpc": _BOTH,
    "envoyExtAuthzHttp": {
        **_BOTH,
        "pathPrefix": str,
        "includeRequestHeadersInCheck": list,
        "includeAdditionalHeadersInCheck": dict,
        "headersToUpstreamOnAllow": list,
        "headersToDownstreamOnDeny": list,
        "headersToDownstreamOnAllow": list,
    },
}
_BODY = {"maxRequestBytes": int, "allowPartialMessage": bool, "packAsBytes": bool}


class Provider(NamedTuple):
    """An authorization service: `kind` is the field of MeshConfig it stood under, `settings` that field."""

    kind: str
    settings: Mapping[str, Any]


def providers(config: Object | None) -> dict[str, Provider]:
    text = ((config or {}).get("data") or {}).get("mesh", "")
    try:
        mesh = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"mesh is no YAML: {error}") from None
    _known(mesh, {"extensionProviders": list}, "mesh")
    found: dict[str, Provider] = {}
    for index, item in enumerate(mesh.get("extensionProviders") or ()):
        name, provider = _provider(item, f"extensionProviders[{index}]")
        if name in found:
            raise ValueError(f"extension provider name must be unique, found duplicate: {name}")
        found[name] = provider
    return found


def _provider(item: Any, path: str) -> tuple[str, Provider]:
    _known(item, {"name": str, **dict.fromkeys(_FIELDS, dict)}, path)
    name, kinds = item.get("name", ""), [kind for kind in _FIELDS if kind in item]
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{path}.name: invalid provider name {name!r}: lowercase letters, digits and hyphens, at most 63"
        )
    if len(kinds) != 1:
        raise ValueError(f"{path}: exactly one of {' and '.join(_FIELDS)} is needed")
    kind = kinds[0]
    _settings(item[kind], kind, f"{path}.{kind}")
    return name, Provider(kind, item[kind])


def _settings(given: Any, kind: str, path: str) -> None:
    _known(given, _FIELDS[kind], path)
    _known(given.get("includeRequestBodyInCheck") or {}, _BODY, f"{path}.includeRequestBodyInCheck")
    if service_names.service(given.get("service", "")) is None:
        raise ValueError(f"{path}.service: a Service of the platform is needed, as NAME.NAMESPACE.svc.cluster.local")
    if not 1 <= given.get("port", 0) <= 65535:
        raise ValueError(f"{path}.port: port must be in the range [1, 65535], found: {given.get('port', 0)}")
    if not DURATION.fullmatch(given.get("timeout", "1s")):
        raise ValueError(f"{path}.timeout: {given['timeout']!r} is no duration, such as 2s or 500ms")
    status = given.get("statusOnError", "403")
    if status not in map(str, _STATUSES):
        raise ValueError(f"{path}.statusOnError: unsupported statusOnError {status}")
    if not given.get("pathPrefix", "/").startswith("/"):
        raise ValueError(f"{path}.pathPrefix: pathPrefix must begin with `/`, found: {given['pathPrefix']!r}")
    for field in ("includeRequestHeadersInCheck", *(name for name in _FIELDS[kind] if name.startswith("headersTo"))):
        if any(not isinstance(value, str) or value in ("", "*") for value in given.get(field) or ()):
            raise ValueError(
                f'{path}.{field}: a single wildcard ("*") is not supported, change it to a prefix or suffix'
            )


def _known(given: Any, fields: Mapping[str, type], path: str) -> None:
    if not isinstance(given, dict):
        raise ValueError(f"{path}: an object is needed")
    for name, value in given.items():
        if name not in fields:
            raise ValueError(f"{path}: unknown field {name!r}; there are: {', '.join(fields)}")
        if not isinstance(value, fields[name]) or (fields[name] is int and isinstance(value, bool)):
            raise ValueError(f"{path}.{name}: a {fields[name].__name__} is needed")
