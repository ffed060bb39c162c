"""Autoscaling annotations and config-autoscaler are checked at the door, and refused in the words of Knative's webhooks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from iiab_lab.kube import Kube

from .conftest import MERGE, refusal

GROUP = "autoscaling.knative.dev"
WINDOW = f"{GROUP}/window"
SHORT = "expected 6s <= 1s <= 1h0m0s"
DENIED = 'admission webhook "validation.webhook.serving.knative.dev" denied the request: validation failed: '
CONFIG = "/api/v1/namespaces/knative-serving/configmaps/config-autoscaler"
CONTAINERS = [{"image": "x"}]
MODEL = {"modelFormat": {"name": "sklearn"}, "storageUri": "pvc://models/iris"}

Body = dict[str, Any]


def template(**annotations: str) -> Body:
    return {"template": {"metadata": {"annotations": annotated(**annotations)}, "spec": {"containers": CONTAINERS}}}


def annotated(**annotations: str) -> dict[str, str]:
    return {f"{GROUP}/{name.replace('_', '-')}": value for name, value in annotations.items()}


def knative(space: str, plural: str) -> str:
    return f"/apis/serving.knative.dev/v1/namespaces/{space}/{plural}"


@pytest.fixture
def limited(kube: Kube) -> Iterator[None]:
    """The platform's own ConfigMap, with a limit to the scale while the test runs."""
    data = {"max-scale-limit": "5", "max-scale": "3"}
    meta = {"name": "config-autoscaler", "namespace": "knative-serving"}
    kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
    yield
    kube.raw("DELETE", CONFIG)


@pytest.mark.parametrize("plural", ["services", "configurations"])
def test_a_templates_annotations_are_checked_where_they_stand(kube: Kube, space: str, plural: str) -> None:
    body = {"metadata": {"name": "x"}, "spec": template(window="1s")}
    said = refusal(lambda: kube.raw("POST", knative(space, plural), json=body))
    assert said == (400, "BadRequest", f"{DENIED}{SHORT}: spec.template.metadata.annotations.{WINDOW}")


@pytest.mark.parametrize("plural", ["services", "configurations"])
def test_an_annotation_beside_the_template_would_do_nothing_and_is_refused(kube: Kube, space: str, plural: str) -> None:
    body = {"metadata": {"name": "x", "annotations": annotated(min_scale="1")}, "spec": template()}
    said = refusal(lambda: kube.raw("POST", knative(space, plural), json=body))[2]
    assert said == (
        f'{DENIED}invalid key name "{GROUP}/min-scale": metadata.annotations\n'
        'autoscaling annotations must be put under "spec.template.metadata.annotations" to work'
    )


def test_an_update_is_checked_too_and_changes_nothing(kube: Kube, space: str) -> None:
    where = knative(space, "services")
    kube.raw("POST", where, json={"metadata": {"name": "x"}, "spec": template(window="6s")})
    patch = {"spec": template(window="1s")}
    assert SHORT in refusal(lambda: kube.raw("PATCH", f"{where}/x", json=patch, headers=MERGE))[2]
    kept = kube.raw("GET", f"{where}/x").json()["spec"]["template"]["metadata"]["annotations"]
    assert kept == {WINDOW: "6s"}


def test_a_revisions_own_annotations_count(kube: Kube, space: str) -> None:
    meta = {"name": "x", "annotations": annotated(window="1s", metric="cpu")}
    body = {"metadata": meta, "spec": {"containers": CONTAINERS}}
    said = refusal(lambda: kube.raw("POST", knative(space, "revisions"), json=body))[2]
    assert said == (
        f"{DENIED}{SHORT}: metadata.annotations.{WINDOW}\ninvalid value: cpu: metadata.annotations.{GROUP}/metric"
    )


@pytest.mark.parametrize(
    ("annotations", "predictor", "said"),
    [
        (annotated(window="1s"), {}, f"{SHORT}: metadata.annotations.{WINDOW}"),
        (
            {},
            {"minReplicas": 3, "maxReplicas": 2},
            f"max-scale=2 is less than min-scale=3: metadata.annotations.{GROUP}/max-scale, "
            f"metadata.annotations.{GROUP}/min-scale",
        ),
        ({}, {"scaleTarget": 0}, f"target 0 should be at least 0.01: metadata.annotations.{GROUP}/target"),
    ],
)
def test_an_inference_service_is_refused_before_its_knative_service_would_be(
    kube: Kube, space: str, annotations: dict[str, str], predictor: Body, said: str
) -> None:
    where = f"/apis/serving.kserve.io/v1beta1/namespaces/{space}/inferenceservices"
    body = {"metadata": {"name": "x", "annotations": annotations}, "spec": {"predictor": {"model": MODEL} | predictor}}
    assert refusal(lambda: kube.raw("POST", where, json=body)) == (400, "BadRequest", DENIED + said)


def test_the_configmap_moves_the_bounds(kube: Kube, space: str, limited: None) -> None:
    body = {"metadata": {"name": "x"}, "spec": template(max_scale="6")}
    said = refusal(lambda: kube.raw("POST", knative(space, "services"), json=body))[2]
    assert f"expected 1 <= 6 <= 5: spec.template.metadata.annotations.{GROUP}/max-scale" in said


def test_a_configmap_that_cannot_be_is_refused(kube: Kube, space: str, limited: None) -> None:
    patch = {"data": {"stable-window": "5s"}}
    assert refusal(lambda: kube.raw("PATCH", CONFIG, json=patch, headers=MERGE)) == (
        400,
        "BadRequest",
        'admission webhook "config.webhook.serving.knative.dev" denied the request: validation failed: '
        "stable-window = 5s, must be in [6s; 1h0m0s] range",
    )
    elsewhere = {"metadata": {"name": "config-autoscaler"}, "data": {"stable-window": "5s"}}
    made = kube.raw("POST", f"/api/v1/namespaces/{space}/configmaps", json=elsewhere).json()
    assert made["data"] == {"stable-window": "5s"}
