"""Under a hundred requests a second: keys rotate, limits and paths change, a model's new version comes; nobody is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from iiab_lab.traffic.load.handle import Load
from iiab_lab.traffic.load.phases import Phase

from ..bench.predictions import prediction
from .lab import Lab
from .management import HOST, Management

MODEL, RATE, SECONDS = "busy", 100.0, 6.0
UNLIMITED = {"requestsPerMinute": 100_000, "requestsPerHour": 1_000_000}


@pytest.fixture(scope="module")
def admin(lab: Lab) -> Iterator[Management]:
    admin = Management(lab, lab.token("admin"))
    admin.create(MODEL)
    yield admin
    admin.remove(MODEL)


@pytest.fixture(scope="module")
def key(admin: Management) -> str:
    return admin.publish(MODEL, externalPath="/busy", rateLimiting=UNLIMITED)


def rotate(admin: Management) -> None:
    admin.ok("POST", f"/api/models/{MODEL}/publish/rotate-key", {"overlapSeconds": 60})


def change_limits(admin: Management) -> None:
    limits = {name: value + 1 for name, value in UNLIMITED.items()}
    admin.ok("PUT", f"/api/models/{MODEL}/publish", {"config": {"rateLimiting": limits}})


def change_path(admin: Management) -> None:
    admin.ok("PUT", f"/api/models/{MODEL}/publish", {"config": {"externalPath": "/busier", "overlapSeconds": 60}})


def new_version(admin: Management) -> None:
    before = admin.ok("GET", f"/api/models/{MODEL}")["fullStatus"]["components"]["predictor"]["latestReadyRevision"]
    admin.ok("PUT", f"/api/models/{MODEL}", {"scaleTarget": 7})
    while (
        admin.ok("GET", f"/api/models/{MODEL}")["fullStatus"]["components"]["predictor"]["latestReadyRevision"]
        == before
    ):
        pass


def publish_another(admin: Management) -> None:
    other = "busy-other"
    admin.create(other)
    try:
        admin.publish(other, publicHostname="busy.example.com")
    finally:
        admin.remove(other)


@pytest.mark.parametrize(
    "change",
    [
        rotate,
        change_path,
        *(pytest.param(one, marks=pytest.mark.soak) for one in (change_limits, publish_another, new_version)),
    ],
)
def test_no_request_fails(lab: Lab, admin: Management, key: str, change: Callable[[Management], None]) -> None:
    call = prediction(lab.url("gateway"), {"Host": HOST, "x-api-key": key}, "/busy")
    changing = threading.Thread(target=change, args=(admin,))
    begun = threading.Timer(1.0, changing.start)
    begun.start()
    run = Load(call, Phase.constant("constant", RATE, SECONDS)).wait()
    begun.join()
    changing.join(60)
    assert not changing.is_alive() and run.now().seen == {200: int(RATE * SECONDS)}
