"""Where a platform is to be: which home, which cluster, which ports. Everything that the steps are filled in with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from .. import ports

KIND = "iiab"


@dataclass(frozen=True)
class Where:
    """`context` names a cluster that is there; without one, kind makes one. `registry` is where such a cluster pulls the lab's
    own images from. `password` is the management service's admin's."""

    home: Path
    context: str = ""
    ports: dict[str, int] = field(default_factory=lambda: dict(ports.DEFAULTS))
    registry: str = ""
    password: str = ""

    @property
    def on(self) -> str:
        return "context" if self.context else "kind"

    @property
    def kubeconfig(self) -> Path:
        return self.home / "kubeconfig"

    @property
    def policy(self) -> Path:
        """The API server's audit policy, which kind mounts into the node."""
        return self.home / "audit-policy.yaml"

    @property
    def reached(self) -> str:
        """The context in `kubeconfig`."""
        return self.context or f"kind-{KIND}"

    def image(self, repository: str) -> str:
        return f"{self.registry}/{repository}" if self.registry else repository
