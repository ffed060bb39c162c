"""kubectl's commands of one purpose: create, scale, rollout, set, label and wait."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import eventually
from .kubectl import DEPLOYMENT, Kubectl

DONE = {"observedGeneration": 99, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}


@pytest.fixture
def web(kubectl: Kubectl) -> Kubectl:
    """With a Deployment `web`, of which no controller takes care."""
    kubectl.apply(DEPLOYMENT % (2, ""))
    return kubectl


def report(kubectl: Kubectl, status: dict[str, Any]) -> None:
    patch = json.dumps({"status": status})
    kubectl("patch", "deploy", "web", "--subresource=status", "--type=merge", "-p", patch)


@pytest.mark.parametrize(
    ("command", "made", "path", "value"),
    [
        ("configmap made --from-literal=a=1", "configmap/made", "{.data}", '{"a":"1"}'),
        ("secret generic made --from-literal=a=1", "secret/made", "{.type} {.data.a}", "Opaque MQ=="),
        ("serviceaccount made", "serviceaccount/made", "{.metadata.name}", "made"),
        ("quota made --hard=pods=3", "resourcequota/made", "{.spec.hard}", '{"pods":"3"}'),
        ("deployment made --image=x --replicas=3 --port=80", "deployment.apps/made", "{.spec.replicas}", "3"),
        ("service clusterip made --tcp=80:8080", "service/made", "{.spec.ports[0].targetPort}", "8080"),
        ("job made --image=x", "job.batch/made", "{.spec.template.spec.containers[0].image}", "x"),
        (
            "role made --verb=get,list --resource=pods,deployments.apps",
            "role.rbac.authorization.k8s.io/made",
            "{.rules[*].resources[*]} {.rules[*].verbs}",
            'pods deployments ["get","list"] ["get","list"]',
        ),
        (
            "rolebinding made --clusterrole=view --user=ann",
            "rolebinding.rbac.authorization.k8s.io/made",
            "{.roleRef.name} {.subjects[0].kind} {.subjects[0].name}",
            "view User ann",
        ),
    ],
)
def test_kubectl_creates(kubectl: Kubectl, command: str, made: str, path: str, value: str) -> None:
    """What kubectl knows as a type of its own it sends as protobuf."""
    assert f"{made} created" in kubectl("create", *command.split())
    assert kubectl("get", made, "-o", f"jsonpath={path}") == value


def test_kubectl_creates_namespaces_and_tokens(kubectl: Kubectl) -> None:
    other = f"{kubectl.namespace[:50]}-other"
    assert "created" in kubectl("create", "namespace", other)
    assert kubectl("get", "namespace", other, "-o", "jsonpath={.status.phase}") == "Active"
    assert "deleted" in kubectl("delete", "namespace", other)
    token = kubectl("create", "token", "default", "--duration=10m")
    assert token.count(".") == 2 and " " not in token
    assert 'serviceaccounts "nobody" not found' in kubectl.refused("create", "token", "nobody")


def test_kubectl_runs_a_pod_and_exposes_a_deployment(web: Kubectl) -> None:
    assert "pod/one created" in web("run", "one", "--image=x", "--env=K=V", "--labels=app=one")
    assert "Pending" in web("get", "pod", "one")
    assert "one" in web("get", "pods", "--field-selector", "status.phase=Pending", "-o", "name")
    assert "service/web exposed" in web("expose", "deployment", "web", "--port=80", "--target-port=8080")
    assert web.read("service", "web")["spec"]["selector"] == {"app": "web"}


def test_a_deployment_is_scaled_from_the_size_it_has(web: Kubectl) -> None:
    assert "scaled" in web("scale", "deploy/web", "--current-replicas=2", "--replicas=4")
    assert "Expected replicas to be 2, was 4" in web.refused(
        "scale", "deploy/web", "--current-replicas=2", "--replicas=9"
    )
    scale = json.loads(web("get", "deploy", "web", "--subresource=scale", "-o", "json"))
    assert (scale["kind"], scale["spec"]["replicas"], scale["status"]["selector"]) == ("Scale", 4, "app=web")


def test_a_rollout_is_followed_to_its_end(web: Kubectl) -> None:
    with web.going_on("rollout", "status", "deploy/web", "--timeout=30s") as (process, said):
        eventually(lambda: any("spec update to be observed" in line for line in said))
        report(web, DONE | {"availableReplicas": 1})
        eventually(lambda: any("1 of 2 updated replicas are available" in line for line in said))
        report(web, DONE)
        assert process.wait(30) == 0
    assert said[-1] == 'deployment "web" successfully rolled out'


def test_a_rollout_that_does_not_move_is_a_failure(web: Kubectl) -> None:
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    report(web, DONE | {"updatedReplicas": 1, "conditions": [late]})
    assert "exceeded its progress deadline" in web.refused("rollout", "status", "deploy/web", "--timeout=30s")


def test_a_rollout_is_undone_to_the_revision_before(web: Kubectl) -> None:
    """Its history is the ReplicaSets that the controller would have made."""
    owner = web.read("deploy", "web")
    for revision, image in (("1", "old"), ("2", "kserve/sklearnserver")):
        reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": owner["metadata"]["uid"]}
        labels = {"app": "web", "pod-template-hash": revision}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": image}]}}
        meta = {
            "name": f"web-{revision}",
            "labels": labels,
            "annotations": {"deployment.kubernetes.io/revision": revision},
            "ownerReferences": [reference | {"controller": True}],
        }
        spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
        web.apply(json.dumps({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": meta, "spec": spec}))
    history = web("rollout", "history", "deploy/web").split()
    assert history[-4:] == ["1", "<none>", "2", "<none>"]
    assert "rolled back" in web("rollout", "undo", "deploy/web")
    assert web.read("deploy", "web")["spec"]["template"]["spec"]["containers"][0]["image"] == "old"


def test_a_rollout_is_paused_resumed_and_restarted(web: Kubectl) -> None:
    web("rollout", "pause", "deploy/web")
    assert web.read("deploy", "web")["spec"]["paused"] is True
    web("rollout", "resume", "deploy/web")
    web("rollout", "restart", "deploy/web")
    spec = web.read("deploy", "web")["spec"]
    assert "paused" not in spec and "kubectl.kubernetes.io/restartedAt" in spec["template"]["metadata"]["annotations"]


def test_set_changes_one_thing_of_the_template(web: Kubectl) -> None:
    web("set", "image", "deploy/web", "main=other")
    web("set", "env", "deploy/web", "A=1", "B=2")
    web("set", "env", "deploy/web", "A-")
    web("set", "resources", "deploy/web", "--limits=cpu=1", "--requests=cpu=500m")
    web("set", "serviceaccount", "deploy/web", "robot")
    spec = web.read("deploy", "web")["spec"]["template"]["spec"]
    assert spec["serviceAccountName"] == "robot"
    assert spec["containers"] == [
        {
            "name": "main",
            "image": "other",
            "env": [{"name": "B", "value": "2"}],
            "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "500m"}},
        }
    ]


def test_labels_and_annotations_are_set_overwritten_and_taken_away(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "one")
    kubectl("label", "cm", "one", "a=1")
    kubectl("annotate", "cm", "one", "b=1")
    assert "--overwrite is false" in kubectl.refused("annotate", "cm", "one", "b=2")
    kubectl("annotate", "cm", "one", "b=2", "--overwrite")
    meta = kubectl.read("cm", "one")["metadata"]
    assert (meta["labels"], meta["annotations"]) == ({"a": "1"}, {"b": "2"})
    kubectl("label", "cm", "one", "a-")
    kubectl("annotate", "cm", "one", "b-")
    assert not {"labels", "annotations"} & set(kubectl.read("cm", "one")["metadata"])


def test_kubectl_waits_for_a_condition(web: Kubectl) -> None:
    with web.going_on("wait", "--for=condition=Available", "deploy/web", "--timeout=30s") as (process, said):
        report(web, {"conditions": [{"type": "Available", "status": "True"}]})
        assert process.wait(30) == 0
    assert said == ["deployment.apps/web condition met"]


@pytest.mark.parametrize(
    ("condition", "then"),
    [
        (("--for=jsonpath={.spec.replicas}=5", "deploy/web"), ("scale", "deploy/web", "--replicas=5")),
        (("--for=delete", "deploy/web"), ("delete", "deploy", "web", "--wait=false")),
        (("--for=create", "configmap/late"), ("create", "configmap", "late")),
    ],
)
def test_kubectl_waits_for_a_value_an_end_and_a_beginning(
    web: Kubectl, condition: tuple[str, ...], then: tuple[str, ...]
) -> None:
    with web.going_on("wait", *condition, "--timeout=30s") as (process, _):
        web(*then)
        assert process.wait(30) == 0


def test_a_wait_for_what_does_not_come_ends_in_time(web: Kubectl) -> None:
    said = web.refused("wait", "--for=condition=Available", "deploy/web", "--timeout=1s")
    assert "timed out waiting for the condition on deployments/web" in said
