"""ConfigMap istio-system/istio → the extension providers that CUSTOM policies name; ValueError on what is not served.

MeshConfig as `istioctl` installs it: YAML under the key `mesh` (istio.io, "Global Mesh Options").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from ...objects.kinds import Key
from ...objects.meta import Object
from .. import service_names

KEY = Key("istio-system", "istio")
_HEADER = re.compile(r"[!#$%&'+\-.^_`|~0-9A-Za-z]+")
_PATTERN = re.compile(rf"\*?{_HEADER.pattern}|{_HEADER.pattern}\*")
_PATH = re.compile(r"/[!-~]*")
_BYTES = range(1, 2**32)
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
DURATION = re.compile(r"(?=.*[1-9])([0-9]{1,5}(h|m|s|ms)){1,4}")
# Those that Envoy knows.
_STATUSES = (
    *(100, *range(200, 209), 226, *range(300, 306), 307, 308, *range(400, 418), *range(421, 425), 426, 428, 429, 431),
    *(*range(500, 509), 510, 511),
)
_FIELDS = {
    "service": str,
    "port": int,
    "timeout": str,
    "failOpen": bool,
    "statusOnError": str,
    "pathPrefix": str,
    "includeRequestHeadersInCheck": list,
    "includeAdditionalHeadersInCheck": dict,
    "includeRequestBodyInCheck": dict,
    "headersToUpstreamOnAllow": list,
    "headersToDownstreamOnDeny": list,
    "headersToDownstreamOnAllow": list,
}
_LISTS = [field for field, kind in _FIELDS.items() if kind is list]
_BODY = {"maxRequestBytes": int, "allowPartialMessage": bool, "packAsBytes": bool}


Provider = Mapping[str, Any]  # an authorization service: the settings of envoyExtAuthzHttp


def providers(config: Object | None) -> dict[str, Provider]:
    text = ((config or {}).get("data") or {}).get("mesh", "")
    try:
        mesh = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"mesh is no YAML: {error}") from None
    _known(mesh, {"extensionProviders": list}, "mesh")
    found: dict[str, Provider] = {}
    for index, item in enumerate(mesh.get("extensionProviders") or ()):
        path = f"extensionProviders[{index}]"
        _known(item, {"name": str, "envoyExtAuthzHttp": dict}, path)
        name, settings = item.get("name", ""), item.get("envoyExtAuthzHttp", {})
        if not _NAME.fullmatch(name):
            raise ValueError(f"{path}.name: {name!r} → lowercase letters, digits and hyphens, at most 63")
        if name in found:
            raise ValueError(f"extension provider name must be unique, found duplicate: {name}")
        _check(settings, f"{path}.envoyExtAuthzHttp")
        found[name] = settings
    return found


def _check(given: Provider, path: str) -> None:
    _known(given, _FIELDS, path)
    _known(given.get("includeRequestBodyInCheck") or {}, _BODY, f"{path}.includeRequestBodyInCheck")
    if service_names.service(given.get("service", "")) is None:
        raise ValueError(f"{path}.service: a Service of the platform is needed → NAME.NAMESPACE.svc.cluster.local")
    if not 1 <= given.get("port", 0) <= 65535:
        raise ValueError(f"{path}.port: port must be in the range [1, 65535], found: {given.get('port', 0)}")
    if not DURATION.fullmatch(given.get("timeout", "1s")):
        raise ValueError(f"{path}.timeout: {given['timeout']!r} is no duration → such as 2s or 500ms")
    if given.get("statusOnError", "403") not in map(str, _STATUSES):
        raise ValueError(f"{path}.statusOnError: unsupported statusOnError {given['statusOnError']}")
    if not _PATH.fullmatch(given.get("pathPrefix", "/")):
        raise ValueError(f"{path}.pathPrefix: pathPrefix must begin with `/`, found: {given['pathPrefix']!r}")
    for field in _LISTS:
        if not all(isinstance(value, str) and _PATTERN.fullmatch(value) for value in given.get(field) or ()):
            raise ValueError(
                f"{path}.{field}: a header's name, a prefix* or a *suffix is needed → and more than a star"
            )
    added = given.get("includeAdditionalHeadersInCheck") or {}
    if not all(
        isinstance(value, str) and _HEADER.fullmatch(name) and value.isprintable() for name, value in added.items()
    ):
        raise ValueError(f"{path}.includeAdditionalHeadersInCheck: names of headers and their values are needed")
    if (given.get("includeRequestBodyInCheck") or {"maxRequestBytes": 1}).get("maxRequestBytes", 0) not in _BYTES:
        raise ValueError(f"{path}.includeRequestBodyInCheck.maxRequestBytes: a number above 0 is needed")


def _known(given: Any, fields: Mapping[str, type], path: str) -> None:
    if not isinstance(given, dict):
        raise ValueError(f"{path}: an object is needed")
    for name, value in given.items():
        if name not in fields:
            raise ValueError(f"{path}: unknown field {name!r}; there are: {', '.join(fields)}")
        if not isinstance(value, fields[name]) or (fields[name] is int and isinstance(value, bool)):
            raise ValueError(f"{path}.{name}: a {fields[name].__name__} is needed")
