"""Which share the newest revision gets, and which revision counts as rolled out: KServe's bookkeeping, case by case."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.engines.embedded.rules.kserve_canary import component, traffic

ONE, TWO, THREE = (f"iris-predictor-0000{n}" for n in (1, 2, 3))


def isvc(percent: int | None, rolled_out: str = "", previous: str = "", tags: bool = False) -> dict[str, Any]:
    known = {"latestRolledoutRevision": rolled_out, "previousRolledoutRevision": previous}
    predictor = {"canaryTrafficPercent": percent} if percent is not None else {}
    return {
        "metadata": {"name": "iris", "annotations": {"serving.kserve.io/enable-tag-routing": "true"} if tags else {}},
        "spec": {"predictor": predictor},
        "status": {"components": {"predictor": {k: v for k, v in known.items() if v}}},
    }


def latest(percent: int, **more: Any) -> dict[str, Any]:
    return {"latestRevision": True, "percent": percent, **more}


def prev(revision: str, percent: int) -> dict[str, Any]:
    return {"revisionName": revision, "latestRevision": False, "percent": percent, "tag": "prev"}


@pytest.mark.parametrize(
    ("service", "targets"),
    [
        (isvc(None), [latest(100)]),
        (isvc(None, ONE), [latest(100)]),
        (isvc(10), [latest(100)]),  # nothing was rolled out yet: there is nobody to share with
        (isvc(10, ONE), [latest(10), prev(ONE, 90)]),
        (isvc(0, ONE), [latest(0), prev(ONE, 100)]),
        (isvc(100, ONE), [latest(100)]),
        (isvc(10, ONE, tags=True), [latest(10, tag="latest"), prev(ONE, 90)]),
        (isvc(100, ONE, tags=True), [latest(100, tag="latest")]),
        (isvc(None, ONE, tags=True), [latest(100, tag="latest")]),
        (isvc(10, tags=True), [latest(100, tag="latest")]),
    ],
)
def test_targets(service: dict[str, Any], targets: list[dict[str, Any]]) -> None:
    assert traffic(service) == targets


def ksvc(created: str, ready: str, *targets: tuple[str, int, bool]) -> dict[str, Any]:
    listed = [{"revisionName": name, "percent": percent, "latestRevision": newest} for name, percent, newest in targets]
    return {"status": {"latestCreatedRevisionName": created, "latestReadyRevisionName": ready, "traffic": listed}}


@pytest.mark.parametrize(
    ("before", "service", "after"),
    [
        (("", ""), ksvc(ONE, ONE, (ONE, 100, True)), (ONE, "")),  # the first rollout
        ((ONE, ""), ksvc(TWO, TWO, (TWO, 10, True), (ONE, 90, False)), (ONE, "")),  # a canary changes nothing
        ((ONE, ""), ksvc(TWO, TWO, (TWO, 0, True), (ONE, 100, False)), (ONE, "")),  # nor does one that gets nothing
        ((ONE, ""), ksvc(TWO, TWO, (TWO, 100, True)), (TWO, ONE)),  # promoted
        ((TWO, ONE), ksvc(TWO, TWO, (TWO, 100, True)), (TWO, ONE)),  # and told again
        ((TWO, ONE), ksvc(THREE, TWO, (TWO, 100, True)), (TWO, ONE)),  # a new one that is not ready yet
        # Promoted already and then set back to 0: both targets are the same revision, so the one before it comes back.
        ((TWO, ONE), ksvc(TWO, TWO, (TWO, 0, True), (TWO, 100, False)), (ONE, ONE)),
        ((TWO, ONE), ksvc(TWO, TWO, (TWO, 20, True), (TWO, 80, False)), (ONE, ONE)),
        ((ONE, ONE), ksvc(TWO, TWO, (TWO, 0, True), (ONE, 100, False)), (ONE, ONE)),
        # The same without one before it, or while a newer one is not ready: nothing to go back to.
        ((ONE, ""), ksvc(ONE, ONE, (ONE, 20, True), (ONE, 80, False)), (ONE, "")),
        ((TWO, ONE), ksvc(THREE, TWO, (TWO, 20, True), (TWO, 80, False)), (TWO, ONE)),
        # A revision by name with everything is no rollout of the latest.
        ((ONE, ""), ksvc(TWO, TWO, (TWO, 100, False)), (ONE, "")),
        ((ONE, ""), ksvc(TWO, TWO), (ONE, "")),
    ],
)
def test_what_is_rolled_out(before: tuple[str, str], service: dict[str, Any], after: tuple[str, str]) -> None:
    made = component(isvc(None, *before), service)
    assert (made.get("latestRolledoutRevision", ""), made.get("previousRolledoutRevision", "")) == after
    assert made["latestCreatedRevision"] == service["status"]["latestCreatedRevisionName"]
    assert made["latestReadyRevision"] == service["status"]["latestReadyRevisionName"]
    assert made.get("traffic", []) == service["status"]["traffic"]


def test_the_address_appears_when_the_service_is_ready_and_stays() -> None:
    told = {"url": "http://u", "address": {"url": "http://a"}}
    waiting = {"status": {**told, "conditions": [{"type": "Ready", "status": "Unknown"}]}}
    ready = {"status": {**told, "conditions": [{"type": "Ready", "status": "True"}]}}
    assert "url" not in component(isvc(None), waiting)
    made = component(isvc(None), ready)
    assert (made["url"], made["address"]) == ("http://u", {"url": "http://a"})
    after = {"status": {"components": {"predictor": made}}}
    assert component(after, {"status": {}})["url"] == "http://u"
