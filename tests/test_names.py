"""The names that a notebook imports are what they are, whatever was imported before."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("name", ["audit", "tenants", "what_if"])
def test_a_function_is_not_its_module(name: str) -> None:
    code = f"import importlib; importlib.import_module('iiab_lab.{name}'); import iiab_lab; print(callable(iiab_lab.{name}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr
