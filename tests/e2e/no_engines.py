"""An environment that knows a platform by a kubeconfig's context and URLs alone, and in which `iiab_lab.engines` is unimportable."""

from __future__ import annotations

import os
from pathlib import Path

import iiab_lab

from .lab import Lab

# The one thing of the engines that a notebook draws with: arithmetic, which reaches no platform.
ARITHMETIC = "iiab_lab.engines.embedded.rules.autoscaling"
# Python runs a module of this name as it starts: in every child, and in every notebook's kernel.
_SITE = """
import sys


class NoEngines:
    def find_spec(self, name, path=None, target=None):
        of_the_engines = name == "iiab_lab.engines" or name.startswith("iiab_lab.engines.")
        if of_the_engines and not f"{allowed}.".startswith(f"{name}.") and not name.startswith(f"{allowed}."):
            raise ImportError(f"{name} is not for what runs on a platform")
        return None


allowed = ALLOWED
sys.meta_path.insert(0, NoEngines())
"""


def elsewhere(lab: Lab, folder: Path) -> dict[str, str]:
    """The environment. Its home is an empty one: nothing is read from the platform's."""
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(_SITE.replace("ALLOWED", repr(ARITHMETIC)))
    status = lab.status()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("IIAB_")}
    return kept | {
        "PYTHONPATH": os.pathsep.join((str(site), str(Path(iiab_lab.__file__).parent.parent))),
        "IIAB_HOME": str(folder / "home"),
        "IIAB_KUBECONFIG": status["kubeconfig"],
        "IIAB_CONTEXT": "iiab",
        "IIAB_GATEWAY_URL": status["endpoints"]["gateway"],
        "IIAB_GATEWAY_TLS_URL": status["endpoints"]["gateway_tls"],
        "IIAB_MANAGEMENT_URL": status["endpoints"]["management"],
        "IIAB_PROMETHEUS_URL": status["endpoints"]["prometheus"],
        "IIAB_CA": status["ca"],
    }
