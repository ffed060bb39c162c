"""Service names in arguments → what IIAB_HOSTS says of them."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.engines.embedded.objects.kinds import Key, Kind
from iiab_lab.engines.embedded.rules.service_names import environment

SERVICE = {
    "spec": {"ports": [{"name": "http", "port": 80}, {"name": "metrics", "port": 9000}, {"name": "gone", "port": 1}]}
}
NAME = "registry.default.svc.cluster.local"


def endpoints(ready: bool, http: int) -> dict[str, Any]:
    ports = [{"name": "http", "port": http}, {"name": "metrics", "port": http + 1}]
    return {"endpoints": [{"conditions": {"ready": ready}}], "ports": ports}


def hosts(args: list[str], *slices: dict[str, Any]) -> dict[str, str]:
    def get(kind: Kind, key: Key) -> dict[str, Any] | None:
        return SERVICE if (kind.kind, key) == ("Service", Key("default", "registry")) else None

    def listed(kind: Kind, namespace: str, labels: dict[str, str]) -> list[dict[str, Any]]:
        assert (kind.kind, namespace, labels) == (
            "EndpointSlice",
            "default",
            {"kubernetes.io/service-name": "registry"},
        )
        return list(slices)

    return environment(args, get, listed)


@pytest.mark.parametrize("arg", [NAME, f"http://{NAME}/a/b", f"--url=http://{NAME}:80", f"x,{NAME},y"])
def test_each_port_that_has_an_endpoint_is_told(arg: str) -> None:
    said = f"{NAME}:80=127.0.0.1:7000,{NAME}:9000=127.0.0.1:7001"
    assert hosts([arg, arg], endpoints(True, 7000)) == {"IIAB_HOSTS": said}


def test_a_ready_endpoint_is_preferred_and_a_starting_one_better_than_none() -> None:
    assert "127.0.0.1:8000" in hosts([NAME], endpoints(False, 7000), endpoints(True, 8000))["IIAB_HOSTS"]
    assert "127.0.0.1:7000" in hosts([NAME], endpoints(False, 7000))["IIAB_HOSTS"]
    assert hosts([NAME]) == {}


@pytest.mark.parametrize(
    "arg", ["", "pvc://models/x", f"x.{NAME}", f"{NAME}.example.com", "other.default.svc.cluster.local"]
)
def test_nothing_else_is_told(arg: str) -> None:
    assert hosts([arg], endpoints(True, 7000)) == {}
