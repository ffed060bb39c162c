"""The Dockerfile makes what the manifests run: the same programs as on the embedded engine, and nothing that is root's."""

from __future__ import annotations

import re
import shlex
from importlib.metadata import version
from typing import Any

import yaml

from iiab_lab.assets import manifests
from iiab_lab.engines.cluster import lock
from iiab_lab.engines.cluster.render import OURS
from iiab_lab.engines.cluster.steps import steps
from iiab_lab.engines.embedded.processes.images import IMAGES

from .places import KIND

DOCKERFILE = (manifests() / "Dockerfile").read_text()
STAGES = dict(re.findall(r"^FROM base AS (\w+)\nENTRYPOINT (\[.*\])$", DOCKERFILE, re.M))


def containers(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [found for item in value for found in containers(item)]
    if not isinstance(value, dict):
        return []
    own = [value] if isinstance(value.get("image"), str) else []
    return own + [found for item in value.values() for found in containers(item)]


def test_each_target_is_the_program_that_stands_for_that_image() -> None:
    for name, entrypoint in STAGES.items():
        assert yaml.safe_load(entrypoint) == ["python", *IMAGES[OURS + name]().argv[1:]]


def test_every_image_of_ours_that_is_applied_is_built_and_loaded() -> None:
    applied = {c["image"] for step in steps(KIND) for obj in step.objects for c in containers(obj)}
    ours = {image for image in applied if image.startswith(OURS)}
    built = next(step for step in steps(KIND) if step.name == "images").commands
    tags = {argv[argv.index("--tag") + 1]: argv[argv.index("--target") + 1] for argv in (c.argv for c in built[:-1])}
    assert set(tags) == ours and set(tags.values()) == set(STAGES)
    assert {image.partition(":")[2] for image in ours} == {version("iiab-lab")}
    assert ours == {word for word in built[-1].argv if word.startswith(OURS)}


def test_every_other_image_is_the_locks() -> None:
    applied = {c["image"] for step in steps(KIND) for obj in step.objects for c in containers(obj)}
    images = lock.read().images
    assert all(images.get(name) == tag for name, _, tag in (image.partition(":") for image in applied))


def test_it_names_no_registry_is_pinned_and_runs_as_nobody() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.M)
    assert set(bases) == {"python:${PYTHON}", "base"}
    assert re.findall(r"^ARG PYTHON=(\S+)$", DOCKERFILE, re.M) == [lock.read().images["python"]]
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.M) and "amd64" not in DOCKERFILE.replace(
        "linux/amd64,linux/arm64", ""
    )
    pinned = (manifests() / "constraints.txt").read_text().splitlines()[1:]
    assert len(pinned) > 100 and all(re.fullmatch(r"[a-z0-9._-]+==[\w.+!-]+", line) for line in pinned)
    assert any(
        shlex.split(line)[:1] == ["RUN"] and "--constraint manifests/constraints.txt" in line
        for line in DOCKERFILE.splitlines()
    )


def test_nothing_of_ours_may_write_to_its_root_or_become_more_than_it_is() -> None:
    pods = [
        obj["spec"]["template"]["spec"]
        for step in steps(KIND)
        for obj in step.objects
        if obj["kind"] in ("Deployment", "Job")
    ]
    ours = [pod for pod in pods if pod["containers"][0]["image"].startswith(OURS)]
    assert len(ours) == 7
    for pod in ours:
        may = pod["containers"][0]["securityContext"]
        assert (
            may["readOnlyRootFilesystem"]
            and not may["allowPrivilegeEscalation"]
            and may["capabilities"]["drop"] == ["ALL"]
        )
        root = pod["securityContext"].get("runAsUser") == 0
        assert pod["securityContext"].get("runAsNonRoot") is True or (root and pod["serviceAccountName"] == "audit")
