"""IIAB_PORTS → the port map."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from iiab_lab.engines import ports
from iiab_lab.errors import PortTaken, UsageError


def test_the_defaults_are_those_of_the_readme(tmp_path: Path) -> None:
    assert ports.choose("", tmp_path / "ports.json") == ports.DEFAULTS


def test_one_port_moves_and_the_rest_stay(tmp_path: Path) -> None:
    assert ports.choose("gateway=18080", tmp_path / "p") == ports.DEFAULTS | {"gateway": 18080}


@pytest.mark.parametrize(
    "setting", ["gatewy=1", "gateway", "gateway=", "gateway=0", "gateway=70000", "gateway=-1", "gateway=x"]
)
def test_what_is_no_setting_is_refused_with_the_names(tmp_path: Path, setting: str) -> None:
    with pytest.raises(UsageError, match="gateway_tls"):
        ports.choose(setting, tmp_path / "p")


def test_two_endpoints_cannot_share_a_port(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="share a port"):
        ports.choose("gateway=9090", tmp_path / "p")


def test_automatic_ports_are_free_distinct_and_remembered(tmp_path: Path) -> None:
    first = ports.choose("auto", tmp_path / "home" / "ports.json")
    assert len(set(first.values())) == len(ports.DEFAULTS) and all(map(ports.is_free, first.values()))
    assert ports.choose("auto", tmp_path / "home" / "ports.json") == first


def test_a_remembered_port_that_is_taken_meanwhile_gives_way(tmp_path: Path) -> None:
    first = ports.choose("auto", tmp_path / "ports.json")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first["gateway"]))
        taken.listen()
        assert ports.choose("auto", tmp_path / "ports.json")["gateway"] != first["gateway"]


def test_a_taken_port_names_its_owner_and_the_flag() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PortTaken, match=rf"pid {os.getpid()}\).*\n.*--ports prometheus="):
            ports.require_free({"prometheus": taken.getsockname()[1]})
