"""`iiab kubectl …`: kubectl with this platform's kubeconfig, else a built-in get, describe, logs, apply, delete, wait.

`port-forward` is always the lab's own.

The built-in one asks the API server for the same tables kubectl prints, so both show the same columns.
"""

from __future__ import annotations

import os
import shutil
import sys

from ..assets import home
from ..errors import NotRunning


def kubectl(arguments: list[str]) -> int:
    """Runs kubectl (or stands in for it) → its exit code."""
    kubeconfig = home() / "kubeconfig"
    if not kubeconfig.exists():
        raise NotRunning(f"There is no platform in {home()}.", "start it: iiab up")
    if _verb(arguments) == "port-forward":
        from .port_forward import main as forward

        return forward([word for word in arguments if word != "port-forward"], kubeconfig)
    if real := find():
        sys.stdout.flush()
        os.execve(real, ["kubectl", *arguments], os.environ | {"KUBECONFIG": str(kubeconfig)})  # noqa: S606 - no shell
    from ._kubectl import main

    return main(arguments, kubeconfig)


def _verb(arguments: list[str]) -> str:
    """The first word; a namespace may stand before it."""
    words = iter(arguments)
    for word in words:
        if word in ("-n", "--namespace"):
            next(words, "")
        elif not word.startswith("-"):
            return word
    return ""


def find() -> str:
    """Where kubectl is; "" where it is not installed, or IIAB_KUBECTL=builtin asks for ours."""
    return "" if os.environ.get("IIAB_KUBECTL") == "builtin" else shutil.which("kubectl") or ""
