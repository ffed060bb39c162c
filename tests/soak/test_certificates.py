"""A minute of 100 requests/s over TLS to an autoscaled model while both CAs are rotated again and again. Run with `-s` for the figures."""

from __future__ import annotations

from pathlib import Path

from iiab_lab import rotate_ca
from iiab_lab.traffic.load.handle import load
from iiab_lab.traffic.load.phases import Phase

from ..bench.elastic import NAME, Models
from ..e2e.lab import running

RATE, SECONDS = 100, 60


def test_no_rotation_of_many_fails_a_request(tmp_path: Path) -> None:
    """The activator is in the model's path, and Pods come and go: those, too, show what the others trust."""
    with running(tmp_path / "home") as lab:
        models = Models.of(lab)
        with models.served([NAME], wait=True, minReplicas=2):
            run, rounds = load(models.client, NAME, Phase.constant("constant", RATE, SECONDS)), 0
            while run.now().requests < RATE * SECONDS * 0.9:
                for which in ("edge", "mesh"):
                    rotate_ca(models.client.target, which)
                rounds += 1
            seen = run.wait().now().seen
        print(f"\n{rounds} rotations of each: {seen}")
        assert seen == {200: RATE * SECONDS} and rounds > 3
