"""`lab.audit` and `iiab audit` over a stream in a folder: what is asked for comes, newest last; a spoiled stream is said to be."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas
import pytest
from typer.testing import CliRunner

from iiab_lab import audit, controls, verify_audit
from iiab_lab.cli import app
from iiab_lab.errors import NotRunning, UsageError
from iiab_lab.services.audit.requests import COLUMNS
from iiab_lab.services.audit.stream import Limits, Stream, segments
from iiab_lab.target import Target

from .services.audit.facts import INGRESS, fact

NOW = datetime.now(UTC)
KEY = b"k" * 32


def at(hours: float) -> str:
    return (NOW - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty requests an hour apart, the newest just now; every tenth is refused, every request has two hops."""
    place = tmp_path_factory.mktemp("audit") / "stream"
    stream = Stream(place, KEY, Limits(segment=4000))
    for number in range(40):
        refused = number % 10 == 9
        said = {"decision": "denied", "status": 403, "reason": "authorization: no rule allows it"} if refused else {}
        who = "tenant-b" if number % 4 == 3 else "tenant-a"
        asked = fact(number, time=at(39 - number), actor=who, actor_tenant=who, **said)
        stream.append([asked._replace(hop="sidecar", actor=INGRESS, actor_tenant="istio-system"), asked], "2026-11-25")
        stream.commit({})
    stream.close()
    return place


def test_the_newest_requests_come_oldest_first(folder: Path) -> None:
    frame = audit(folder=folder, limit=5)
    assert list(frame.columns) == list(COLUMNS) and list(frame.request_id) == [f"request-{n}" for n in range(35, 40)]
    assert frame.time.dtype == "datetime64[ns, UTC]" or str(frame.time.dtype).endswith("UTC]")
    assert set(frame.hops) == {"tier-1 sidecar"} and set(frame.layer) == {"sidecar"}


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ({"decision": "denied"}, [9, 19, 29, 39]),
        ({"tenant": "tenant-b"}, [*range(3, 40, 4)]),
        ({"actor": "tenant-b", "decision": "denied"}, [19, 39]),
        ({"tenant": "tenant-a", "since": "2.5h"}, [37, 38, 39]),
        ({"since": at(1.5)}, [38, 39]),
        ({"since": "1d", "limit": 2}, [38, 39]),
        ({"request_id": "request-7"}, [7]),
        ({"tenant": "tenant-z"}, []),
        ({"limit": 0}, []),
    ],
)
def test_what_is_asked_for_comes(folder: Path, asked: dict[str, str], numbers: list[int]) -> None:
    assert list(audit(folder=folder, **asked).request_id) == [f"request-{n}" for n in numbers]  # type: ignore[arg-type]


def test_with_hops_every_record_is_a_row(folder: Path) -> None:
    frame = audit(folder=folder, hops=True, request_id="request-7")
    assert list(frame.layer) == ["sidecar", "tier-1"] and list(frame.actor) == [INGRESS, "tenant-b"]
    assert len(audit(folder=folder, hops=True, limit=1000)) == 80


@pytest.mark.parametrize(
    ("asked", "cure"), [({"decision": "refused"}, "one of: allowed"), ({"since": "noon"}, "write an age")]
)
def test_what_cannot_be_asked_is_said_with_the_cure(folder: Path, asked: dict[str, str], cure: str) -> None:
    with pytest.raises(UsageError, match=cure):
        audit(folder=folder, **asked)  # type: ignore[arg-type]


def test_where_there_is_no_stream_it_is_said_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="iiab up"):
        audit(Target("embedded", tmp_path, "", "", "", home=tmp_path))


def test_the_seal_is_checked_where_its_key_is(folder: Path, tmp_path: Path) -> None:
    assert verify_audit(folder=folder).records == 80 and not verify_audit(folder=folder).sealed
    home = tmp_path / "home"
    (home / "volumes" / "audit" / "audit-seal").mkdir(parents=True)
    (home / "volumes" / "audit" / "audit-seal" / "key").write_text(KEY.hex())
    (home / "volumes" / "audit" / "audit-stream").symlink_to(folder)
    found = verify_audit(Target("embedded", home, "", "", "", home=home))
    assert found.sealed and not found.broken


def run(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["audit", *map(str, words)], env={"COLUMNS": "200"})
    return done.exit_code, done.stdout


def test_the_command_shows_a_table_json_or_csv(folder: Path, tmp_path: Path) -> None:
    code, text = run("--folder", folder, "--decision", "denied")
    assert code == 0 and text.count("denied") == 4 and "no rule allows it" in text
    code, text = run("--folder", folder, "--limit", 3, "--json")
    assert code == 0 and [row["request_id"] for row in json.loads(text)] == ["request-37", "request-38", "request-39"]
    code, _ = run("--folder", folder, "--tenant", "tenant-b", "--csv", tmp_path / "rows.csv")
    assert code == 0 and list(pandas.read_csv(tmp_path / "rows.csv").columns) == list(COLUMNS)


def test_the_command_verifies(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iiab_lab.services.audit.verify._PATIENCE", 0.0)
    code, text = run("verify", "--folder", folder)
    head = json.loads(segments(folder)[-1].read_text().splitlines()[-1])["hash"]
    assert code == 0 and "80 records hold; the last is 80" in text and f"head {head}" in text
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    third = segments(copy)[2]
    third.write_bytes(third.read_bytes().replace(b'"allowed"', b'"allowee"', 1))
    broken = int(third.stem) + next(n for n, line in enumerate(third.read_text().splitlines()) if "allowee" in line)
    code, text = run("verify", "--folder", copy)
    assert code == 1 and f"BROKEN at record {broken} ({third.name}, line {broken - int(third.stem) + 1})" in text
    code, text = run("verify", "--folder", copy, "--json")
    assert code == 1 and json.loads(text)["seq"] == broken


def test_every_control_says_what_shows_it_and_what_is_missing() -> None:
    frame = controls()
    assert list(frame.columns) == ["framework", "control", "asks", "evidence", "see", "missing"]
    assert set(frame.framework) == {"GDPR", "HIPAA", "SOC 2"} and not frame.duplicated(["framework", "control"]).any()
    assert (frame.asks != "").all() and (frame.missing != "").all()
    assert ((frame.evidence == "") == (frame.see == "")).all()
    assert frame.missing[frame.evidence == ""].str.startswith("Not covered.").all()


@pytest.mark.parametrize("command", sorted({see for see in controls().see if see}))
def test_every_command_of_the_controls_is_one(command: str) -> None:
    name, *words = command.split()
    done = CliRunner().invoke(app, [*([] if words[0] == "kubectl" else words), "--help"])
    assert name == "iiab"
    assert done.exit_code == 0, done.output
