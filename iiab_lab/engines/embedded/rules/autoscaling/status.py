"""What is wanted of a revision and what is there → the conditions of its PodAutoscaler.

Source: knative/serving, pkg/apis/autoscaling/v1alpha1/pa_lifecycle.go and pkg/reconciler/autoscaling/kpa/kpa.go; how Ready
follows from the others: knative.dev/pkg, apis/condition_set.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from .literals import Seconds

Mode = Literal["Serve", "Proxy"]
SERVE: Mode = "Serve"
PROXY: Mode = "Proxy"
TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"
NO_DECISION = -1


@dataclass(frozen=True)
class Condition:
    """`since`: when status, reason or message last changed."""

    status: str = UNKNOWN
    reason: str = ""
    message: str = ""
    since: Seconds = 0.0

    def at(self, now: Seconds, status: str, reason: str = "", message: str = "") -> Condition:
        same = (self.status, self.reason, self.message) == (status, reason, message)
        return self if same else Condition(status, reason, message, now)


@dataclass(frozen=True)
class State:
    """What a PodAutoscaler's status says, and how its traffic goes.

    `desired` is status.desiredScale, None before the first; `proxied_since` when the activator came into the path, None
    while it is out of it.
    """

    active: Condition = Condition()
    initialized: Condition = Condition()
    network: Condition = Condition()
    ready: Condition = Condition()
    desired: int | None = None
    mode: Mode = PROXY
    proxied_since: Seconds | None = None

    @classmethod
    def begin(cls, now: Seconds) -> State:
        """Of a PodAutoscaler that was just made: everything unknown, the activator in the path."""
        unknown = Condition(since=now)
        return cls(unknown, unknown, unknown, unknown, proxied_since=now)

    @classmethod
    def recalled(cls, conditions: Mapping[str, Condition], desired: int | None, mode: Mode, now: Seconds) -> State:
        """Of one whose status was written before a restart; how long the activator was in the path by then is not told."""
        unknown = Condition(since=now)
        return cls(
            active=conditions.get("Active", unknown),
            initialized=conditions.get("ScaleTargetInitialized", unknown),
            network=conditions.get("SKSReady", unknown),
            ready=conditions.get("Ready", unknown),
            desired=desired,
            mode=mode,
            proxied_since=now if mode == PROXY else None,
        )

    @property
    def conditions(self) -> dict[str, Condition]:
        return {
            "Active": self.active,
            "Ready": self.ready,
            "SKSReady": self.network,
            "ScaleTargetInitialized": self.initialized,
        }


def observed(state: State, now: Seconds, want: int, ready: int, enough: int) -> State:
    """The state after a look at the Pods. `want` may be -1, no decision; `enough` Pods make the revision active."""
    # After a restart nothing is decided for a while; the number from before stands.
    known = want == NO_DECISION and state.desired is not None and state.desired >= 0
    initialized = state.initialized.at(now, TRUE) if ready >= enough else state.initialized
    state = replace(
        state,
        desired=state.desired if known else want,
        initialized=initialized,
        active=_active(state.active, now, want, ready, enough),
    )
    return replace(state, ready=_ready(state, now))


def networked(state: State, now: Seconds, mode: Mode, ready: int, why_not: str = "") -> State:
    """The state under a mode; without a ready Pod the activator answers in either. `why_not`: traffic cannot flow yet."""
    in_path = mode == PROXY or ready == 0
    since = now if state.proxied_since is None else state.proxied_since
    network = state.network.at(now, UNKNOWN, "NotReady", why_not) if why_not else state.network.at(now, TRUE)
    return replace(state, mode=mode, proxied_since=since if in_path else None, network=network)


def _active(active: Condition, now: Seconds, want: int, ready: int, enough: int) -> Condition:
    idle = (FALSE, "NoTraffic", "The target is not receiving traffic.")
    if want == 0 or enough == 0:
        # Nothing goes from activating to zero but what could not be activated in time.
        failed = active.status == UNKNOWN and enough > 0
        return active.at(now, *((FALSE, "TimedOut", "The target could not be activated.") if failed else idle))
    if want < 0 and active.status == FALSE:
        return active.at(now, *idle) if ready < enough else active
    if ready >= enough:
        return active.at(now, TRUE)
    return active.at(now, UNKNOWN, "Queued", "Requests to the target are being buffered as resources are provisioned.")


def _ready(state: State, now: Seconds) -> Condition:
    """False if any is, else Unknown: as Active says if that is why, else as the one that changed last."""
    others = sorted((state.initialized, state.network), key=lambda condition: -condition.since)
    parts = [state.active, *others]
    for status in (FALSE, UNKNOWN):
        if bad := next((part for part in parts if part.status == status), None):
            return state.ready.at(now, status, bad.reason, bad.message)
    return state.ready.at(now, TRUE)
