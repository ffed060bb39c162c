"""The chain: whatever is changed, removed, added or put elsewhere is found, and where; a crash loses and doubles nothing."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path

import pytest

from iiab_lab.services.audit.record import GENESIS, opened
from iiab_lab.services.audit.stream import HEAD, Limits, Stream, segments
from iiab_lab.services.audit.verify import verify

from .facts import fact

KEY, DAY = b"k" * 32, "2026-11-25"
SMALL = Limits(segment=8 << 10)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 records in several segments."""
    folder = tmp_path_factory.mktemp("written") / "stream"
    fill(folder, 100)
    return folder


@pytest.fixture
def stream(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy, to spoil. Nobody writes to it, so nobody is waited for."""
    monkeypatch.setattr("iiab_lab.services.audit.verify._PATIENCE", 0.0)
    shutil.copytree(written, tmp_path / "stream")
    for file in segments(tmp_path / "stream"):
        file.chmod(0o600)
    return tmp_path / "stream"


def fill(folder: Path, count: int, begin: int = 0, limits: Limits = SMALL) -> None:
    made = Stream(folder, KEY, limits)
    for number in range(begin, begin + count):
        made.append([fact(number)], DAY)
        made.commit({"log": (1, number)})
    made.close()


def numbers(folder: Path) -> list[int]:
    return [json.loads(text)["seq"] for file in segments(folder) for text in file.read_text().splitlines()]


def place(folder: Path, seq: int) -> tuple[Path, int]:
    """The segment and the line (from 0) of a record."""
    file = [one for one in segments(folder) if int(one.stem) <= seq][-1]
    return file, seq - int(file.stem)


def test_an_untouched_stream_holds(written: Path) -> None:
    found = verify(written, KEY)
    assert (found.broken, found.records, found.seq, found.sealed) == ("", 100, 100, True)
    assert numbers(written) == [*range(1, 101)] and len(segments(written)) > 3
    last = segments(written)[-1].read_bytes().splitlines()[-1]
    assert found.hash == json.loads(last)["hash"]
    assert json.loads(segments(written)[0].read_bytes().splitlines()[0])["previous"] == GENESIS


def test_a_record_says_by_itself_whether_it_is_whole(written: Path) -> None:
    """As anybody can check with twenty lines of their own: sorted keys, no spaces, everything but the hash."""
    import hashlib

    for text in segments(written)[0].read_text().splitlines():
        record = json.loads(text)
        digest = record.pop("hash")
        body = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        assert hashlib.sha256(body).hexdigest() == digest
        assert opened(text.encode()) == (record["seq"], record["previous"], digest)


@pytest.mark.parametrize("seed", range(60))
def test_one_changed_byte_is_found_in_its_record(stream: Path, seed: int) -> None:
    chance = random.Random(seed)
    file = chance.choice(segments(stream))
    content = bytearray(file.read_bytes())
    at = chance.randrange(len(content))
    content[at] = chance.choice([byte for byte in range(256) if byte != content[at]])
    file.write_bytes(content)
    line = content[:at].count(b"\n")
    found = verify(stream, KEY)
    assert found.broken and found.file == file.name
    # A newline made of another byte, or of a newline another byte, joins or parts lines: the first of the two is named.
    assert found.line == line + 1 and found.seq == int(file.stem) + line


@pytest.mark.parametrize("seed", range(20))
def test_one_changed_byte_of_the_head_is_found(stream: Path, seed: int) -> None:
    chance = random.Random(seed)
    content = bytearray((stream / HEAD).read_bytes())
    at = chance.randrange(len(content))
    content[at] ^= 1 << chance.randrange(8)
    (stream / HEAD).write_bytes(content)
    assert verify(stream, KEY).file == HEAD


def removed(lines: list[bytes], at: int) -> list[bytes]:
    return lines[:at] + lines[at + 1 :]


def doubled(lines: list[bytes], at: int) -> list[bytes]:
    return [*lines[: at + 1], *lines[at:]]


def swapped(lines: list[bytes], at: int) -> list[bytes]:
    other = at + 1 if at + 1 < len(lines) else at - 1
    lines = list(lines)
    lines[at], lines[other] = lines[other], lines[at]
    return lines


def forged(lines: list[bytes], at: int) -> list[bytes]:
    """One record rewritten with a hash of its own that is right."""
    from iiab_lab.services.audit.record import line

    record = json.loads(lines[at])
    made, _ = line(fact(1, decision="allowed", actor="nobody"), record["seq"], record["previous"])
    return [*lines[:at], made, *lines[at + 1 :]]


@pytest.mark.parametrize("spoil", [removed, doubled, swapped, forged])
@pytest.mark.parametrize("seq", [1, 2, 37, 50, 99, 100])
def test_a_record_removed_doubled_swapped_or_forged_is_found(
    stream: Path, spoil: Callable[[list[bytes], int], list[bytes]], seq: int
) -> None:
    file, at = place(stream, seq)
    before = file.read_bytes().splitlines()
    after = spoil(before, at)
    file.write_bytes(b"".join(text + b"\n" for text in after))
    differs = next(n for n, (old, new) in enumerate(zip_longest(before, after)) if old != new)
    # A forged record gives itself away by the one that follows it, the last one by the head.
    expected = int(file.stem) + differs + (spoil is forged and seq < 100)
    found = verify(stream, KEY)
    assert found.broken and found.seq == expected


def test_a_whole_segment_removed_is_found(stream: Path) -> None:
    for number, file in enumerate(segments(stream)):
        content = file.read_bytes()
        file.unlink()
        assert verify(stream, KEY).seq == int(file.stem), number
        file.write_bytes(content)
    assert not verify(stream, KEY).broken


@pytest.mark.parametrize("what", ["a record that fits", "a segment", "half a record"])
def test_what_is_added_behind_the_end_is_found(stream: Path, what: str) -> None:
    from iiab_lab.services.audit.record import line

    last = segments(stream)[-1]
    made, _ = line(fact(7), 101, verify(stream, KEY).hash)
    if what == "a segment":
        (stream / f"{101:012d}.jsonl").write_bytes(made + b"\n")
    else:
        with last.open("ab") as file:
            file.write(made + b"\n" if what == "a record that fits" else made[:50])
    found = verify(stream, KEY)
    assert found.seq == 101 and "behind the last committed" in found.broken


def test_a_copy_may_have_a_head_that_was_taken_before_its_segments(stream: Path) -> None:
    head = (stream / HEAD).read_bytes()
    fill(stream, 30, 100)
    (stream / HEAD).write_bytes(head)
    with segments(stream)[-1].open("ab") as file:
        file.write(b'{"half of')
    found = verify(stream, KEY, copy=True)
    assert (found.broken, found.seq, found.unsealed) == ("", 100, 31)
    assert verify(stream, KEY).broken
    assert sorted(file.name for file in stream.iterdir())[0] == HEAD, "as a backup goes through them"


def test_a_chain_made_anew_from_some_record_on_is_found_by_its_seal(stream: Path) -> None:
    """Whoever can write the files can make every hash fit; not the seal, whose key lies elsewhere."""
    shutil.rmtree(stream)
    made = Stream(stream, b"another key".ljust(32), SMALL)
    made.append([fact(number) for number in range(100)], DAY)
    made.commit({})
    assert verify(stream, KEY).broken == f"{HEAD} is not as it was sealed"
    assert not verify(stream).broken and not verify(stream).sealed


def test_without_its_head_a_stream_is_broken_and_none_at_all_is_said(stream: Path, tmp_path: Path) -> None:
    (stream / HEAD).unlink()
    assert verify(stream, KEY).broken == f"{HEAD} is missing"
    with pytest.raises(FileNotFoundError):
        verify(tmp_path / "nothing", KEY)


def test_what_was_not_committed_is_cut_off_and_written_again(stream: Path) -> None:
    made = Stream(stream, KEY, SMALL)
    made.append([fact(n) for n in range(100, 140)], DAY)  # more than one segment would hold; then the power goes
    made.append([fact(n) for n in range(140, 150)], DAY)
    assert max(numbers(stream)) == 150
    fill(stream, 5, 100)
    assert numbers(stream) == [*range(1, 106)] and not verify(stream, KEY).broken


def test_a_stream_that_lost_its_end_goes_on_and_never_looks_whole_again(stream: Path) -> None:
    last = segments(stream)[-1]
    last.write_bytes(b"".join(last.read_bytes().splitlines(keepends=True)[:-2]))
    made = Stream(stream, KEY, SMALL)
    assert made.found == f"{last.name} had lost records"
    made.append([fact(200)], DAY)
    made.commit({})
    found = verify(stream, KEY)
    assert found.seq == 99 and found.broken


def test_a_head_that_was_changed_is_noticed_by_the_writer(stream: Path) -> None:
    head = json.loads((stream / HEAD).read_text())
    (stream / HEAD).write_text(json.dumps(head | {"seq": 3}))
    made = Stream(stream, KEY, SMALL)
    assert made.found == f"{HEAD} is not as it was sealed" and made.head.seq == 100


def test_a_new_day_begins_a_segment_and_the_chain_goes_on(tmp_path: Path) -> None:
    made = Stream(tmp_path / "s", KEY)
    for day in ("2026-11-25", "2026-11-25", "2026-11-26"):
        made.append([fact()], day)
        made.commit({})
    assert [file.stem for file in segments(tmp_path / "s")] == ["000000000001", "000000000003"]
    assert verify(tmp_path / "s", KEY).records == 3


def test_retention_removes_whole_segments_and_the_rest_still_holds(stream: Path) -> None:
    before, count = segments(stream), len(segments(stream))
    limits = Limits(segment=8 << 10, total=sum(file.stat().st_size for file in before[2:]))
    made = Stream(stream, KEY, limits)
    gone = made.expired(before[0].stat().st_mtime)
    assert gone == before[:2]
    assert made.remove(gone) == (1, int(before[2].stem) - 1)
    found = verify(stream, KEY)
    assert len(segments(stream)) == count - 2 and not found.broken
    assert found.records == 100 - int(before[2].stem) + 1 and found.seq == 100
    made.close()
    before[2].unlink()  # not by retention
    assert verify(stream, KEY).seq == int(before[2].stem)


def test_retention_by_age(stream: Path) -> None:
    made, newest = Stream(stream, KEY, SMALL), segments(stream)[-1]
    now = newest.stat().st_mtime
    assert made.expired(now) == []
    assert made.expired(now + 31 * 86400) == segments(stream)[:-1], "the one being written stays"


def test_only_its_owner_may_read_it(written: Path) -> None:
    assert {file.stat().st_mode & 0o777 for file in segments(written)[:-1]} == {0o400}
    assert {segments(written)[-1].stat().st_mode & 0o777, (written / HEAD).stat().st_mode & 0o777} == {0o600}
