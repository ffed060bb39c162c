"""An InferenceService's canary: how much its newest revision gets, and which revision counts as rolled out.

Source: kserve, ksvc_reconciler.go (`createKnativeService`) and inference_service_status.go (`PropagateStatus`).
"""

from __future__ import annotations

from typing import Any

from ..objects.conditions import is_true
from ..objects.meta import Object, annotations_of
from ..objects.names import TAG_ROUTING


def traffic(isvc: Object) -> list[Object]:
    """All to the latest, or N % to it and the rest to the revision that was rolled out before."""
    percent = isvc["spec"]["predictor"].get("canaryTrafficPercent")
    rolled_out = _before(isvc).get("latestRolledoutRevision")
    split = percent is not None and bool(rolled_out)
    latest: Object = {"latestRevision": True, "percent": percent if split else 100}
    if annotations_of(isvc).get(TAG_ROUTING) == "true":
        latest["tag"] = "latest"
    if not split or percent == 100:
        return [latest]
    return [latest, {"revisionName": rolled_out, "latestRevision": False, "percent": 100 - percent, "tag": "prev"}]


def component(isvc: Object, ksvc: Object) -> Object:
    """status.components.predictor: revisions, traffic, addresses. `ksvc` is its Knative Service."""
    before, seen = _before(isvc), ksvc.get("status") or {}
    made: dict[str, Any] = {
        "latestCreatedRevision": seen.get("latestCreatedRevisionName"),
        "latestReadyRevision": seen.get("latestReadyRevisionName"),
        "traffic": seen.get("traffic"),
        **_rolled_out(before, seen),
    }
    source = seen if is_true(ksvc, "Ready") else before
    made |= {field: source.get(field) or before.get(field) for field in ("url", "address")}
    return {field: value for field, value in made.items() if value}


def _rolled_out(before: Object, seen: Object) -> Object:
    """The latest revision that took everything, and the one before it."""
    latest, previous = before.get("latestRolledoutRevision"), before.get("previousRolledoutRevision")
    ready, created = seen.get("latestReadyRevisionName"), seen.get("latestCreatedRevisionName")
    shares: dict[str, int] = {}
    for target in seen.get("traffic") or ():
        shares[target["revisionName"]] = shares.get(target["revisionName"], 0) + target.get("percent", 0)
    for target in seen.get("traffic") or ():
        if not target.get("latestRevision") or target["revisionName"] != ready:
            continue
        percent = target.get("percent", 0)
        if latest != ready:
            if percent == 100:
                previous, latest = latest, ready
        elif ready == created and percent < 100 and shares[ready] == 100 and previous:
            # Both targets are the same revision: it was rolled out, and now the one before it is wanted back.
            latest = previous
    return {"latestRolledoutRevision": latest, "previousRolledoutRevision": previous}


def _before(isvc: Object) -> Object:
    found: Object = ((isvc.get("status") or {}).get("components") or {}).get("predictor") or {}
    return found
