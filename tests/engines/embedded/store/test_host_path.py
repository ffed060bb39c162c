"""A Pod sees a directory of the node only in a Namespace that may, and only what this node has."""

from __future__ import annotations

from typing import Any

import pytest

from iiab_lab.engines.embedded.objects.kinds import POD, Key, Kind
from iiab_lab.engines.embedded.objects.names import POD_SECURITY
from iiab_lab.engines.embedded.store.admission import Admit, host_path
from iiab_lab.errors import ApiError


class Namespaces:
    def __init__(self, level: str) -> None:
        self._labels = {POD_SECURITY: level} if level else {}

    def read(self, kind: Kind, key: Key) -> dict[str, Any] | None:
        return {"metadata": {"name": key.name, "labels": self._labels}}

    def read_all(self, kind: Kind, namespace: str | None = None) -> list[dict[str, Any]]:
        return []


def admitted(level: str, *paths: str, operation: str = "CREATE") -> Any:
    volumes = [{"name": f"v{index}", "hostPath": {"path": path}} for index, path in enumerate(paths)]
    pod = {
        "metadata": {"name": "x", "namespace": "n"},
        "spec": {"volumes": [*volumes, {"name": "own", "emptyDir": {}}]},
    }
    return host_path.check(Admit(POD, operation, pod, None, "", Namespaces(level)))


@pytest.mark.parametrize("level", ["", "baseline", "restricted"])
def test_only_a_privileged_namespace_sees_the_node(level: str) -> None:
    with pytest.raises(ApiError) as refused:
        admitted(level, "/var/log/pods", "/etc")
    name = level or "baseline"
    said = f'pods "x" is forbidden: violates PodSecurity "{name}:latest": hostPath volumes (volumes "v0", "v1")'
    assert refused.value.code == 403 and refused.value.message == said and refused.value.cure


@pytest.mark.parametrize("path", ["/", "/etc", "/var/log", "/var/log/pods/../..", "/var/log/pods/"])
def test_a_privileged_one_sees_what_there_is(path: str) -> None:
    assert admitted("privileged", "/var/log/pods", "/var/log/kubernetes")
    with pytest.raises(ApiError, match=f"this node has no {path}"):
        admitted("privileged", path)


def test_a_pod_without_one_and_a_pod_that_is_there_pass() -> None:
    assert admitted("") and admitted("", "/etc", operation="UPDATE")
