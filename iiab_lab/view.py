"""What a learner looks at: a manifest before it is applied, objects as kubectl shows them, a proxy's own files."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import subprocess
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from .assets import manifests
from .errors import UsageError
from .kube import documents
from .target import Target

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Shown:
    """Text as a terminal would show it."""

    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f"<pre style='white-space:pre;overflow-x:auto;font-family:monospace'>{escape(self.text)}</pre>"


def source(path: str) -> Any:
    """A manifest, by its path below `manifests/`, as highlighted YAML."""
    from IPython.display import Markdown

    return Markdown(f"`manifests/{path}`\n```yaml\n{_manifest(path).read_text().rstrip()}\n```")


def apply(target: Target, what: str) -> pandas.DataFrame:
    """Applies a manifest (a path below `manifests/`, or YAML text) → kind, namespace, name, result of each object.

    Every document is read before the first is sent. Raises UsageError, or ApiError with the API server's own words.
    """
    import pandas

    objects = list(yaml.safe_load_all(what)) if "\n" in what else [obj for _, obj in documents(_manifest(what))]
    rows = []
    for obj in (obj for obj in objects if obj is not None):
        meta = obj["metadata"]
        result = target.kube.apply(obj)
        rows.append((obj["kind"], meta.get("namespace", ""), meta["name"], result))
    return pandas.DataFrame(rows, columns=["kind", "namespace", "name", "result"])


def kubectl(target: Target, command: str) -> Shown:
    """`kubectl <command>` on this platform: the real one where installed, else the built-in; no shell in between.

    Raises UsageError with kubectl's own words where it fails.
    """
    from .commands.kubectl import find

    words = shlex.split(command)
    real = find()
    if not real:
        return _built_in(target, words)
    context = ["--context", target.context] if target.context else []
    done = subprocess.run(
        [real, "--kubeconfig", str(target.kubeconfig), *context, *words], capture_output=True, text=True, timeout=120
    )
    if done.returncode:
        raise UsageError(f"kubectl {command}: {done.stderr.strip()}", "see what is served: kubectl api-resources")
    return Shown((done.stdout + done.stderr).rstrip())


def _built_in(target: Target, words: list[str]) -> Shown:
    from .commands._kubectl import main

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        main(words, target.kubeconfig)
    return Shown(printed.getvalue().rstrip())


def proxy_files(target: Target, proxy: str = "") -> pandas.DataFrame:
    """proxy, file, what it defines, bytes: every file of the configuration folder of each proxy whose name holds `proxy`.

    Empty on a cluster, where istiod and Envoy Gateway send it over gRPC: `istioctl proxy-config all POD -n NAMESPACE`.
    """
    import pandas

    rows = []
    for path in sorted(_proxies(target).rglob("*.json")) if target.home else ():
        namespace, pod, *file = path.relative_to(_proxies(target)).parts
        if proxy not in f"{namespace}/{pod}":
            continue
        names = [str(item.get("name") or item.get("cluster_name")) for item in _read(path).get("resources", ())]
        rows.append((f"{namespace}/{pod}", "/".join(file), ", ".join(names), path.stat().st_size))
    return pandas.DataFrame(rows, columns=["proxy", "file", "defines", "bytes"])


def proxy_file(target: Target, proxy: str, file: str) -> Any:
    """One of these files, as highlighted JSON with every private key masked. `proxy` is a part of its name."""
    from IPython.display import Markdown

    if not target.home:
        return Markdown("On a cluster: `istioctl proxy-config all POD -n NAMESPACE`")
    files = proxy_files(target, proxy)
    found = files[files["file"] == file]
    if found.empty:
        raise UsageError(f"There is no file {file!r} of a proxy {proxy!r}.", "choose one of: proxy_files(target)")
    path = _proxies(target) / found.iloc[0]["proxy"] / file
    return Markdown(
        f"`{found.iloc[0]['proxy']}/{file}`\n```json\n{json.dumps(_masked(_read(path)), indent=2, ensure_ascii=False)}\n```"
    )


def _proxies(target: Target) -> Path:
    return (target.home or Path()) / "proxies"


def _read(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.read_text())
    return read


def _masked(value: Any, below: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _masked(item, name if name == "private_key" else below) for name, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, below) for item in value]
    return "…" if below and isinstance(value, str) else value


def _manifest(path: str) -> Path:
    found = manifests() / path
    if not found.is_file():
        known = ", ".join(sorted(str(file.relative_to(manifests())) for file in manifests().rglob("*.yaml")))
        raise UsageError(f"There is no manifest {path!r}.", f"choose one of: {known}")
    return found
