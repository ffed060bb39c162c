"""A decision and what is there → the replicas to set, who takes the traffic, the conditions, and when to look again.

Source: knative/serving, pkg/reconciler/autoscaling/kpa/{scaler,kpa}.go. There the mode is a ServerlessService's: `Serve`
sends traffic to the Pods, `Proxy` to the activator.
"""

from __future__ import annotations

from dataclasses import dataclass

from .decider import Decision
from .literals import Seconds
from .settings import Settings
from .status import FALSE, NO_DECISION, PROXY, SERVE, TRUE, UNKNOWN, Mode, State, networked, observed

PROBE: Seconds = 1.0
# An activation is given up this long after the Deployment gave up, so that the reason is told before the Pods go.
ACTIVATION_BUFFER: Seconds = 30.0
_AFTER_DEACTIVATION: Seconds = 3.0


@dataclass(frozen=True)
class Seen:
    """`ready` Pods, `replicas` the Deployment asks for; `reachable`: a route leads here.

    `activator_answers`: a probe of the revision's address, made now, was answered by the activator; `network`: why traffic
    cannot flow yet, "" where it can.
    """

    now: Seconds
    ready: int
    replicas: int
    reachable: bool = True
    activator_answers: bool = False
    network: str = ""


@dataclass(frozen=True)
class Outcome:
    """`replicas`: what to set, None to leave them; `want`: -1 where nothing is decided.

    `after`: look again that many seconds on, None for not before something changes; `probe`: with an answer to whether the
    activator is in the path, which this look lacked.
    """

    want: int
    replicas: int | None
    state: State
    after: Seconds | None = None
    probe: bool = False


@dataclass(frozen=True)
class _Move:
    want: int
    apply: bool
    after: Seconds | None = None
    probe: bool = False


def reconcile(settings: Settings, decision: Decision, state: State, seen: Seen) -> Outcome:
    move = _move(settings, decision.desired, state, seen)
    mode: Mode = SERVE if move.want > 0 and decision.excess_burst_capacity >= 0 else PROXY
    after = networked(state, seen.now, mode, seen.ready, seen.network)
    after = observed(after, seen.now, move.want, seen.ready, enough(settings, state, seen.reachable))
    changes = move.apply and move.want != seen.replicas
    return Outcome(move.want, move.want if changes else None, after, move.after, move.probe)


def bounded(settings: Settings, state: State, reachable: bool, desired: int) -> int:
    """Within min-scale and max-scale; the initial scale is a minimum until it was reached once."""
    least = settings.min_scale if reachable else 0
    if reachable and settings.initial_scale > 1 and state.initialized.status != TRUE:
        least = max(least, settings.initial_scale)
    if desired < least:
        return least
    return min(desired, settings.max_scale) if settings.max_scale else desired


def enough(settings: Settings, state: State, reachable: bool) -> int:
    """How many ready Pods make the revision active."""
    least = settings.min_scale if reachable else 0
    return max(least, 1 if state.initialized.status == TRUE else settings.initial_scale)


def _move(settings: Settings, desired: int, state: State, seen: Seen) -> _Move:
    if desired < 0 and state.active.status != UNKNOWN:
        return _Move(desired, False)
    if want := bounded(settings, state, seen.reachable, desired):
        return _Move(want, True)
    if not settings.scale_to_zero:
        return _Move(1, True)
    to_zero = {UNKNOWN: _give_up, TRUE: _deactivate, FALSE: _leave}
    return to_zero[state.active.status](settings, state, seen)


def _give_up(settings: Settings, state: State, seen: Seen) -> _Move:
    timeout = settings.progress_deadline + ACTIVATION_BUFFER
    if seen.now - state.active.since > timeout:
        return _Move(0, True)
    return _Move(NO_DECISION, False, timeout)


def _deactivate(settings: Settings, state: State, seen: Seen) -> _Move:
    """One Pod stays until the revision was active for a stable window; then it is told inactive, and not yet scaled."""
    left = settings.stable_window - (seen.now - state.active.since)
    if left > 0:
        return _Move(1, True, left)
    return _Move(0, False, _AFTER_DEACTIVATION if state.mode == PROXY else PROBE)


def _leave(settings: Settings, state: State, seen: Seen) -> _Move:
    """The last Pod goes when the activator surely has the traffic and the Pod was kept as long as it should be."""
    if seen.replicas == 0:
        return _Move(0, False)
    if settings.target_burst_capacity != -1 and not seen.activator_answers:
        return _Move(0, False, PROBE, probe=True)
    inactive, grace = seen.now - state.active.since, settings.grace_period
    retention = settings.pod_retention if seen.reachable else 0.0
    if inactive >= max(grace, retention):
        return _Move(0, True)
    if inactive < retention:
        return _Move(0, False, retention - inactive)
    proxied = 0.0 if state.proxied_since is None else seen.now - state.proxied_since
    return _Move(0, True) if proxied >= grace else _Move(0, False, grace - proxied)
