"""A program that writes on and on keeps its log small, whole lines first, and the attempts before last are gone."""

from __future__ import annotations

import os
from pathlib import Path

from iiab_lab.engines.embedded.processes.log_files import GONE, tidy


def test_a_full_log_is_set_aside_while_its_program_goes_on_writing(tmp_path: Path) -> None:
    folder = tmp_path / "pod" / "main"
    folder.mkdir(parents=True)
    with (folder / "0.log").open("ab", buffering=0) as program:
        program.write(b"old\n" * 100)
        tidy(tmp_path, most=1000)
        assert (folder / "0.log").stat().st_size == 400
        program.write(b"old\n" * 200)
        tidy(tmp_path, most=1000)
        program.write(b"new\n")
    assert (folder / "0.log").read_bytes() == b"new\n"
    assert (folder / "0.log.1").read_bytes() == b"old\n" * 300


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
