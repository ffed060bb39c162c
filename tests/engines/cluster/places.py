"""The two places whose plans are held: a kind cluster, and a cluster that is there; in the home of nobody."""

from __future__ import annotations

from pathlib import Path

from iiab_lab.engines.cluster.where import Where

HOME = Path("/home/learner/.iiab")
KIND = Where(HOME)
CONTEXT = Where(HOME, context="lab", registry="images.example.com/lab")
PLACES = {"kind": KIND, "context": CONTEXT}
