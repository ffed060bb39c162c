"""A program that writes on and on keeps its log small, whole lines first, and the attempts before last are gone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from iiab_lab import holes
from iiab_lab.engines.embedded.processes.log_files import GONE, forget, mark, tidy, times_of

LINE = b"x" * 63 + b"\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "pod" / "main"
    folder.mkdir(parents=True)
    return folder / "0.log"


def test_a_full_log_loses_its_front_and_no_offset_moves(tmp_path: Path, log: Path) -> None:
    """What a follower has yet to read stands where it stood, whatever its program writes meanwhile."""
    with log.open("ab", buffering=0) as program, log.open("rb") as follower:
        program.write(LINE * 200)
        tidy(tmp_path, most=16384)
        assert log.stat().st_blocks * 512 >= 200 * 64, "not full yet"
        program.write(LINE * 200)
        assert follower.seek(390 * 64)
        tidy(tmp_path, most=16384)
        program.write(b"new\n")
        assert follower.read() == LINE * 10 + b"new\n"
    with log.open("rb") as left:
        first = holes.first_byte(left.fileno())
        assert log.stat().st_size == 400 * 64 + 4 and first == 16384 and log.stat().st_blocks * 512 <= 16384
        left.seek(first)
        assert left.read() == LINE * (400 - first // 64) + b"new\n"


def test_the_times_of_what_is_gone_go_but_for_the_last(tmp_path: Path, log: Path) -> None:
    sizes: dict[Path, int] = {}
    for second in range(10):
        with log.open("ab") as program:
            program.write(LINE * 64)
        mark(tmp_path, sizes, float(second))
    tidy(tmp_path, most=16384)
    assert times_of(log).read_text() == "".join(f"{n}.000 {(n + 1) * 4096}\n" for n in (7, 8, 9))


def test_where_the_disk_has_no_holes_it_is_copied_aside(
    tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holes, "punch", lambda *_: False)
    with log.open("ab", buffering=0) as program:
        program.write(LINE * 400)
        tidy(tmp_path, most=16384)
        program.write(b"new\n")
    assert log.read_bytes() == b"new\n"
    assert (log.parent / "0.log.1").read_bytes() == LINE * 400


def test_only_the_last_two_attempts_stay(tmp_path: Path) -> None:
    folder = tmp_path / "pod" / "main"
    folder.mkdir(parents=True)
    for attempt in range(12):
        (folder / f"{attempt}.log").write_text("x")
    tidy(tmp_path)
    assert {file.name for file in folder.iterdir()} == {"10.log", "11.log"}


def test_logs_of_pods_that_are_gone_go_too_the_oldest_first(tmp_path: Path) -> None:
    folder, pods = tmp_path / "logs", tmp_path / "pods"
    (pods / "alive").mkdir(parents=True)
    for age, uid in enumerate(["alive", *(f"gone{index}" for index in range(GONE + 3))]):
        pod = folder / f"tenant-a_model_{uid}"
        (pod / "server").mkdir(parents=True)
        os.utime(pod, (age, age))
    tidy(folder)
    left = {pod.name.rsplit("_", 1)[1] for pod in folder.iterdir()}
    assert left == {"alive", *(f"gone{index}" for index in range(3, GONE + 3))}


def test_the_logs_of_a_namespace_that_is_gone_go_once_they_were_read_and_no_others(tmp_path: Path) -> None:
    logs, pods = tmp_path / "logs", tmp_path / "pods"
    for name in ("blue_web_1", "blue_web_2", "blue-2_web_3"):
        (logs / name).mkdir(parents=True)
    (pods / "2").mkdir(parents=True)  # of a namespace of the same name that came since
    forget(logs, "blue")
    tidy(logs)
    assert (logs / "blue_web_1").exists(), "somebody may still be reading"
    os.utime(logs / "blue.gone", (0, 0))
    tidy(logs)
    assert sorted(file.name for file in logs.iterdir()) == ["blue-2_web_3", "blue_web_2"]
