"""Deployment → ReplicaSet → Pod → containers: rollouts, restarts and their back-off, probes, jobs, namespaces."""

from __future__ import annotations

import pytest

from iiab_lab.engines.embedded.objects.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    EVENT,
    JOB,
    NAMESPACE,
    POD,
    REPLICA_SET,
    SECRET,
    Key,
)
from iiab_lab.engines.embedded.objects.meta import Object
from iiab_lab.errors import ApiError

from .world import World, condition, in_world

DEPLOY = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: here}
spec:
  replicas: %d
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: main
        image: %s
        args: ["%s"]
        readinessProbe: {httpGet: {path: /, port: 8080}}
        livenessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 10, failureThreshold: 3}
"""
IMAGE = "iiab-lab/models:1"


async def deployed(w: World, replicas: int = 1, image: str = IMAGE, version: str = "one") -> None:
    await w.apply(DEPLOY % (replicas, image, version))


def container(w: World, name: str = "main") -> Object:
    """Its containerStatus; an empty one before there is any."""
    found = [c for pod in w.pods() for c in (pod.get("status") or {}).get("containerStatuses") or ()]
    return next((c for c in found if c["name"] == name), {"state": {}, "ready": False})


def waiting(w: World) -> str:
    return container(w)["state"].get("waiting", {}).get("reason", "")


def ready_replicas(w: World) -> int:
    return int(((w.get(DEPLOYMENT, "web") or {}).get("status") or {}).get("readyReplicas", 0))


def available(w: World) -> tuple[str, str]:
    return condition(w.get(DEPLOYMENT, "web"), "Available")


@in_world()
async def test_a_deployment_brings_up_its_pods_and_says_so(w: World) -> None:
    await deployed(w, 3)
    await w.until(lambda: available(w) == ("True", "MinimumReplicasAvailable"))
    await w.until(lambda: ready_replicas(w) == 3)
    assert len(w.pods()) == 3 and len(w.names(REPLICA_SET)) == 1
    assert all(pod["spec"]["nodeName"] for pod in w.pods())
    assert condition(w.get(DEPLOYMENT, "web"), "Progressing") == ("True", "NewReplicaSetAvailable")


@in_world()
async def test_a_rollout_never_has_fewer_available_than_allowed(w: World) -> None:
    await deployed(w, 4)
    await w.until(lambda: ready_replicas(w) == 4)
    seen: list[int] = []
    await deployed(w, 4, version="two")

    def done() -> bool:
        ready = [pod for pod in w.pods() if condition(pod, "Ready")[0] == "True"]
        seen.append(len(ready))
        new = [pod for pod in ready if pod["spec"]["containers"][0]["args"] == ["two"]]
        return len(new) == len(w.pods()) == 4

    await w.until(done)
    assert min(seen) >= 3, "25 % of four may be away"
    sizes = sorted(rs["spec"]["replicas"] for rs in w.client.list(REPLICA_SET, "here"))
    assert sizes == [0, 4]


@in_world()
async def test_a_deleted_pod_is_replaced_by_another(w: World) -> None:
    await deployed(w)
    await w.until(lambda: available(w)[0] == "True")
    first = w.pods()[0]["metadata"]
    await w.client.delete(POD, Key("here", first["name"]), grace=0)
    await w.until(lambda: [p for p in w.pods() if p["metadata"]["uid"] != first["uid"]])
    await w.until(lambda: len(w.pods()) == 1 and w.machine.running() == 1)


@in_world()
async def test_a_crashing_container_backs_off_as_the_kubelet_does(w: World) -> None:
    """At once, then after 10, 20, 40 seconds."""
    w.machine.exits["main"] = 3
    await deployed(w)
    await w.until(lambda: waiting(w) == "CrashLoopBackOff")
    assert [attempt for _, _, attempt in w.machine.started] == [0, 1]
    assert container(w)["lastState"]["terminated"]["exitCode"] == 3
    assert container(w)["lastState"]["terminated"]["message"] == "last words"
    for pause, attempt in ((10, 2), (20, 3), (40, 4)):
        took = await w.passes(60, lambda attempt=attempt: w.machine.started[-1][2] == attempt)
        assert took == pause
    assert container(w)["restartCount"] == 4
    assert {e["reason"] for e in w.client.list(EVENT, "here")} >= {"Started", "BackOff"}


@in_world()
async def test_ten_minutes_of_running_forget_the_past(w: World) -> None:
    w.machine.exits["main"] = 3
    await deployed(w)
    await w.until(lambda: waiting(w) == "CrashLoopBackOff")
    w.machine.exits.clear()
    await w.passes(20, lambda: "running" in container(w)["state"])
    w.clock.advance(601)
    uid = w.pods()[0]["metadata"]["uid"]
    w.machine.end(uid, "main", 1)
    await w.until(lambda: w.machine.started[-1][2] == 3)


@in_world()
async def test_an_image_nobody_has_is_an_image_pull_error_with_the_list(w: World) -> None:
    await deployed(w, image="library/nginx:1")
    await w.until(lambda: waiting(w) in ("ErrImagePull", "ImagePullBackOff"))
    assert "kserve/sklearnserver" in container(w)["state"]["waiting"]["message"]
    await w.passes(30, lambda: waiting(w) == "ImagePullBackOff")
    assert available(w) == ("False", "MinimumReplicasUnavailable")


@in_world()
async def test_a_failed_liveness_probe_restarts_a_failed_readiness_probe_does_not(w: World) -> None:
    await deployed(w)
    await w.until(lambda: available(w)[0] == "True")
    w.machine.dead.add("main")
    took = await w.passes(60, lambda: len(w.machine.started) == 2)
    assert took >= 20, "three failures, ten seconds apart"
    w.machine.dead.clear()
    await w.passes(30, lambda: container(w)["ready"], 0.1)
    assert container(w)["restartCount"] == 1
    assert "Unhealthy" in {e["reason"] for e in w.client.list(EVENT, "here")}


@in_world()
async def test_a_missing_secret_holds_the_pod_and_its_arrival_frees_it(w: World) -> None:
    await w.apply("""
