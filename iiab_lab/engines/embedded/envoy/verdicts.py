"""What a translation says of an object: one condition of its status before it is stamped, or that it cannot be translated."""

from __future__ import annotations

from typing import NamedTuple


class Verdict(NamedTuple):
    """One condition of a status, before it is stamped."""

    holds: bool
    reason: str
    message: str = ""


class Invalid(Exception):
    """A policy that cannot be translated, and why."""


def sentence(said: str) -> str:
    """As Envoy Gateway writes the messages of conditions."""
    return said[:1].upper() + said[1:] + ("" if said.endswith(".") else ".")
