"""Durations, probes, runtimes, certificates, scrape targets: the small arithmetic of the controllers."""

from __future__ import annotations

import time
from typing import Any

import pytest

from iiab_lab.engines.embedded.objects import selectors
from iiab_lab.engines.embedded.processes.images import repository
from iiab_lab.engines.embedded.rules import certificates, kserve, pki, probing, scrape


@pytest.mark.parametrize(("text", "seconds"), [("2160h", 7776000), ("1h30m", 5400), ("90s", 90), ("1m5s", 65)])
def test_go_durations(text: str, seconds: float) -> None:
    assert certificates.seconds(text) == seconds


def test_a_probe_that_never_passed_is_eager_and_its_failures_do_not_count() -> None:
    probe: dict[str, Any] = {"periodSeconds": 10, "failureThreshold": 1}
    track = probing.begin(probe, 100)
    track = probing.observe(track, probe, "refused", 100)
    assert track.ok is None and track.due - 100 < 1
    track = probing.observe(track, probe, "", 101)
    assert track.ok is True and track.due == 111
    assert probing.observe(track, probe, "refused", 111).ok is False


def test_thresholds_need_that_many_in_a_row() -> None:
    probe = {"failureThreshold": 3, "successThreshold": 2}
    track = probing.begin(probe, 0)
    seen = []
    for why in ("", "", "no", "no", "", "no", "no", "no"):
        track = probing.observe(track, probe, why, 0)
        seen.append(track.ok)
    assert seen == [None, True, True, True, True, True, True, False]


def runtime(name: str, priority: int = 0, auto: bool = True, protocol: str = "v1", **more: Any) -> dict[str, Any]:
    formats = [{"name": "sklearn", "version": "1", "autoSelect": auto, "priority": priority}]
    spec = {"supportedModelFormats": formats, "protocolVersions": [protocol], **more}
    return {"metadata": {"name": name}, "spec": spec}


def isvc(**model: Any) -> dict[str, Any]:
    meta = {"name": "m", "namespace": "n", "labels": {"team": "red"}, "annotations": {}}
    return {"metadata": meta, "spec": {"predictor": {"model": {"modelFormat": {"name": "sklearn"}, **model}}}}


def test_the_runtime_is_the_named_one_or_the_one_with_the_highest_priority() -> None:
    low, high, off = runtime("low", 1), runtime("high", 2), runtime("off", 9, disabled=True)
    manual, v2 = runtime("manual", 9, auto=False), runtime("v2", 9, protocol="v2")
    everything = [low, off, manual, v2, high]
    names = lambda found: [r["metadata"]["name"] for r in found]  # noqa: E731
    assert names(kserve.supporting(everything, isvc())) == ["high", "low"]
    assert names(kserve.supporting(everything, isvc(runtime="manual"))) == ["manual"]
    assert names(kserve.supporting(everything, isvc(protocolVersion="v2"))) == ["v2"]
    assert kserve.supporting(everything, isvc(modelFormat={"name": "sklearn", "version": "7"})) == []


def test_arguments_of_a_runtime_are_templates() -> None:
    text = "--model_name={{.Name}} {{ .Namespace }} {{.Labels.team}} {{.Annotations.none}}"
    assert kserve.templated(text, isvc()) == "--model_name=m n red "


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("kserve/sklearnserver:v1", "kserve/sklearnserver"),
        ("host:5000/a/b", "host:5000/a/b"),
        ("host:5000/a/b:1@sha256:0", "host:5000/a/b"),
        ("a", "a"),
    ],
)
def test_an_image_without_its_tag(image: str, name: str) -> None:
    assert repository(image) == name


@pytest.mark.parametrize(
    ("selector", "held"),
    [
        ("a=b", True),
        ("a==c", False),
        ("a!=c", True),
        ("a in (b,c)", True),
        ("a notin (b)", False),
        ("a", True),
        ("!a", False),
        ("!z,a=b", True),
    ],
)
def test_selectors_as_kubectl_writes_them(selector: str, held: bool) -> None:
    assert selectors.holds(selectors.parse(selector), {"a": "b"}) is held


def test_a_certificate_says_what_was_asked_and_chains_to_its_issuer() -> None:
    now = time.time()
    root = pki.issue(pki.Request(3600, common_name="root", is_ca=True, usages=("cert sign",)), None, now)
    middle = pki.issue(
        pki.Request(3600, common_name="middle", is_ca=True, usages=("cert sign",)),
        pki.Authority(root.chain, root.key, root.root),
        now,
    )
    leaf = pki.issue(
        pki.Request(60, uris=("spiffe://d/ns/a/sa/b",)), pki.Authority(middle.chain, middle.key, middle.root), now
    )
    assert leaf.root == root.chain and leaf.chain.count("BEGIN CERTIFICATE") == 2
    held, above = pki.describe(leaf.chain), pki.describe(middle.chain)
    held.verify_directly_issued_by(above)
    above.verify_directly_issued_by(pki.describe(root.chain))
    assert leaf.not_after - leaf.not_before == 60
    with pytest.raises(ValueError):
        held.verify_directly_issued_by(pki.describe(root.chain))


def test_a_pod_monitor_becomes_targets_with_the_operators_names() -> None:
    monitor = {
        "kind": "PodMonitor",
        "metadata": {"name": "m", "namespace": "monitoring"},
        "spec": {
            "namespaceSelector": {"any": True},
            "selector": {"matchLabels": {"app": "x"}},
            "podMetricsEndpoints": [{"port": "http", "path": "/stats", "params": {"usedonly": ["true"]}}],
        },
    }
    pod = {
        "metadata": {
            "name": "p",
            "namespace": "n",
            "labels": {"app": "x"},
            "annotations": {"iiab.lab/ports": '{"8080": 31000}'},
        },
        "spec": {"containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 8080}]}]},
        "status": {"phase": "Running"},
    }
    ((scheme, group),) = scrape.pod_groups(monitor, [pod])
    assert scheme == "http" and group["targets"] == ["127.0.0.1:31000"]
    assert (group["labels"]["__metrics_path__"], group["labels"]["__param_usedonly"]) == ("/stats", "true")
    assert group["labels"]["__iiab_job"] == "podMonitor/monitoring/m/0" and group["labels"]["pod"] == "p"
    assert scrape.pod_groups(monitor, [pod | {"status": {"phase": "Pending"}}]) == []