apiVersion: v1
kind: Pod
metadata: {name: needy, namespace: here}
spec:
  containers: [{name: main, image: iiab-lab/models:1, volumeMounts: [{name: s, mountPath: /s}]}]
  volumes: [{name: s, secret: {secretName: later}}]
""")
    await w.until(lambda: waiting(w) == "ContainerCreating")
    assert "later" in container(w)["state"]["waiting"]["message"]
    await w.client.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "later", "namespace": "here"}})
    await w.until(lambda: "running" in container(w)["state"])


@in_world()
async def test_a_job_completes_or_fails_after_its_retries(w: World) -> None:
    job = """
apiVersion: batch/v1
kind: Job
metadata: {name: %s, namespace: here}
spec:
  backoffLimit: 1
  template: {spec: {restartPolicy: Never, containers: [{name: %s, image: "iiab-lab/models:1"}]}}
"""
    w.machine.exits |= {"good": 0, "bad": 2}
    await w.apply(job % ("works", "good"))
    await w.apply(job % ("breaks", "bad"))
    await w.until(lambda: condition(w.get(JOB, "works"), "Complete")[0] == "True")
    await w.passes(60, lambda: condition(w.get(JOB, "breaks"), "Failed") == ("True", "BackoffLimitExceeded"))
    assert [name for _, name, _ in w.machine.started].count("bad") == 2


@in_world()
async def test_a_namespace_goes_with_everything_in_it(w: World) -> None:
    await deployed(w, 2)
    await w.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: here}}")
    await w.until(lambda: w.machine.running() == 2)
    await w.client.delete(NAMESPACE, Key("", "here"))
    kinds = (DEPLOYMENT, REPLICA_SET, POD, CONFIG_MAP, SECRET)
    await w.until(lambda: w.get(NAMESPACE, "here") is None and not any(w.names(kind) for kind in kinds))
    assert w.machine.running() == 0


def revisions(w: World) -> dict[str, list[str]]:
    """kind → the revisions its objects carry."""
    name = "deployment.kubernetes.io/revision"
    found = {"Deployment": [w.get(DEPLOYMENT, "web")], "ReplicaSet": w.client.list(REPLICA_SET, "here")}
    return {
        kind: sorted((o or {}).get("metadata", {}).get("annotations", {}).get(name, "") for o in objects)
        for kind, objects in found.items()
    }


@in_world()
async def test_a_template_that_comes_back_is_a_new_revision(w: World) -> None:
    for version, wanted in (("one", ["1"]), ("two", ["1", "2"]), ("one", ["2", "3"])):
        await deployed(w, version=version)
        await w.until(lambda wanted=wanted: revisions(w) == {"Deployment": wanted[-1:], "ReplicaSet": wanted})


@in_world()
async def test_a_pod_waits_while_the_node_is_cordoned(w: World) -> None:
    cordoned = "{apiVersion: v1, kind: Node, metadata: {name: iiab}, spec: {unschedulable: %s}}"
    await w.apply(cordoned % "true")
    await deployed(w)
    await w.until(lambda: [condition(pod, "PodScheduled") for pod in w.pods()] == [("False", "Unschedulable")])
    await w.until(lambda: "FailedScheduling" in {event["reason"] for event in w.client.list(EVENT, "here")})
    await w.apply(cordoned % "false")
    await w.until(lambda: ready_replicas(w) == 1)
    assert [condition(pod, "PodScheduled")[0] for pod in w.pods()] == ["True"]


OURS = '{apiVersion: v1, kind: Namespace, metadata: {name: ours, labels: {iiab.lab/platform: "true"}}}'
MOUNTING = """
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: %s}
spec:
  volumes: [{name: v, persistentVolumeClaim: {claimName: c}}, {name: r, persistentVolumeClaim: {claimName: c, readOnly: true}}]
  initContainers: [{name: init, image: "iiab-lab/models:1", volumeMounts: [{name: v, mountPath: /v}]}]
  containers:
  - {name: main, image: "iiab-lab/models:1", ports: [{containerPort: 8080}], volumeMounts: [{name: v, mountPath: /v, readOnly: true}, {name: r, mountPath: /r}]}
