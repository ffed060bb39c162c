"""A Gateway's listeners → which can serve, with which certificates and kinds of route, and the conditions that say so.

Source of reasons and messages: envoyproxy/gateway, internal/gatewayapi/validate.go. Gateway API lets two listeners share a
port only where they speak one protocol; those that do not are all left out, as there is no telling which was meant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ..objects.kinds import SECRET, Key
from ..objects.meta import Object
from ..rules import pki
from .references import granted
from .verdicts import Verdict
from .world import World, secret_text

GROUP = "gateway.networking.k8s.io"
ROUTE_KINDS = ("HTTPRoute",)

_ACCEPTED = Verdict(True, "Accepted", "Listener has been successfully translated")
_RESOLVED = Verdict(True, "ResolvedRefs", "Listener references have been resolved")
_INVALID = Verdict(False, "Invalid", "Listener is invalid, see other Conditions for details.")


class Judged(NamedTuple):
    """`conditions` without Programmed, of one that serves: that is the proxy's to say."""

    conditions: Mapping[str, Verdict]
    kinds: Sequence[Object]
    certificates: Sequence[Key]

    @property
    def serves(self) -> bool:
        return "Programmed" not in self.conditions


def judge(world: World, gateway: Object) -> dict[str, Judged]:
    """By the listener's name."""
    listeners = gateway["spec"]["listeners"]
    made = {listener["name"]: _alone(world, gateway, listener) for listener in listeners}
    for listener, (reason, said) in _conflicts(gateway, [one for one in listeners if made[one["name"]].serves]):
        conflict = {"Accepted": Verdict(False, reason, said), "Programmed": _INVALID, "ResolvedRefs": _RESOLVED}
        found = made[listener["name"]]
        made[listener["name"]] = found._replace(conditions={**conflict, "Conflicted": Verdict(True, reason, said)})
    return made


def _alone(world: World, gateway: Object, listener: Object) -> Judged:
    kinds, wrong = _kinds(listener)
    if wrong:
        verdict = Verdict(False, "InvalidRouteKinds", wrong)
        return Judged({"Accepted": verdict, "Programmed": _INVALID, "ResolvedRefs": verdict}, kinds, [])
    if _lacks_selector(listener):
        said = 'The allowedRoutes.namespaces.selector field must be specified when allowedRoutes.namespaces.from is set to "Selector".'
        invalid = Verdict(False, "Invalid", said)
        return Judged({"Accepted": invalid, "Programmed": invalid, "ResolvedRefs": _RESOLVED}, kinds, [])
    if listener["protocol"] != "HTTPS":
        return Judged({"Accepted": _ACCEPTED, "ResolvedRefs": _RESOLVED}, kinds, [])
    found, resolved = _certificates(world, gateway, listener)
    programmed = {} if found else {"Programmed": _INVALID}
    return Judged({"Accepted": _ACCEPTED, **programmed, "ResolvedRefs": resolved}, kinds, found)


def _kinds(listener: Object) -> tuple[list[Object], str]:
    """The kinds of route it takes, and what is wrong with those it names."""
    asked = (listener.get("allowedRoutes") or {}).get("kinds") or [{"kind": kind} for kind in ROUTE_KINDS]
    wrong = ""
    if any(kind.get("group", GROUP) != GROUP for kind in asked):
        wrong = f"Group is not supported, group must be {GROUP}"
    own = [kind for kind in asked if kind.get("group", GROUP) == GROUP]
    if other := next((kind["kind"] for kind in own if kind["kind"] not in ROUTE_KINDS), None):
        wrong = f"{other} is not supported, kind must be one of [{' '.join(ROUTE_KINDS)}]"
    return [{"group": GROUP, "kind": kind["kind"]} for kind in own if kind["kind"] in ROUTE_KINDS], wrong


def _lacks_selector(listener: Object) -> bool:
    namespaces = (listener.get("allowedRoutes") or {}).get("namespaces") or {}
    return namespaces.get("from") == "Selector" and "selector" not in namespaces


def _certificates(world: World, gateway: Object, listener: Object) -> tuple[list[Key], Verdict]:
    """The Secrets that hold one, and whether all do. With one that does, the listener serves."""
    found: list[Key] = []
    wrong: list[tuple[str, str]] = []
    for index, ref in enumerate((listener.get("tls") or {}).get("certificateRefs") or ()):
        key = Key(ref.get("namespace") or gateway["metadata"]["namespace"], ref["name"])
        if problem := _wrong_certificate(world, gateway, ref, key):
            wrong.append((problem[0], f"certificate refs {index}: {problem[1]}"))
        elif key not in found:
            found.append(key)
    said = "\n".join(message for _, message in wrong)
    if found:
        partly = Verdict(False, "PartiallyInvalidCertificateRef", f"Some secrets are invalid: {said}")
        return found, partly if wrong else _RESOLVED
    if not wrong:
        return [], Verdict(False, "InvalidCertificateRef", "Listener must have at least 1 TLS certificate ref")
    permitted = any(reason != "RefNotPermitted" for reason, _ in wrong)
    reason = "InvalidCertificateRef" if permitted else "RefNotPermitted"
    return [], Verdict(False, reason, f"No valid secrets exist: {said}")


def _wrong_certificate(world: World, gateway: Object, ref: Object, key: Key) -> tuple[str, str] | None:
    said = ""
    if ref.get("group", ""):
        said = "Listener's TLS certificate ref group must be unspecified/empty."
    elif ref.get("kind", "Secret") != "Secret":
        said = "Listener's TLS certificate ref kind must be Secret."
    elif not granted(world, gateway, key, "Secret"):
        return "RefNotPermitted", f"Certificate ref to secret {key} not permitted by any ReferenceGrant."
    elif world.get(SECRET, key) is None:
        said = f"Secret {key} does not exist."
    else:
        chain, private = secret_text(world, key, "tls.crt"), secret_text(world, key, "tls.key")
        if not chain or not private:
            said = f"Secret {key} must contain tls.crt and tls.key."
        elif why := pki.wrong_pair(chain, private):
            said = f"Secret {key} {why}."
    return ("InvalidCertificateRef", said) if said else None


def _conflicts(gateway: Object, listeners: Sequence[Object]) -> Iterator[tuple[Object, tuple[str, str]]]:
    for port in sorted({listener["port"] for listener in listeners}):
        group = [listener for listener in listeners if listener["port"] == port]
        if len({listener["protocol"] for listener in group}) > 1:
            said = f"All listeners for a given port must use a compatible protocol, conflicting listeners: {_named(gateway, group)}"
            yield from ((listener, ("ProtocolConflict", said)) for listener in group)
            continue
        by_host: dict[str, list[Object]] = defaultdict(list)
        for listener in group:
            by_host[listener.get("hostname", "")].append(listener)
        for same in (one for one in by_host.values() if len(one) > 1):
            said = f"All listeners for a given port must use a unique hostname, conflicting listeners: {_named(gateway, same)}"
            yield from ((listener, ("HostnameConflict", said)) for listener in same)


def _named(gateway: Object, listeners: Sequence[Object]) -> str:
    meta = gateway["metadata"]
    return ", ".join(sorted(f"{meta['namespace']}/{meta['name']}/{listener['name']}" for listener in listeners))
