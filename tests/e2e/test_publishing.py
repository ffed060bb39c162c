"""Publishing from end to end: the workflow by curl, who is let in, what is counted, what is left behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from iiab_lab.kube import Kube

from .lab import Lab, eventually
from .management import HOST, Edge, Management, password

SCRIPT = Path(__file__).parent / "publishing.sh"
KINDS = "httproute,securitypolicy,backendtrafficpolicy,referencegrant,secret,configmap,certificate"


@pytest.fixture(scope="session")
def admin(lab: Lab) -> Management:
    return Management(lab, lab.token("admin"))


@pytest.fixture
def model(admin: Management, request: pytest.FixtureRequest) -> Iterator[str]:
    """A ready model of tenant-a with a name of the test's own."""
    name = re.sub("[^a-z0-9]+", "-", request.node.name)[5:45].strip("-")
    admin.create(name)
    yield name
    admin.remove(name)


def traces(lab: Lab, model: str) -> list[str]:
    """Every object that carries the model's name, and every listener of the Gateway."""
    listed = json.loads(lab.kubectl("get", KINDS, "-A", "-o", "json").stdout)["items"]
    found = [f"{o['kind']}/{o['metadata']['name']}" for o in listed if model in o["metadata"]["name"]]
    gateway = json.loads(lab.kubectl("get", "gtw", "-A", "-o", "json").stdout)["items"][0]
    return sorted(found) + [listener["name"] for listener in gateway["spec"]["listeners"]]


