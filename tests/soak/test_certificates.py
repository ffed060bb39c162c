"""A minute of 100 requests/s over TLS to an autoscaled model while both CAs are rotated again and again. Run with `-s` for the figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from iiab_lab import rotate_ca
from iiab_lab.traffic.load.handle import load
from iiab_lab.traffic.load.phases import Phase

from ..bench.elastic import NAME, Models
from ..e2e.lab import running
from ..e2e.test_mesh import authority

RATE, SECONDS = 100, 60
PHASES = ("remember", "new root", "trust", "sign", "forget")  # each is broken off right after its end
ROOTS = {"edge": ("lab-root-ca", "cert-manager"), "mesh": ("mesh-root-ca", "cert-manager")}


def test_no_rotation_of_many_fails_a_request(tmp_path: Path) -> None:
    """The activator is in the model's path, and Pods come and go: those, too, show what the others trust."""
    with running(tmp_path / "home") as lab:
        models = Models.of(lab)
        with models.served([NAME], wait=True, minReplicas=2):
            client = replace(models.client, tls=True)
            run, rounds = load(client, NAME, Phase.constant("constant", RATE, SECONDS)), 0
            while run.now().requests < RATE * SECONDS * 0.9:
                for which in ("edge", "mesh"):
                    rotate_ca(client.target, which)
                rounds += 1
            seen = run.wait().now().seen
        print(f"\n{rounds} rotations of each: {seen}")
        assert seen == {200: RATE * SECONDS} and rounds > 3


class BrokenOff(Exception):
    pass


def test_a_rotation_that_is_broken_off_anywhere_goes_on_where_it_was(tmp_path: Path) -> None:
    with running(tmp_path / "home") as lab:
        client = replace(Models.of(lab).client, tls=True)
        run = load(client, "sklearn-iris", Phase.constant("constant", RATE, 30))
        for which in ("edge", "mesh"):
            for phase in PHASES:

                def break_off(name: str, doing: str, at: str = phase) -> None:
                    if name == at and not doing:
                        raise BrokenOff

                before = authority(lab, *ROOTS[which])
                with pytest.raises(BrokenOff):
                    rotate_ca(client.target, which, progress=break_off)
                broken = authority(lab, *ROOTS[which])
                rotate_ca(client.target, which)
                after = authority(lab, *ROOTS[which])
                assert after != before and (broken == after) == (phase in ("new root", "trust", "sign")), phase
        assert run.wait().now().seen == {200: RATE * 30}
