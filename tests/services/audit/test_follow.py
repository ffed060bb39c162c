"""A follower reads every line once, however the log is rotated, and wherever it was stopped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from iiab_lab import holes
from iiab_lab.engines.embedded.processes.log_files import tidy
from iiab_lab.services.audit.follow import Log, Position


class Writer:
    """A program that holds its log open, as a container's does; `reopen` is what the API server does at a rotation."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.count = path, 0
        self.reopen()

    def reopen(self) -> None:
        self._file = self.path.open("ab", buffering=0)

    def write(self, lines: int) -> None:
        self._file.write(b"".join(b'{"n": %06d}\n' % (self.count + index) for index in range(lines)))
        self.count += lines

    def part(self, text: bytes) -> None:
        self._file.write(text)


def renamed(writer: Writer) -> None:
    """As logging.handlers.RotatingFileHandler has it."""
    for number in (3, 2, 1):
        older = writer.path.with_name(f"{writer.path.name}.{number}")
        if older.exists():
            os.replace(older, writer.path.with_name(f"{writer.path.name}.{number + 1}"))
    os.replace(writer.path, writer.path.with_name(f"{writer.path.name}.1"))
    writer.reopen()


def stamped(writer: Writer) -> None:
    """As the kubelet has it."""
    os.replace(writer.path, writer.path.with_name(f"{writer.path.name}.2026-{writer.count:08d}"))
    writer.reopen()


def emptied(writer: Writer) -> None:
    shutil.copyfile(writer.path, writer.path.with_name(f"{writer.path.name}.1"))
    os.truncate(writer.path, 0)


def holed(writer: Writer) -> None:
    tidy(writer.path.parents[2], most=holes.BLOCK * 2)


ROTATIONS = pytest.mark.parametrize("rotate", [renamed, stamped, emptied, holed])


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "logs" / "pod" / "container" / "0.log")


def read(log: Log) -> list[int]:
    found = []
    while lines := log.lines():
        found += [int(line[6:12]) for line in lines]
    return found


@ROTATIONS
def test_every_line_comes_once_across_rotations(writer: Writer, rotate: Callable[[Writer], None]) -> None:
    log, found = Log(writer.path), []
    for _ in range(12):
        writer.write(300)
        found += read(log)
        writer.write(7)  # these are there when it is rotated, and not read yet
        rotate(writer)
        writer.write(5)
    found += read(log)
    assert found == [*range(writer.count)] and log.lost == 0


@ROTATIONS
@pytest.mark.parametrize("away", [1, 2])
def test_a_follower_that_was_away_goes_on_where_it_was(
    writer: Writer, rotate: Callable[[Writer], None], away: int
) -> None:
    writer.write(500)
    log = Log(writer.path)
    found, at = read(log), log.position
    log.close()
    for _ in range(away if rotate in (renamed, stamped) else 1):
        writer.write(20)
        rotate(writer)
    writer.write(10)
    again = Log(writer.path, at)
    assert found + read(again) == [*range(writer.count)] and again.lost == 0


def test_what_was_gone_before_it_was_read_is_counted(writer: Writer) -> None:
    writer.write(100)
    log = Log(writer.path)
    read(log)
    at = log.position
    writer.write(2000)
    holed(writer)
    writer.write(1)
    found = read(log)
    assert found == [*range(found[0], 2101)] and found[0] > 100
    assert log.lost == (found[0] - 100) * 14
    for old in writer.path.parent.iterdir():
        old.unlink()
    writer.reopen()
    writer.write(1)
    gone = Log(writer.path, Position(at.inode + 10**6, at.offset))
    assert read(gone) == [2101] and gone.lost > 0


def test_a_line_is_read_when_it_is_whole(writer: Writer) -> None:
    log = Log(writer.path)
    assert log.lines() == []
    writer.part(b'{"a"')
    assert log.lines() == [] and log.position.offset == 0
    writer.part(b": 1}\nx")
    assert log.lines() == [b'{"a": 1}'] and log.behind == 1


def test_a_log_that_is_not_there_yet(tmp_path: Path) -> None:
    log = Log(tmp_path / "0.log")
    assert log.lines() == [] and log.behind == 0 and log.lost == 0
    (tmp_path / "0.log").write_bytes(b"a\n")
    assert log.lines() == [b"a"]


def test_a_line_without_an_end_is_given_up(writer: Writer) -> None:
    log = Log(writer.path)
    writer.part(b"x" * (2 << 20))
    log.lines()
    assert log.lost == 1 << 20


def test_the_container_runtimes_prefix_goes_and_its_parts_are_put_together(writer: Writer) -> None:
    """A line of more than 16 KiB comes in parts: whoever sends a long path does not get out of the log by it."""
    log = Log(writer.path)
    stamp = b"2026-11-25T16:00:00.000000001Z stdout"
    writer.part(stamp + b' F {"a": 1}\n' + stamp + b' P {"b":\n')
    assert log.lines() == [b'{"a": 1}']
    writer.part(stamp + b" P  2\n" + stamp + b" F }\n" + stamp + b" F c\n")
    assert log.lines() == [b'{"b": 2}', b"c"]