def test_the_workflow_by_curl(lab: Lab) -> None:
    local = {
        name: urlsplit(lab.url(name)).netloc.replace("localhost", "127.0.0.1") for name in ("management", "gateway_tls")
    }
    environment = os.environ | {
        "PASSWORD": password(lab),
        "MANAGEMENT": local["management"],
        "GATEWAY_TLS": local["gateway_tls"],
        "CA": str(lab.home / "ca.crt"),
    }
    done = subprocess.run([str(SCRIPT)], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    said = {name: json.loads(text) for name, text in (line.split("\t", 1) for line in done.stdout.splitlines())}
    assert said["created"]["message"] == "Model created successfully" and said["created"]["namespace"] == "tenant-a"
    assert said["updated"]["publishedModel"]["rateLimiting"]["requestsPerMinute"] == 200
    assert said["updated"]["publishedModel"]["externalUrl"] == f"https://{HOST}/models/my-model"
    assert said["predicted"] == {"predictions": [0]}
    assert said["valid"]["valid"] is True and said["valid"]["model"] == "my-model"
    assert said["rotated"]["newApiKey"] and said["unpublished"]["message"] == "Model unpublished successfully"
    assert traces(lab, "my-model") == ["http", "https"]


def test_a_key_opens_its_model_and_no_other_and_is_seen_by_nobody(lab: Lab, admin: Management, model: str) -> None:
    key, edge = admin.publish(model), Edge(lab)
    path = f"/published/models/{model}"
    assert edge.predict(path, key).json() == {"predictions": [0]}
    for wrong in ("", "x", key[:-2], key + "A", key.swapcase()):
        assert edge.predict(path, wrong).status_code == 401
    other = f"{model[:20]}-other"
    admin.create(other)
    try:
        its_own = admin.publish(other)
        assert edge.predict(f"/published/models/{other}", key).status_code == 401
        assert edge.predict(path, its_own).status_code == 401
    finally:
        admin.remove(other)
    told = [
        json.dumps(admin.ok("GET", url))
        for url in (
            f"/api/models/{model}/publish",
            "/api/published-models",
            f"/api/models/{model}/keys",
            f"/api/models/{model}",
        )
    ]
    told += [lab.kubectl("get", "configmap,httproute,securitypolicy,events", "-A", "-o", "yaml").stdout]
    told += [path.read_text(errors="replace") for path in (lab.home / "logs").rglob("*") if path.is_file()]
    told += [(lab.home / "control-plane.log").read_text(errors="replace")]
    assert not any(key in text for text in told)


def test_a_token_of_an_allowed_tenant_opens_it_too(
    lab: Lab, admin: Management, model: str, tokens: dict[str, str]
) -> None:
    admin.publish(model, authentication={"allowedTenants": ["tenant-b"]})
    path, edge = f"/published/models/{model}", Edge(lab)
    codes = {tenant: edge.predict(path, token=token).status_code for tenant, token in tokens.items()}
    assert codes == {"tenant-a": 200, "tenant-b": 200}
    assert edge.predict(path, token=lab.token("tenant-c")).status_code == 401
    assert edge.predict(path, token=admin.token).status_code == 401  # the admin is no tenant
    assert edge.predict(path).status_code == 401


def sent_at_once(edge: Edge, path: str, key: str, count: int) -> Counter[int]:
    with ThreadPoolExecutor(32) as crowd:
        return Counter(crowd.map(lambda _: edge.predict(path, key).status_code, range(count)))


def test_a_hundred_a_minute_and_a_burst_are_so_many_of_three_hundred(lab: Lab, admin: Management, model: str) -> None:
    limits = {"requestsPerMinute": 100, "requestsPerHour": 5000, "burstLimit": 20}
    key, path, edge = admin.publish(model, rateLimiting=limits), f"/published/models/{model}", Edge(lab)
    assert sent_at_once(edge, path, key, 300) == {200: 120, 429: 180}
    refused = edge.predict(path, key)
    assert refused.status_code == 429 and int(refused.headers["retry-after"]) > 0
    assert refused.headers["x-ratelimit-limit"].startswith("120") and refused.headers["x-ratelimit-remaining"] == "0"
    second = admin.ok("POST", f"/api/models/{model}/keys", {"name": "partner"})
    assert edge.predict(path, second["apiKey"]).status_code == 200, "two keys do not share a bucket"
    raised = {"config": {"rateLimiting": {"requestsPerMinute": 200}}}
    admin.ok("PUT", f"/api/models/{model}/publish", raised)
    eventually(lambda: edge.predict(path, key).status_code == 200)


def test_publishing_another_model_refills_nobodys_bucket(lab: Lab, admin: Management, model: str) -> None:
    limits = {"requestsPerMinute": 5, "requestsPerHour": 5}
    key, path, edge = admin.publish(model, rateLimiting=limits), f"/published/models/{model}", Edge(lab)
    assert sent_at_once(edge, path, key, 10) == {200: 5, 429: 5}
    other = f"{model[:20]}-other"
    admin.create(other)
    try:
        admin.publish(other)
        assert edge.predict(path, key).status_code == 429
    finally:
        admin.remove(other)
    assert edge.predict(path, key).status_code == 429


def test_a_model_whose_objects_would_have_anothers_names_is_refused(admin: Management, model: str) -> None:
    admin.publish(model)
    shadow = f"{model}-jwt"
    admin.create(shadow)
    try:
        refused = admin.call("POST", f"/api/models/{shadow}/publish", {"config": {"tenantId": "tenant-a"}})
        assert refused.status_code == 409 and refused.json()["error"] == "The name is taken"
    finally:
        admin.remove(shadow)


def test_a_new_hostname_gets_a_listener_and_a_certificate_and_leaves_with_its_model(
    lab: Lab, admin: Management, model: str
) -> None:
    before = traces(lab, model)
    key = admin.publish(model, publicHostname="models.example.com", externalPath="/iris")
    edge = Edge(lab, "models.example.com")
    assert eventually(lambda: edge.predict("/iris", key).status_code == 200)
    assert Edge(lab).predict("/iris", key).status_code == 404
    admin.ok("DELETE", f"/api/models/{model}/publish")
    assert traces(lab, model) == before


def test_a_failure_in_the_middle_leaves_what_was_before(lab: Lab, admin: Management, model: str) -> None:
    """The role that lets the service write limits is taken away: everything else has been written by then."""
    before, kube = traces(lab, model), Kube(lab.home / "kubeconfig")
    role = kube.get("rbac.authorization.k8s.io/v1", "Role", "management-edge", "envoy-gateway-system")
    assert role
    less = [rule for rule in role["rules"] if "backendtrafficpolicies" not in rule["resources"]]
    less.append({"apiGroups": ["gateway.envoyproxy.io"], "resources": ["securitypolicies"], "verbs": ["*"]})
    body = {"config": {"tenantId": "tenant-a"}}
    kube.apply({**bare(role), "rules": less})
    try:
        refused = admin.call("POST", f"/api/models/{model}/publish", body)
        assert refused.status_code == 502 and "backendtrafficpolicies" in refused.json()["details"]
        assert traces(lab, model) == before
    finally:
        kube.apply(bare(role))
    key = admin.publish(model)
    kube.apply({**bare(role), "rules": less})
    try:
        changed = admin.call("PUT", f"/api/models/{model}/publish", {"config": {"externalPath": "/elsewhere"}})
        assert changed.status_code == 502
    finally:
        kube.apply(bare(role))
    assert Edge(lab).predict(f"/published/models/{model}", key).status_code == 200
    assert Edge(lab).predict("/elsewhere", key).status_code == 404


def bare(obj: dict[str, Any]) -> dict[str, Any]:
    meta = {name: obj["metadata"][name] for name in ("name", "namespace")}
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": meta, "rules": obj["rules"]}


def test_keys_are_added_rotated_and_revoked(lab: Lab, admin: Management, model: str) -> None:
    first, path, edge = admin.publish(model), f"/published/models/{model}", Edge(lab)
    rotated = admin.ok("POST", f"/api/models/{model}/publish/rotate-key", {"overlapSeconds": 1})
    assert edge.predict(path, rotated["newApiKey"]).status_code == 200
    eventually(lambda: edge.predict(path, first).status_code == 401)
    added = admin.ok("POST", f"/api/models/{model}/keys", {"name": "partner", "owner": "tenant-b"})
    assert edge.predict(path, added["apiKey"]).status_code == 200
    listed = eventually(lambda: [k for k in admin.ok("GET", f"/api/models/{model}/keys")["keys"] if k["lastUsed"]])
    assert {key["owner"] for key in listed} <= {"admin", "tenant-b"}
    admin.ok("DELETE", f"/api/models/{model}/keys/{added['keyId']}")
    assert edge.predict(path, added["apiKey"]).status_code == 401
    assert admin.call("DELETE", f"/api/models/{model}/keys/{rotated['keyId']}").status_code == 409
    assert admin.call("POST", f"/api/models/{model}/publish", {"config": {"tenantId": "tenant-a"}}).status_code == 409


def test_the_scenario_counts_its_claims_and_may_run_again(lab: Lab) -> None:
    for _ in range(2):
        said = json.loads(lab.iiab("scenario", "publishing", "--json", check=False).stdout)
        assert said["passed"], [check for check in said["checks"] if not check["passed"]]
        assert len(said["checks"]) >= 19


def test_the_command_line_publishes_rotates_and_takes_back(lab: Lab, admin: Management, model: str) -> None:
    path, edge = f"/cli/{model}", Edge(lab)
    key = lab.iiab("publish", model, "--path", path, "--per-minute", "50").stdout.strip()
    assert edge.predict(path, key).headers["x-ratelimit-limit"].startswith("50")
    changed = lab.iiab("publish", model, "--per-minute", "60")
    assert "Changed" in changed.stderr and changed.stdout == ""
    fresh = lab.iiab("keys", model, "--rotate", "latest", "--overlap", "0").stdout.strip()
    assert edge.predict(path, fresh).status_code == 200
    assert edge.predict(path, key).status_code == 401
    assert "admin" not in lab.iiab("keys", model).stdout
    lab.iiab("unpublish", model)
    assert edge.predict(path, fresh).status_code == 404
    refused = lab.iiab("unpublish", model, check=False)
    assert refused.returncode == 1 and "→" in refused.stderr and "Traceback" not in refused.stderr
