"""A Gateway as it comes in → what the expressions (CEL) of its CustomResourceDefinition refuse of its listeners.

Source of the rules and their words: kubernetes-sigs/gateway-api, config/crd/standard, x-kubernetes-validations.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..objects.meta import Object

_PATH = "spec.listeners"


def problems(obj: Object) -> list[tuple[str, str]]:
    """(field, message) of each."""
    listeners = (obj.get("spec") or {}).get("listeners") or []
    return [(field, f"Invalid value: {said}") for field, said in _problems(listeners)]


def _problems(listeners: list[Object]) -> Iterator[tuple[str, str]]:
    if any(one["protocol"] == "HTTP" and "tls" in one for one in listeners):
        yield _PATH, "\"array\": tls must not be specified for protocols ['HTTP', 'TCP', 'UDP']"
    addresses = [(one["port"], one["protocol"], one.get("hostname")) for one in listeners]
    if len(set(addresses)) < len(addresses):
        yield _PATH, '"array": Combination of port, protocol and hostname must be unique for each listener'
    for index, one in enumerate(listeners):
        tls = one.get("tls")
        if tls is not None and tls.get("mode", "Terminate") == "Terminate" and not tls.get("certificateRefs"):
            said = '"object": certificateRefs or options must be specified when mode is Terminate'
            yield f"{_PATH}[{index}].tls", said
