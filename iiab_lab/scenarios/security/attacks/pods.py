"""Whoever may edit a namespace may start a Pod with any arguments: what programs of the platform do for somebody, they do in
that Pod's walls. Each is started as the other tenant's and ends by itself; its control is the same program on what is its own.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ....errors import NotReady
from ....kube import Kube, Object
from ..attack import CONFINEMENT, Attack, Outcome
from ..stage import STRANGER, Stage

_SOURCE = "API8:2023; CWE-73; CWE-250"
_INITIALIZER, _SERVER, _TRAINER = "kserve/storage-initializer", "kserve/sklearnserver", "iiab-lab/models"
_PATIENCE, _LOOK = 20.0, 0.1
_DONE, _REFUSED = "done", "refused"
_OVER = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Started:
    """A Pod of `owner`'s with one container; `done` if it ended well, else `refused`. /own is a ConfigMap of its namespace's."""

    image: str
    args: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = field(default=())
    owner: str = STRANGER

    def __call__(self, stage: Stage) -> Outcome:
        kube = stage.acting(self.owner)
        name = f"catalogue-{uuid.uuid4().hex[:8]}"
        try:
            for obj in self._objects(name, stage.fill):
                kube.apply(obj)
            pod = _ended(kube, name, self.owner)
        finally:
            for kind in ("Pod", "ConfigMap"):
                kube.delete("v1", kind, name, self.owner)
        status, said = _told(pod)
        return Outcome(status, said, (), CONFINEMENT)

    def _objects(self, name: str, fill: Callable[[str], str]) -> tuple[Object, Object]:
        meta = {"name": name, "namespace": self.owner}
        mounts = [{"name": "own", "mountPath": "/own"}, {"name": "out", "mountPath": "/out"}]
        container: dict[str, Any] = {
            "name": "main",
            "image": self.image,
            "args": [fill(word) for word in self.args],
            "env": [{"name": key, "value": fill(value)} for key, value in self.env],
            "ports": [{"containerPort": 8080}],
            "volumeMounts": mounts,
            "resources": {"limits": {"cpu": "100m", "memory": "300Mi"}},
        }
        spec = {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "containers": [container],
            "volumes": [{"name": "own", "configMap": {"name": name}}, {"name": "out", "emptyDir": {}}],
        }
        data = {"model.txt": "its own"}
        return (
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data},
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": meta | {"labels": {"sidecar.istio.io/inject": "false"}},
                "spec": spec,
            },
        )


def _ended(kube: Kube, name: str, namespace: str) -> Object:
    """Raises NotReady where it is not over in time."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        pod = kube.get("v1", "Pod", name, namespace)
        if pod and (pod.get("status") or {}).get("phase") in _OVER:
            return pod
        time.sleep(_LOOK)
    raise NotReady(f"The Pod {namespace}/{name} is not over after {_PATIENCE:.0f} s.", "look at: iiab status")


def _told(pod: Object) -> tuple[str, str]:
    """How it ended, and its last words: what was wrong, and its cure."""
    over = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    words = str(over.get("message", "")).strip().splitlines()
    return (
        _REFUSED if over["exitCode"] else _DONE
    ), f"exit code {over['exitCode']}: {' '.join(word.strip() for word in words[-2:])}"


def _try(id_: str, tries: str, attack: Started, control: Started) -> Attack:
    return Attack(id_, "pods", _SOURCE, tries, attack, (CONFINEMENT,), (_REFUSED,), control, (_DONE,))


def _copies(source: str) -> Started:
    return Started(_INITIALIZER, (source, "/out/x"))


_COPIES_ITS_OWN, _TRAINS = _copies("/own"), Started(_TRAINER, ("sklearn-iris", "--output=/out/iris"))
ATTACKS = (
    _try("copy-store", "an initializer that copies the store, which holds every Secret", _copies("<home>/store.db"), _COPIES_ITS_OWN),
    _try("copy-keys", "an initializer that copies the platform's keys", _copies("<keys>"), _COPIES_ITS_OWN),
    _try("copy-kubeconfig", "an initializer that copies the administrator's kubeconfig", _copies("<kubeconfig>"), _COPIES_ITS_OWN),
    _try("copy-model", "an initializer that copies another tenant's model", _copies("<theirs>/model.joblib"), _COPIES_ITS_OWN),
    _try("copy-dots", "an initializer that leaves its own folder by dots", _copies("/own/../../../../store.db"), _COPIES_ITS_OWN),
    _try("copy-over", "an initializer that writes into another tenant's model", Started(_INITIALIZER, ("/own", "<theirs>")), _COPIES_ITS_OWN),
    _try("train-home", "a training that writes among the platform's files", Started(_TRAINER, ("sklearn-iris", "--output=<home>/catalogue-was-here")), _TRAINS),
    _try("train-over", "a training that takes another tenant's model's place", Started(_TRAINER, ("sklearn-iris", "--output=<theirs>")), _TRAINS),
    _try("serve-model", "a server of another tenant's model", Started(_SERVER, ("--model_name=x", "--model_dir=<theirs>")), _TRAINS),
    _try(
        "variable", "an initializer that is told by a variable where the platform's Services are",
        Started(_INITIALIZER, ("http://x.y.svc.cluster.local/" + "0" * 64, "/out"), (("IIAB_HOSTS", "x.y.svc.cluster.local:80=127.0.0.1:6443"),)),
        _COPIES_ITS_OWN,
    ),
)  # fmt: skip