"""


@in_world()
async def test_who_is_confined_and_what_is_its_own_to_write(w: World) -> None:
    w.machine.exits["init"] = 0
    await w.apply(OURS)
    await w.apply(MOUNTING % ("theirs", "here"))
    await w.apply(MOUNTING % ("own", "ours"))
    await w.until(lambda: {"theirs", "own"} <= w.machine.prepared.keys() and ("theirs", "main") in w.machine.specs)
    assert {name: one.confined for name, one in w.machine.prepared.items()} == {"theirs": True, "own": False}
    assert {one.path: one.read_only for one in w.machine.prepared["theirs"].mounts if one.claim} == {
        "/v": False,
        "/r": True,
    }
    assert w.machine.specs["theirs", "main"].ports == (8080,)


@in_world()
async def test_what_was_deleted_meanwhile_is_not_made_anew_by_who_meant_it(w: World) -> None:
    """A controller that had read it writes later: the object would come back without its owner, and stay."""
    await deployed(w)
    (held,) = await w.until(lambda: w.client.list(REPLICA_SET, "here"))
    await w.client.delete(DEPLOYMENT, Key("here", "web"))
    await w.until(lambda: not w.client.list(REPLICA_SET, "here"))
    own = {name: held[name] for name in ("apiVersion", "kind", "spec")}
    meta = {name: held["metadata"][name] for name in ("name", "namespace", "uid")}
    with pytest.raises(ApiError, match="not found"):
        await w.client.apply(own | {"metadata": meta})
    await w.until(lambda: not w.client.list(POD, "here"))
    assert w.client.list(REPLICA_SET, "here") == []
