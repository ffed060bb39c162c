"""Prometheus for this environment: from PATH, else from the distribution's package, unpacked without root.

`python -m iiab_lab.engines.embedded.processes.provide` is a step of `make setup`; `prometheus()` is what the engine
asks at run time.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ....errors import LabError, Unsupported

_UNPACKED = Path(sys.prefix) / "share" / "iiab" / "prometheus"
_PLACES = ("/usr/local/bin", "/usr/bin", "/opt/homebrew/bin", "/opt/prometheus")

_CURES = {
    "Darwin": "brew install prometheus",
    "Linux": "install it with your package manager (dnf install prometheus, apk add prometheus, pacman -S prometheus), "
    "or put the binary of a release from prometheus.io on PATH",
}


def prometheus() -> Path | None:
    """The binary, or None where this environment has none."""
    found = shutil.which("prometheus") or shutil.which("prometheus", path=":".join((str(_UNPACKED), *_PLACES)))
    return Path(found) if found else None


def provide() -> Path:
    """Finds or unpacks Prometheus; raises Unsupported with the cure of this operating system."""
    if found := prometheus():
        return found
    if shutil.which("apt-get") and shutil.which("dpkg-deb"):
        with tempfile.TemporaryDirectory(prefix="iiab-apt-") as work:
            _unpack(_download(Path(work)), Path(work))
    if found := prometheus():
        return found
    raise Unsupported("Prometheus was not found.", _CURES.get(platform.system(), _CURES["Linux"]))


def _download(work: Path) -> Path:
    """The distribution's package; with package lists of our own where the system's are missing or stale."""
    if _apt(["download", "prometheus"], work) != 0:
        own = [f"-oDir::State::lists={work}/lists", f"-oDir::Cache={work}/cache", "-oDebug::NoLocking=1"]
        for folder in ("lists/partial", "cache/archives/partial"):
            (work / folder).mkdir(parents=True)
        if _apt([*own, "update"], work) != 0 or _apt([*own, "download", "prometheus"], work) != 0:
            raise Unsupported(
                "The package `prometheus` could not be downloaded.", "apt-get install prometheus, or go online once"
            )
    return next(work.glob("prometheus_*.deb"))


def _apt(arguments: list[str], work: Path) -> int:
    return subprocess.run(["apt-get", "-qq", *arguments], cwd=work, capture_output=True, check=False).returncode


def _unpack(package: Path, work: Path) -> None:
    subprocess.run(["dpkg-deb", "-x", str(package), str(work / "root")], check=True)
    _UNPACKED.mkdir(parents=True, exist_ok=True)
    shutil.copy2(work / "root/usr/bin/prometheus", _UNPACKED / "prometheus")


def main() -> int:
    try:
        print(f"Prometheus: {provide()}")
    except LabError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
