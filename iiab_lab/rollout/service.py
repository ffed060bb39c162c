"""An InferenceService as a release sees it: which revisions there are, what the weights say, and three ways to change them.

KServe's canary in Knative mode: `canaryTrafficPercent` is the newest revision's share, the rest is the last one's that had
all; 0 takes it back, and without the field the newest has all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from ..errors import NotReady, UsageError
from ..kube import Object
from ..target import Target

_API = ("serving.kserve.io/v1beta1", "InferenceService")
_ROUTES = ("networking.istio.io/v1", "VirtualService")
_PERCENT = "canaryTrafficPercent"
_LOST = ("BlockedByFailedLoad", "InvalidSpec")
_IN_FORCE = 30.0  # seconds for weights to reach the routes


class State(NamedTuple):
    """What the API says at one moment. `percent` is None where all goes to the newest."""

    percent: int | None
    created: str
    ready: str
    rolled_out: str
    is_current: bool
    failure: str


class Service:
    """Raises UsageError for a service that is not there or has no canary."""

    def __init__(self, target: Target, name: str, namespace: str) -> None:
        self.target, self.name, self.namespace = target, name, namespace
        mode = (self._get().get("status") or {}).get("deploymentMode", "Knative")
        if mode not in ("Knative", "Serverless"):
            raise UsageError(
                f"{name} is served in {mode} mode, where {_PERCENT} has no effect.",
                "release it in Knative mode: serving.kserve.io/deploymentMode: Knative",
            )

    def state(self) -> State:
        return _state(self._get())

    def has(self, predictor: Mapping[str, Any]) -> bool:
        """Whether its predictor says all of this already."""
        return _within(predictor, self._get()["spec"]["predictor"])

    def offer(self, predictor: Mapping[str, Any]) -> None:
        """A new version without traffic. Both fields in one patch: 0 alone would take the version that serves back, and a
        share that is still there from before would go to whatever revision is the newest until this one is ready.
        """
        self._patch({**predictor, _PERCENT: 0})

    def give(self, percent: int) -> None:
        self._patch({_PERCENT: percent})

    def give_all(self) -> None:
        self._patch({_PERCENT: None})

    def await_candidate(self, others: Collection[str], seconds: float) -> str:
        """The newest revision that is none of the `others`, once it is ready. Raises NotReady with the reason where it cannot
        be, or is not in time.
        """

        def settled(isvc: Object) -> bool:
            state = _state(isvc)
            arrived = state.is_current and state.created not in {"", *others}
            return arrived and (state.created == state.ready or bool(state.failure))

        where = (*_API, self.namespace, self.name)
        state = _state(self.target.kube.wait(where, settled, what="rolled out as a new revision", timeout=seconds))
        if state.failure:
            raise NotReady(f"{state.created} does not become ready: {state.failure}", self._look())
        return state.created

    def await_weights(self, wanted: Mapping[str, int]) -> None:
        """Until the routes of tier 2 say so: revision → percent, zeros left out. Raises NotReady."""
        where = (*_ROUTES, self.namespace, f"{self.name}-predictor-ingress")
        kept = {name: percent for name, percent in wanted.items() if percent}
        self.target.kube.wait(where, lambda routes: weights(routes) == kept, what=f"at {kept}", timeout=_IN_FORCE)

    def weights(self) -> dict[str, int]:
        """revision → percent, as tier 2 is told."""
        return weights(self.target.kube.get(*_ROUTES, f"{self.name}-predictor-ingress", self.namespace) or {})

    def _get(self) -> Object:
        found = self.target.kube.get(*_API, self.name, self.namespace)
        if found is None:
            raise UsageError(
                f"There is no InferenceService {self.namespace}/{self.name}.", "see: iiab kubectl get isvc -A"
            )
        return found

    def _patch(self, predictor: Mapping[str, Any]) -> None:
        self.target.kube.merge(*_API, self.name, self.namespace, {"spec": {"predictor": dict(predictor)}})

    def _look(self) -> str:
        return f"look at: iiab kubectl describe isvc {self.name} -n {self.namespace}"


def weights(routes: Object) -> dict[str, int]:
    """revision → percent of a VirtualService's first rule; a single destination may leave its weight out."""
    http = (routes.get("spec") or {}).get("http") or [{}]
    found: dict[str, int] = {}
    for route in http[0].get("route") or ():
        name = route["destination"]["host"].split(".")[0]
        found[name] = found.get(name, 0) + route.get("weight", 100)
    return {name: percent for name, percent in found.items() if percent}


def _state(isvc: Object) -> State:
    status = isvc.get("status") or {}
    predictor = (status.get("components") or {}).get("predictor") or {}
    created, ready, rolled_out = (
        str(predictor.get(f"latest{which}Revision", "")) for which in ("Created", "Ready", "Rolledout")
    )
    current = status.get("observedGeneration", 0) >= isvc["metadata"].get("generation", 1)
    percent = isvc["spec"]["predictor"].get(_PERCENT)
    return State(percent, created, ready, rolled_out, current, _failure(status.get("modelStatus") or {}, created))


def _failure(model: Object, newest: str) -> str:
    """Why the newest revision's model cannot be loaded; "" if it can, or if an older one's is meant."""
    said = model.get("lastFailureInfo") or {}
    if model.get("transitionStatus") not in _LOST or said.get("modelRevisionName", newest) != newest:
        return ""
    return str(said.get("message") or said.get("reason") or "its model cannot be loaded")


def _within(wanted: Any, found: Any) -> bool:
    """Whether a merge patch would change nothing."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(_within(value, found.get(key)) for key, value in wanted.items())
    return bool(wanted == found)
