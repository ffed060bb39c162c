"""A tenant's own view of the platform: its metrics through the gateway, and what it used."""

from __future__ import annotations

import pytest

from iiab_lab.errors import LabError
from iiab_lab.plots.prometheus import Prometheus
from iiab_lab.plots.usage import usage
from iiab_lab.target import Target
from iiab_lab.traffic.management import Management

from .lab import Lab, eventually
from .test_doors import get
from .test_recovery import predict

HOST = "metrics.inference-in-a-box"
ALL = 'count by (namespace) ({__name__=~".+"})'


def test_a_tenant_sees_its_own_series_and_nothing_else(lab: Lab, target: Target, tokens: dict[str, str]) -> None:
    wanted = {"tenant-a", "istio-system", "identity"}
    eventually(lambda: wanted <= {labels.get("namespace") for labels, _ in Prometheus(target).series(ALL)})
    own = Prometheus(target, tokens["tenant-a"])
    assert [labels for labels, _ in own.series(ALL)] == [{"namespace": "tenant-a"}]
    assert set(own.targets()["namespace"]) == {"tenant-a"}
    for query in ("kn_revision_pods_count", "kube_pod_labels", "up"):
        eventually(lambda query=query: own.value(query) > 0)
    others = Prometheus(target, tokens["tenant-b"])
    assert not [labels for labels, _ in others.series(ALL) if labels["namespace"] != "tenant-b"]
    assert others.series('istio_requests_total{namespace=~"tenant-a|istio-system"}') == []
    names = get(lab, HOST, "/api/v1/label/namespace/values", tokens["tenant-b"]).json()["data"]
    assert set(names) <= {"tenant-b"}


def test_the_view_asks_for_a_tenants_token_and_serves_no_more_than_it_confines(
    lab: Lab, target: Target, tokens: dict[str, str]
) -> None:
    path = "/api/v1/query?query=up"
    assert get(lab, HOST, path, tokens["tenant-a"]).status_code == 200
    assert get(lab, HOST, path).status_code == 401 and get(lab, HOST, path, "x.y.z").status_code == 403
    assert get(lab, HOST, path, lab.token("admin")).status_code == 403
    for closed in ("status/config", "rules", "admin/tsdb/snapshot"):
        answer = get(lab, HOST, f"/api/v1/{closed}", tokens["tenant-a"])
        assert answer.status_code == 403 and answer.json()["errorType"] == "forbidden" and "→" in answer.json()["error"]
    assert get(lab, HOST, "/metrics", tokens["tenant-a"]).status_code == 404
    with pytest.raises(LabError, match="function info"):
        Prometheus(target, tokens["tenant-a"]).value("info(up)")


def test_what_a_tenant_used_is_counted_and_shown_to_it_alone(lab: Lab, target: Target, tokens: dict[str, str]) -> None:
    before = usage(target, 5, tokens["tenant-a"])["requests"].sum()
    assert [predict(lab, tokens["tenant-a"]) for _ in range(5)] == [200] * 5
    eventually(lambda: usage(target, 5, tokens["tenant-a"])["requests"].sum() >= before + 5)
    eventually(lambda: usage(target, 5, tokens["tenant-a"])["cpu_seconds"].sum() > 0)
    own, everybodys = usage(target, 5, tokens["tenant-a"]), usage(target, 5)
    assert set(own["namespace"]) == {"tenant-a"} <= set(everybodys["namespace"])
    row = own[own["model"] == "sklearn-iris"].iloc[0]
    assert row["memory_gib_seconds"] > 0 and row["replica_seconds"] > 0
    assert "tenant-a" not in set(usage(target, 5, tokens["tenant-b"])["namespace"])


def test_a_tenant_reads_its_own_logs_and_its_own_part_of_the_audit_trail(
    lab: Lab, target: Target, tokens: dict[str, str]
) -> None:
    own, others = Management(target, "tenant-a"), Management(target, "tenant-b")
    assert predict(lab, tokens["tenant-a"]) == 200 and predict(lab, tokens["tenant-b"]) == 401
    eventually(lambda: {"allowed", "denied"} <= set(own.audit(limit=1000).query("tenant == 'tenant-a'")["decision"]))
    told = own.audit(limit=1000)
    assert set(told["actor_tenant"]) == {"", "tenant-a"} and "tenant-b" not in set(told["actor"])
    eventually(lambda: "tenant-b" in set(others.audit(limit=1000)["actor"]))
    assert set(others.audit(limit=1000).query("tenant == 'tenant-a'")["actor_tenant"]) <= {"tenant-b"}
    assert any(line.startswith("sklearn-iris-predictor") for line in own.logs("sklearn-iris", 5))
    assert not [line for line in others.logs(lines=5) if "sklearn-iris-predictor" in line]
    with pytest.raises(LabError, match="tenant's view"):
        Management(target).audit()
