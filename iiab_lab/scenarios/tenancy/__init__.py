"""Tenants try to reach, to crowd out and to slow down each other: each attempt counted, each with its control."""

from __future__ import annotations

import time

from ...target import Target
from ..report import Report
from . import matrix, neighbour, quota
from .matrix import isolation

__all__ = ["isolation", "run"]


def run(target: Target, seconds: float = 5.0) -> Report:
    """Sends about two thousand requests to the platform's own doors, and floods it for three times `seconds`; leaves nothing."""
    began, report = time.monotonic(), Report("tenancy", target.engine)
    matrix.add(report, target, matrix.ROADS)
    quota.add(report, target)
    neighbour.add(report, target, seconds)
    report.seconds = time.monotonic() - began
    return report
