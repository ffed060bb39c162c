"""`iiab backup` of a running platform, `iiab restore` into another home: the same objects, the same model, 200."""

from __future__ import annotations

from pathlib import Path

import pytest

from .lab import Lab
from .test_recovery import objects, predict


@pytest.fixture
def file(lab: Lab, tmp_path: Path) -> Path:
    file = tmp_path / "platform.backup"
    said = lab.iiab("backup", str(file)).stdout
    assert "objects" in said and "Secrets" in said
    return file


def test_a_platform_moves_into_another_home(lab: Lab, file: Path, tmp_path: Path) -> None:
    other = Lab(tmp_path / "other")
    assert "Start it: iiab up" in other.iiab("restore", str(file)).stdout
    try:
        assert "integrity checked" in other.iiab("up").stderr
        assert objects(lab) == objects(other)
        for issued in (other, lab):  # the signing key came along
            assert predict(other, issued.token("tenant-a")) == 200
    finally:
        other.iiab("down", check=False)


def test_a_running_platform_is_never_replaced(lab: Lab, file: Path) -> None:
    done = lab.iiab("restore", str(file), check=False)
    assert done.returncode == 2 and "iiab down" in done.stderr and "Traceback" not in done.stderr
    assert lab.status()["ready"]
