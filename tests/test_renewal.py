"""When a renewal is through, when it was refused, and what cannot be renewed so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from iiab_lab import renewal, rotate_ca
from iiab_lab.errors import NotReady, UsageError
from iiab_lab.target import Target


def certificate(**conditions: str) -> dict[str, Any]:
    told = [{"type": type_, "status": status, "message": "no"} for type_, status in conditions.items()]
    return {"metadata": {"name": "web", "namespace": "here"}, "status": {"conditions": told}}


@pytest.mark.parametrize(
    ("conditions", "over"),
    [
        ({"Ready": "True"}, True),
        ({"Ready": "False"}, False),
        ({}, False),
        ({"Ready": "True", "Issuing": "True"}, False),
    ],
)
def test_a_renewal_is_over_once_nobody_works_on_it(conditions: dict[str, str], over: bool) -> None:
    assert renewal._is_over(certificate(**conditions)) is over


def test_a_refused_renewal_says_where_to_look() -> None:
    with pytest.raises(NotReady, match=r"was not issued: no\n  → iiab kubectl describe certificaterequests -n here"):
        renewal._is_over(certificate(Ready="True", Issuing="False"))


def test_a_cluster_s_ca_is_not_rotated_from_here() -> None:
    target = Target("cluster", Path("kubeconfig"), "", "", "")
    with pytest.raises(UsageError, match="on a cluster: renew the CA's Certificate"):
        rotate_ca(target, "edge")
