"""What of a RequestAuthentication Istio's webhook refuses, in its words (istio/istio, pkg/config/validation); [] if nothing.

And more, where Istio would go and fetch what the policy names: keys are only ever asked of a Service of the platform, by the
proxy and as its workload. So no policy makes the control plane, or a loopback address, answer for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from ...objects.meta import Object
from .. import service_names
from . import jwks, mesh_config

_HEADER = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_PLAIN = re.compile(r"http://[a-z0-9.-]+(:[0-9]+)?([/?]([A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*)?")


def problems(obj: Object) -> list[str]:
    return [said for rule in (obj.get("spec") or {}).get("jwtRules") or () for said in _rule(rule)]


def _rule(rule: Object) -> Iterator[str]:
    if not rule.get("issuer") and not rule.get("jwksUri"):
        yield "issuer or jwksUri must be non-empty string"
    if not rule.get("jwks") and not rule.get("jwksUri"):
        yield (
            f"issuer {rule.get('issuer', '')}: its keys are not looked for on the Internet → give jwks, or jwksUri of a "
            "Service of the platform"
        )
    if rule.get("jwks") and (wrong := jwks.problem(rule["jwks"])):
        yield wrong
    if rule.get("jwksUri"):
        yield from _uri(rule["jwksUri"])
    yield from _texts(rule)
    if not mesh_config.DURATION.fullmatch(rule.get("timeout", "5s")):
        yield f"timeout {rule['timeout']}: must be a valid duration greater than 1ms"


def _uri(text: str) -> Iterator[str]:
    cure = "→ http://NAME.NAMESPACE.svc.cluster.local:PORT/PATH; the mesh encrypts it"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        yield f"jwksUri {text}: {error} {cure}"
        return
    if parts.scheme not in ("http", "https"):
        yield f'URI scheme "{parts.scheme}" is not supported'
    elif parts.scheme == "https" or service_names.service(parts.hostname or "") is None:
        yield f"jwksUri {text}: keys are fetched from Services of the platform alone {cure}"
    elif port == 0 or not _PLAIN.fullmatch(text):
        yield f"jwksUri {text}: its port, path or query is not written as RFC 3986 has it, or it names a user {cure}"


def _texts(rule: Object) -> Iterator[str]:
    names = [item["name"] for item in rule.get("fromHeaders") or ()]
    names += [rule["outputPayloadToHeader"]] if rule.get("outputPayloadToHeader") else []
    names += [item["header"] for item in rule.get("outputClaimToHeaders") or ()]
    yield from (f"header name {name} is not a valid header name" for name in names if not _HEADER.fullmatch(name))
    values = [item.get("prefix", "") for item in rule.get("fromHeaders") or ()]
    values += [rule.get("issuer", ""), *(rule.get("audiences") or ())]
    values += [*(rule.get("fromParams") or ()), *(rule.get("fromCookies") or ())]
    if any(re.search(r"[\x00-\x1f\x7f]", value) for value in values):
        yield "control character: no token or header can have it → remove it"
