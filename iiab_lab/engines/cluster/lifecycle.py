"""A home and a cluster → a running platform, and back: what `iiab up|down|status --engine cluster` do.

status.json is the embedded engine's, form and place, so `Target.connect()` finds either in the same way.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...errors import NotReady, NotRunning, UsageError
from ..embedded.credentials import write_private
from ..home import component, locked, write_json
from . import forward, preload, render, tools
from .record import FILE, Record
from .runner import Progress, Runner
from .step import Command, Step
from .steps import steps
from .where import KIND, Where

_MADE = ("kubeconfig", "ca.crt", "audit-policy.yaml", "status.json", FILE)
_GATEWAY = ("-n", "envoy-gateway-system", "gateway.gateway.networking.k8s.io/ai-inference-gateway")
# Until here and not further, when images are only to be pulled.
_IMAGES = "images"


def up(
    where: Where, progress: Progress, start: str = "", use: Iterable[str] = (), preload_only: bool = False
) -> dict[str, Any]:
    """Runs the steps, from `start` on → status. What is done already is only waited for; running it again changes nothing."""
    made = steps(where)
    todo = _from(made, start)
    _known(use, made)
    with locked(where.home):
        record = _record(where)
        if where.on == "kind":
            write_private(where.policy, (render.HERE / "audit-policy.yaml").read_bytes())
        runner = Runner(where, record, progress, tuple(use))
        if preload_only:
            runner.up(todo[: [step.name for step in todo].index(_IMAGES) + 1])
            preload.pull(made, progress)
        else:
            runner.up(todo[:1])
            _is_the_same(where, record)
            runner.up(todo[1:])
            _reach(where, record)
        status = status_of(where.home)
        write_json(where.home / "status.json", status)
        return status


def down(home: Path, progress: Progress) -> bool:
    """Takes away exactly what `up` made; False if there was nothing. A cluster that is gone already is no error."""
    record = Record.read(home)
    if record is None:
        return False
    where = record.where(home)
    with locked(home):
        forward.stop(record.forward)
        made = steps(where)
        # With kind's cluster goes all that is in it.
        Runner(where, record, progress).down(made[:1] if where.on == "kind" else made)
        for name in _MADE:
            (home / name).unlink(missing_ok=True)
    return True


def status_of(home: Path) -> dict[str, Any]:
    """The form of `iiab status --json`; raises NotRunning where this home has no cluster, or it does not answer."""
    record = Record.read(home)
    if record is None:
        raise NotRunning(f"No cluster is known in {home}.", "make one: iiab up --engine cluster")
    where = record.where(home)
    pods = _pods(where)
    components = [component(pod) for pod in pods if (pod.get("status") or {}).get("phase") != "Succeeded"]
    left = [step.name for step in steps(where) if record.steps.get(step.name, None) is None]
    return {
        "engine": "cluster",
        "ready": not left and all(one["ready"] for one in components),
        "home": str(home),
        "kubeconfig": str(where.kubeconfig),
        "context": where.reached,
        "ca": str(home / "ca.crt"),
        "endpoints": _endpoints(where),
        "components": components,
    }


def _from(made: tuple[Step, ...], start: str) -> tuple[Step, ...]:
    names = [step.name for step in made]
    if start and start not in names:
        raise UsageError(f"There is no step {start!r}.", f"--from one of: {', '.join(names)}")
    return made[names.index(start) :] if start else made


def _known(use: Iterable[str], made: tuple[Step, ...]) -> None:
    names = [step.name for step in made]
    for name in use:
        if name not in names:
            raise UsageError(f"There is no step {name!r}.", f"--use one of: {', '.join(names)}")


def _record(where: Where) -> Record:
    """What this home remembers, if it is of this place. Raises UsageError for another, and for a cluster of kind's not from here."""
    known = Record.read(where.home)
    if known is not None and known.context != where.context:
        raise UsageError(
            f"This home's platform is on {known.where(where.home).reached}.",
            "take it down first: iiab down; or choose another home: IIAB_HOME=…",
        )
    there = where.on == "kind" and KIND in tools.run(Command(("kind", "get", "clusters"))).split()
    if known is None and there:
        raise UsageError(
            f"There is a kind cluster {KIND} already, and not from this home.",
            f"delete it: kind delete cluster --name {KIND}; or set IIAB_HOME to the home it is from",
        )
    if known is not None and where.on == "kind" and not there:
        known = None  # deleted behind our back: nothing of what we know is true any more
    return known or Record.of(where)


def _is_the_same(where: Where, record: Record) -> None:
    """What is remembered of one cluster is not taken for true of another of the same name."""
    uid = _kubectl(where, "get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}").strip()
    if record.cluster not in ("", uid):
        record.steps = {name: done for name, done in record.steps.items() if name == "cluster"}
    record.cluster = uid
    record.write(where.home)


def _reach(where: Where, record: Record) -> None:
    """The edge's root as a file; on a cluster whose ports are not this machine's, forwards to what has no address of its own."""
    ca = _kubectl(where, "get", "configmap", "lab-ca", "-n", "istio-system", "-o", r"jsonpath={.data.ca\.crt}")
    write_private(where.home / "ca.crt", ca.encode())
    if where.on == "context" and not forward.runs(record.forward):
        record.forward = forward.start(where)
        record.write(where.home)


def _endpoints(where: Where) -> dict[str, str]:
    host = "localhost"
    http, https = where.ports["gateway"], where.ports["gateway_tls"]
    if where.on == "context":
        found = tools.ask(*_words(where, "get", *_GATEWAY, "-o", "jsonpath={.status.addresses[0].value}")).strip()
        host, http, https = (found, 80, 443) if found else (host, http, https)
    server = _kubectl(where, "config", "view", "-o", "jsonpath={.clusters[0].cluster.server}").strip()
    return {
        "gateway": f"http://{host}:{http}",
        "gateway_tls": f"https://{host}:{https}",
        "management": f"http://localhost:{where.ports['management']}",
        "prometheus": f"http://localhost:{where.ports['prometheus']}",
        "alertmanager": f"http://localhost:{where.ports['alertmanager']}",
        "kubernetes": server,
    }


def _pods(where: Where) -> list[dict[str, Any]]:
    """Those of the namespaces that are the platform's or a tenant's."""
    named = _kubectl(where, "get", "namespaces", "-o", "json")
    ours = {
        space["metadata"]["name"]
        for space in json.loads(named)["items"]
        if any(label.startswith("iiab.lab/") for label in space["metadata"].get("labels", {}))
    }
    pods: list[dict[str, Any]] = json.loads(_kubectl(where, "get", "pods", "-A", "-o", "json"))["items"]
    mine = [pod for pod in pods if pod["metadata"]["namespace"] in ours | {"default"}]
    return sorted(mine, key=lambda pod: (pod["metadata"]["namespace"], pod["metadata"]["name"]))


def _kubectl(where: Where, *words: str) -> str:
    try:
        return tools.run(Command(_words(where, *words)), seconds=60)
    except tools.ToolFailed as error:
        raise NotRunning(
            f"The cluster of {where.reached} does not answer: {error.said.strip()}",
            "start Docker or the cluster again; or give it up: iiab down",
        ) from error
    except NotReady as error:
        raise NotRunning(f"The cluster of {where.reached} does not answer.", "look at: kubectl cluster-info") from error


def _words(where: Where, *words: str) -> tuple[str, ...]:
    return ("kubectl", "--kubeconfig", str(where.kubeconfig), "--context", where.reached, *words)


def is_here(home: Path) -> bool:
    """Whether this home's platform is a cluster's."""
    return os.path.exists(home / FILE)
