"""steps.yaml, the lock and the lab's manifests → the steps of one platform, filled in. No program is run and nothing written."""

from __future__ import annotations

import secrets
from string import Template
from typing import Any

import yaml

from ...assets import folder, manifests
from ...errors import UsageError
from ...kube import Object
from ..order import ADMIN, AFTER_JOBS, FOLDERS, admin_secret, arrived
from . import lock, render
from .step import Argv, Command, Step, Wait
from .where import KIND, Where

_APPLY = ("kubectl", "apply", "--server-side", "--force-conflicts", "--field-manager=iiab", "-f")
# Of what upstream publishes: a manager's next apply takes away what it does not say again, so what the lab says of the same
# object, a namespace's label or a gateway's port, needs another.
_APPLY_THEIRS = tuple(word.replace("=iiab", "=iiab-upstream") for word in _APPLY)
_DELETE = ("kubectl", "delete", "--ignore-not-found", "--timeout=180s", "-f")
_SECONDS, _MODEL_SECONDS = 300, 600
Entry = dict[str, Any]


def steps(where: Where) -> tuple[Step, ...]:
    """Raises UsageError for a cluster that could not pull the lab's own images."""
    if where.context and not where.registry:
        raise UsageError(
            f"The cluster of {where.context} has to pull the lab's own images from somewhere.",
            f"name where you may push them: iiab up --engine cluster --context {where.context} --registry HOST/PATH",
        )
    maker = _Maker(where, lock.read())
    own = [maker.step(entry) for entry in maker.entries() if entry.get("only", where.on) == where.on]
    return (*own, *maker.folders())


def names(where: Where) -> list[str]:
    return [step.name for step in steps(where)]


