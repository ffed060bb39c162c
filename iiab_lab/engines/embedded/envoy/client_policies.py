"""ClientTrafficPolicies and a Gateway → what holds for the clients of each listener, and the verdict on each policy.

One that names a listener (sectionName) goes before one for the whole Gateway; of two on the same the older counts, and the other
says Conflicted. Source of reasons and messages: envoyproxy/gateway, internal/gatewayapi/clienttrafficpolicy.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..objects.kinds import CLIENT_TRAFFIC_POLICY
from ..objects.meta import Object
from . import client_traffic, policy_targets
from .client_traffic import Client
from .verdicts import Verdict, sentence
from .world import World

ACCEPTED = Verdict(True, "Accepted", "Policy has been accepted.")
_ATTACHED = "another ClientTrafficPolicy has already attached to it"


class Spoken(NamedTuple):
    """A policy's verdict on one of its targets: the Gateway, or by `section` one listener of it."""

    policy: Object
    section: str
    conditions: dict[str, Verdict]


class Clients(NamedTuple):
    by_listener: dict[str, Client]
    spoken: list[Spoken]


def govern(world: World, gateway: Object) -> Clients:
    return _Governing(world, gateway).done()


class _Governing:
    def __init__(self, world: World, gateway: Object) -> None:
        self._world, self._gateway = world, gateway
        self._listeners = {one["name"]: one for one in gateway["spec"]["listeners"]}
        self._claimed: set[str] = set()
        self._made: dict[str, Client] = {}
        self._whole = False

    def done(self) -> Clients:
        targets = list(self._targets())
        sections = [Spoken(policy, name, {"Accepted": self._of(policy, name)}) for policy, name in targets if name]
        whole = [Spoken(policy, "", self._of_all(policy)) for policy, name in targets if not name]
        for name in self._listeners.keys() - self._made.keys():
            self._translate(None, name)
        return Clients(self._made, sections + whole)

    def _targets(self) -> Iterator[tuple[Object, str]]:
        """(policy, section) of every reference to the Gateway, the oldest policy first."""
        meta = self._gateway["metadata"]
        for policy in sorted(self._world.list(CLIENT_TRAFFIC_POLICY, meta["namespace"]), key=policy_targets.age):
            for target in policy["spec"].get("targetRefs") or ():
                if (target["kind"], target["name"]) == ("Gateway", meta["name"]):
                    yield policy, target.get("sectionName", "")

    def _of(self, policy: Object, section: str) -> Verdict:
        meta = self._gateway["metadata"]
        if section not in self._listeners:
            said = f"No section name {section} found for Gateway {meta['namespace']}/{meta['name']}"
            return Verdict(False, "TargetNotFound", said)
        if section in self._claimed:
            return Verdict(False, "Conflicted", f"Unable to target section of {meta['name']}, {_ATTACHED}")
        self._claimed.add(section)
        if others := self._beside(section):
            said = f"ClientTrafficPolicy is being applied to multiple http (non https) listeners ({others}) on the same port, which is not allowed"
            return Verdict(False, "Invalid", sentence(said))
        return _verdict([self._translate(policy, section)])

    def _of_all(self, policy: Object) -> dict[str, Verdict]:
        if self._whole:
            said = f"Unable to target Gateway {self._gateway['metadata']['name']}, {_ATTACHED}"
            return {"Accepted": Verdict(False, "Conflicted", said)}
        self._whole = True
        found = {
            "Accepted": _verdict(
                [self._translate(policy, name) for name in self._listeners if name not in self._claimed]
            )
        }
        if self._claimed:
            listed = " ".join(sorted(self._claimed))
            said = f"There are existing ClientTrafficPolicies that are overriding these sections [{listed}]"
            found["Overridden"] = Verdict(True, "Overridden", said)
        return found

    def _translate(self, policy: Object | None, name: str) -> str:
        """Why it is wrong."""
        meta, secured = self._gateway["metadata"], self._listeners[name]["protocol"] == "HTTPS"
        stat = f"{meta['namespace']}_{meta['name']}_{name}"
        self._made[name] = client_traffic.translate(self._world, policy, stat, secured=secured)
        return self._made[name].wrong

    def _beside(self, section: str) -> str:
        """The other listeners of its port: without TLS they share its connection manager, so none can be told apart."""
        own, meta = self._listeners[section], self._gateway["metadata"]
        if own["protocol"] != "HTTP":
            return ""
        same = [name for name, one in self._listeners.items() if one["port"] == own["port"] and name != section]
        return ", ".join(f"{meta['namespace']}/{meta['name']}/{name}" for name in same)


def _verdict(found: list[str]) -> Verdict:
    wrong = list(dict.fromkeys(why for why in found if why))
    return Verdict(False, "Invalid", sentence("\n".join(wrong))) if wrong else ACCEPTED
