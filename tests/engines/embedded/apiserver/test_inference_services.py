"""Where a model may come from: what its owner writes past the management service is held to the same."""

from __future__ import annotations

import pytest

from iiab_lab.kube import Kube

from .conftest import refusal

DENIED = 'admission webhook "inferenceservice.kserve-webhook-server.validator" denied the request: '


def asked(kube: Kube, space: str, uri: str) -> int:
    model = {"modelFormat": {"name": "sklearn"}, "storageUri": uri}
    where = f"/apis/serving.kserve.io/v1beta1/namespaces/{space}/inferenceservices"
    body = {"metadata": {"name": "x"}, "spec": {"predictor": {"model": model}}}
    return kube.raw("POST", where, json=body, params={"dryRun": "All"}).status_code


@pytest.mark.parametrize(
    "uri",
    [
        *("file:///etc", "/etc", "etc/passwd", "pvc://models/../../tenant-a/models", "pvc://../../store.db"),
        *("http://registry.default.svc.cluster.local/../x", "pvc://models/.."),
    ],
)
def test_no_path_of_the_machine_and_no_way_out_of_a_claim(kube: Kube, space: str, uri: str) -> None:
    code, reason, said = refusal(lambda: asked(kube, space, uri))
    assert (code, reason) == (403, "Forbidden")
    assert said.startswith(f"{DENIED}storageUri, must be one of: [gs://, ")
    assert f"StorageUri [{uri}] is not supported (" in said and "pvc://CLAIM/PATH" in said


@pytest.mark.parametrize("uri", ["pvc://models/iris..v1", "pvc://models", "s3://bucket/model", "https://example.com/m"])
def test_what_kserve_fetches_comes_in(kube: Kube, space: str, uri: str) -> None:
    assert asked(kube, space, uri) == 201