class _Maker:
    """The steps of one place."""

    def __init__(self, where: Where, locked: lock.Lock) -> None:
        self._where, self._lock = where, locked
        self._names: dict[str, Any] = {
            "engine": str(render.HERE),
            "cluster": KIND,
            "node": locked.node,
            "kubeconfig": str(where.kubeconfig),
            "context": where.reached,
            "policy": str(where.policy),
            "kserve": locked.releases["kserve"],
            "prometheus_service": _service(where, 30090),
            "alertmanager_service": _service(where, 30093),
            **where.ports,
        }

    def entries(self) -> list[Entry]:
        found: list[Entry] = self._filled("steps.yaml")
        return found

    def step(self, entry: Entry) -> Step:
        """One entry of steps.yaml; its keys say what it does, and may come together."""
        applied = self._objects(entry)
        # What undoes it has no need of its values.
        objects = applied + ([_named_only(admin_secret(""))] if "secret" in entry else [])
        installed, removed = self._installed(entry)
        undone = [self._command(argv) for argv in entry.get("undo", ())]
        gone = [self._delete(objects)] if objects else []
        return Step(
            entry["name"],
            entry["why"],
            tuple([*self._run(entry), *self._built(entry), *installed, *self._applied(applied), *self._secret(entry)]),
            tuple(self._wait(wait) for wait in entry.get("waits", ())),
            tuple([*gone, *undone, *removed]),
            tuple(objects),
            entry.get("theirs", ""),
            self._webhook(entry),
            entry.get("race", ""),
        )

    def folders(self) -> list[Step]:
        """The lab's own manifests, in the order of either engine; models after what trains them."""
        made = []
        for name, why in FOLDERS:
            objects = render.objects(self._where, manifests() / name)
            late = [obj for obj in objects if obj["kind"] == AFTER_JOBS]
            made.append(self._folder("training" if late else name, why, [o for o in objects if o not in late]))
            if late:
                made.append(self._folder(name, "model servers, from what was trained", late))
        return made

    def _folder(self, name: str, why: str, objects: list[Object]) -> Step:
        waits = tuple(self._arrival(obj) for obj in objects if arrived(obj))
        return Step(name, why, tuple(self._applied(objects)), waits, (self._delete(objects),), tuple(objects))

    def _objects(self, entry: Entry) -> list[Object]:
        own = [render.HERE / "manifests" / name for name in entry.get("own", ())]
        theirs = [manifests() / name for name in entry.get("files", ())]
        return [obj for path in (*own, *theirs) for obj in render.objects(self._where, path)]

    def _run(self, entry: Entry) -> list[Command]:
        runs = entry.get("run", ())
        stdin = render.text([self._filled(entry["stdin"])]) if "stdin" in entry else ""
        last = len(runs) - 1
        return [
            self._command(
                argv,
                stdin=stdin,
                shows=entry.get("stdin", ""),
                pipe=bool(entry.get("pipe")) and index > 0,
                into=entry.get("into", "") if index == last else "",
            )
            for index, argv in enumerate(runs)
        ]

    def _built(self, entry: Entry) -> list[Command]:
        """The lab's images: into kind's node from here, or to where the cluster pulls from, for either architecture."""
        tags = {
            name: f"{render.OURS}{name}:{self._lock.images[render.OURS + name]}" for name in entry.get("images", ())
        }
        source = str(folder("manifests").parent)
        both = ("buildx", "build", "--platform", "linux/amd64,linux/arm64", "--push")
        how = both if self._where.registry else ("build",)
        build = ("docker", *how, "--file", str(manifests() / "Dockerfile"))
        made = [
            self._command((*build, "--target", name, "--tag", self._where.image(tag), source))
            for name, tag in tags.items()
        ]
        if tags and not self._where.context:
            made.append(self._command(("kind", "load", "docker-image", *tags.values(), "--name", KIND)))
        return made

    def _installed(self, entry: Entry) -> tuple[list[Command], list[Command]]:
        """A chart or a published file → (what installs it, what takes it away)."""
        if "file" in entry:
            source = self._lock.files[entry["file"]].source
            return [self._command((*_APPLY_THEIRS, source))], [self._command((*_DELETE, source))]
        if "chart" not in entry:
            return [], []
        chart, name, space = self._lock.charts[entry["chart"]], entry["name"], entry["namespace"]
        values = yaml.safe_dump(entry["values"], sort_keys=False, width=1000) if "values" in entry else ""
        options = ("--version", chart.version, "--namespace", space, *(("--values", "-") if values else ()))
        shows = f"values of {name}" if values else ""
        if not entry.get("render"):
            install = ("helm", "upgrade", "--install", name, chart.source, *options)
            removed = ("helm", "uninstall", name, "--namespace", space, "--ignore-not-found", "--wait")
            return [self._command(install, stdin=values, shows=shows)], [self._command(removed)]
        template = self._command(
            ("helm", "template", name, chart.source, "--include-crds", *options), stdin=values, shows=shows
        )
        made = [template, self._command((*_APPLY_THEIRS, "-"), pipe=True)]
        return made, [template, self._command((*_DELETE, "-"), pipe=True)]

    def _secret(self, entry: Entry) -> list[Command]:
        if "secret" not in entry:
            return []
        there = ("kubectl", "get", "secret", ADMIN[0], "-n", ADMIN[1], "--ignore-not-found", "-o", "name")
        made = render.text([admin_secret(self._where.password or secrets.token_urlsafe(15))])
        unless = () if self._where.password else self._reaching(there)
        shows = f"Secret {ADMIN[1]}/{ADMIN[0]}"
        return [self._command((*_APPLY, "-"), stdin=made, shows=shows, unless=unless, secret=True)]

    def _applied(self, objects: list[Object]) -> list[Command]:
        """Namespaces first, alone: what goes into them is refused until they are there."""
        spaces = [obj for obj in objects if obj["kind"] == "Namespace"]
        rest = [obj for obj in objects if obj["kind"] != "Namespace"]
        return [
            self._command((*_APPLY, "-"), stdin=render.text(o), shows=render.listed(o)) for o in (spaces, rest) if o
        ]

    def _delete(self, objects: list[Object]) -> Command:
        last_first = objects[::-1]
        stdin, shows = render.text(last_first), render.listed(last_first)
        return self._command((*_DELETE, "-"), stdin=stdin, shows=shows, objects=tuple(last_first))

    def _webhook(self, entry: Entry) -> Command | None:
        if "webhook" not in entry:
            return None
        checked = render.text([self._filled(f"webhooks/{entry['webhook']}")])
        argv = ("kubectl", "apply", "--server-side", "--dry-run=server", "--field-manager=iiab", "-f", "-")
        return self._command(argv, stdin=checked, shows=f"webhooks/{entry['webhook']}")

    def _arrival(self, obj: Object) -> Wait:
        meta, seconds = obj["metadata"], _MODEL_SECONDS if obj["kind"] in (AFTER_JOBS, "Job") else _SECONDS
        group = obj["apiVersion"].rpartition("/")[0]
        kind = ".".join(filter(None, (obj["kind"].lower(), group)))
        words = ["-n", meta["namespace"], f"{kind}/{meta['name']}"]
        return self._wait([f"--for=condition={arrived(obj)}", *words], seconds)

    def _wait(self, wait: Any, seconds: int = _SECONDS) -> Wait:
        if isinstance(wait, dict) and "daemonset" in wait:
            space = wait["namespace"]
            words = (
                "kubectl",
                "rollout",
                "status",
                f"daemonset/{wait['daemonset']}",
                "-n",
                space,
                f"--timeout={seconds}s",
            )
            return Wait(self._reaching(words), space)
        if isinstance(wait, dict):
            wait = ["--for=condition=Available", "-n", wait["namespace"], "deployment", "--all"]
        space = wait[wait.index("-n") + 1] if "-n" in wait else ""
        return Wait(self._reaching(("kubectl", "wait", *wait, f"--timeout={seconds}s")), space)

    def _command(self, argv: Any, **rest: Any) -> Command:
        return Command(self._reaching(tuple(argv)), **rest)

    def _reaching(self, argv: Argv) -> Argv:
        """kubectl and helm are told which cluster, always: a user's current context is not ours to use."""
        if argv[0] == "kubectl" and argv[1] != "config":
            return (argv[0], "--kubeconfig", str(self._where.kubeconfig), "--context", self._where.reached, *argv[1:])
        if argv[0] == "helm":
            return (*argv, "--kubeconfig", str(self._where.kubeconfig), "--kube-context", self._where.reached)
        return argv

    def _filled(self, name: str) -> Any:
        """A YAML file of this folder, with the names filled in after it is read: what they stand for is never read as YAML."""
        return _fill(yaml.safe_load((render.HERE / name).read_text()), self._names)


def _fill(value: Any, names: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_fill(item, names) for item in value]
    if isinstance(value, dict):
        return {name: _fill(item, names) for name, item in value.items()}
    if not isinstance(value, str):
        return value
    whole = names.get(value.removeprefix("$")) if value.startswith("$") else None
    return Template(value).substitute(names) if whole is None else whole


def _named_only(secret: Object) -> Object:
    return {name: value for name, value in secret.items() if name in ("apiVersion", "kind", "metadata")}


def _service(where: Where, port: int) -> dict[str, Any]:
    return {"type": "NodePort", "nodePort": port} if where.on == "kind" else {"type": "ClusterIP"}
