"""What Prometheus, the access logs and `iiab status` say of the platform."""

from __future__ import annotations

from iiab_lab.plots.prometheus import Prometheus
from iiab_lab.target import Target

from .lab import Lab, eventually
from .test_recovery import predict

# By caller, because Prometheus comes through the sidecar too, once a second.
FROM_TIER_2 = 'source_principal="spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway"'
ISTIO = f'istio_requests_total{{reporter="destination",destination_service_name=~"sklearn-iris.*",{FROM_TIER_2}}}'
KSERVE = 'request_predict_seconds_count{model_name="sklearn-iris"}'


def test_prometheus_scrapes_every_proxy_the_model_and_the_api_server(lab: Lab) -> None:
    """Earlier tests may have left models: what is scraped is what the API has."""
    target = Target.connect(home=lab.home)

    def wanted() -> dict[str, int]:
        pods = [pod for pod in target.kube.list("v1", "Pod") if "deletionTimestamp" not in pod["metadata"]]
        meshed = sum(any(c["name"] == "istio-proxy" for c in pod["spec"]["containers"]) for pod in pods)
        served = sum((pod["metadata"].get("labels") or {}).get("component") == "predictor" for pod in pods)
        parts = {"audit": 1, "edge-proxies": 1, "mesh-proxies": meshed, "model-servers": served}
        known = {"apiserver": 1, "podMonitor/envoy-gateway-system/envoy-ratelimit/0": 1}
        known |= {"podMonitor/knative-serving/activator/0": 1}
        return known | {f"podMonitor/monitoring/{part}/0": count for part, count in parts.items()}

    def holds() -> bool:
        targets = Prometheus(target).targets()
        assert set(targets["health"]) == {"up"} and set(targets["error"]) == {""}
        assert targets["job"].value_counts().to_dict() == wanted()
        return True

    eventually(holds)
    assert (
        wanted()["podMonitor/monitoring/mesh-proxies/0"] >= 5 and wanted()["podMonitor/monitoring/model-servers/0"] >= 1
    )


def test_requests_are_counted_once_by_the_sidecar_and_once_by_the_model(lab: Lab) -> None:
    prometheus, token = Prometheus(Target.connect(home=lab.home)), lab.token("tenant-a")
    assert predict(lab, token) == 200  # the series exist
    before = [prometheus.settled(f"sum({metric})", metric) for metric in (ISTIO, KSERVE)]
    assert [predict(lab, token) for _ in range(7)] == [200] * 7
    after = [prometheus.settled(f"sum({metric})", metric) for metric in (ISTIO, KSERVE)]
    assert [new - old for new, old in zip(after, before, strict=True)] == [7, 7]


def test_istios_labels_tell_who_called_whom(lab: Lab) -> None:
    prometheus = Prometheus(Target.connect(home=lab.home))
    assert predict(lab, lab.token("tenant-a")) == 200
    prometheus.settled(ISTIO, ISTIO)
    row = prometheus.instant(ISTIO + " > 0").iloc[0]
    assert row["connection_security_policy"] == "mutual_tls"
    assert row["destination_workload_namespace"] == "tenant-a"


def test_status_has_the_documented_form(lab: Lab) -> None:
    status = lab.status()
    assert {"engine", "ready", "kubeconfig", "ca", "endpoints", "components"} <= status.keys()
    assert {"gateway", "gateway_tls", "prometheus", "kubernetes"} <= status["endpoints"].keys()
    assert all({"name", "version", "ready", "restarts", "message"} == c.keys() for c in status["components"])
    assert status["ready"] and status["engine"] == "embedded"


def test_secrets_are_private_and_never_logged(lab: Lab) -> None:
    private = [
        p for p in lab.home.rglob("*") if p.suffix in (".key", ".pem") or p.name in ("kubeconfig", "admin-token")
    ]
    assert private
    assert [p for p in private if p.stat().st_mode & 0o077] == []
    token = (lab.home / "pki" / "admin-token").read_text().strip()
    logs = [*lab.home.glob("*.log"), *(lab.home / "logs").rglob("*.log")]
    assert logs and not [p for p in logs if token in p.read_text(errors="replace")]
