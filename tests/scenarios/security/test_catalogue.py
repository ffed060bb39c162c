"""The catalogue as data: whole, without doubles, each entry with a source, a layer that exists and a control of its own."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys

import pytest

from iiab_lab.errors import UsageError
from iiab_lab.scenarios.security import catalogue, hostile
from iiab_lab.scenarios.security.attack import LAYERS, MANAGEMENT, Ask, Attack
from iiab_lab.scenarios.security.attacks.forged import FORGED
from iiab_lab.services.management.routes import admin, models, publishing, uploads

ALL = catalogue.attacks()
# Of them a stranger gets its own, or they are of nobody.
_OWN = {"/frameworks", "/models", "/publish/test/validate", "/publish/test/history", "/published-models"}


def test_no_two_have_one_name() -> None:
    names = [one.name for one in ALL]
    assert len(set(names)) == len(names) and {one.kind for one in ALL} == set(catalogue.KINDS)


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_an_entry_says_whence_what_who_and_how_it_passes(one: Attack) -> None:
    assert one.source and one.tries and one.statuses and one.passes
    assert one.layers and set(one.layers) <= set(LAYERS)
    assert one.control != one.send
    if isinstance(one.send, Ask) and (token := one.send.bearer):
        assert token in FORGED or token in ("tenant-a", "tenant-b", "admin")


def test_every_route_of_a_model_and_of_the_admin_is_tried_by_a_stranger() -> None:
    tried = {(one.send.method, one.send.path.partition("?")[0]) for one in ALL if isinstance(one.send, Ask) and MANAGEMENT in one.layers}  # fmt: skip
    parameters = {"{model}": "<victim>", "{key_id}": "<key-id>", "{version}": "1", "{tenant}": "tenant-a"}
    missing = []
    for part in (models, publishing, uploads, admin):
        for route in part.router.routes:
            path = route.path  # type: ignore[attr-defined]
            if path.removeprefix("/api") in _OWN or path.startswith("/registry") or path.endswith("/upload"):
                continue
            for name, value in parameters.items():
                path = path.replace(name, value)
            missing += [(method, path) for method in route.methods if (method, path) not in tried]  # type: ignore[attr-defined]
    assert missing == []


def test_kinds_and_names_choose() -> None:
    assert {one.kind for one in catalogue.attacks(["ssrf"])} == {"ssrf"}
    assert [one.id for one in catalogue.attacks(["jwt: alg-none"])] == ["alg-none"]
    with pytest.raises(UsageError, match="no attack nonsense"):
        catalogue.attacks(["nonsense"])


def test_what_is_sent_names_only_what_the_stage_knows() -> None:
    known = {"owner", "victim", "key", "key-id", "api-server", "length", "id", "home", "keys", "kubeconfig", "theirs"}
    texts = [str(vars(one.send)) + str(vars(one.control)) for one in ALL if hasattr(one.send, "__dict__")]
    named = set(re.findall(r"<([a-z][a-z0-9:-]*)>", " ".join(texts)))
    assert {name for name in named if not name.startswith("token:")} <= known


def test_the_hostile_model_reports_each_try_wherever_it_is_loaded() -> None:
    """In a program that knows nothing of this package."""
    targets = {"there": ("list", "/"), "away": ("read", "/no/such/file")}
    model = pickle.dumps(hostile.Hostile(targets))
    load = [sys.executable, "-I", "-S", "-c", "import pickle, sys; assert pickle.load(sys.stdin.buffer) is None"]
    done = subprocess.run(load, input=model, capture_output=True, check=True)
    assert hostile.reported(done.stdout.decode()) == {"there": "done", "away": "FileNotFoundError"}
    assert hostile.reported("nothing of it") == {}
