"""Each field of a DestinationRule → what it makes of clusters and routes; and which rule holds for whom."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from iiab_lab.engines.embedded.objects.kinds import Key
from iiab_lab.engines.embedded.objects.meta import Object

from . import mesh

HOST = "web.shop.svc.cluster.local"
PLAIN = f"outbound|80||{HOST}"
PODS = mesh.service("web", {"v1": 9001, "v2": 9002})
SUBSETS = [{"name": "one", "labels": {"version": "v1"}}, {"name": "two", "labels": {"version": "v2"}}]


def to(*subsets: str) -> Object:
    split = [
        {"destination": {"host": "web", "subset": name} if name else {"host": "web"}, "weight": 1} for name in subsets
    ]
    return mesh.virtual_service([{"route": split}])


def cluster(policy: str, *pods: Object) -> Any:
    rule = mesh.destination_rule("web", trafficPolicy=yaml.safe_load(f"{{{policy}}}"))
    return mesh.translate(*(pods or PODS), to(""), rule).snapshot.clusters[PLAIN]


@pytest.mark.parametrize(
    ("balancer", "made"),
    [
        ("simple: UNSPECIFIED", {"lb_policy": "LEAST_REQUEST"}),
        ("simple: LEAST_CONN", {"lb_policy": "LEAST_REQUEST"}),
        ("simple: RANDOM", {"lb_policy": "RANDOM"}),
        ("simple: ROUND_ROBIN", {"lb_policy": "ROUND_ROBIN"}),
        (
            "consistentHash: {httpHeaderName: x}",
            {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": 1024}},
        ),
        (
            "consistentHash: {httpHeaderName: x, ringHash: {minimumRingSize: 64}}",
            {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": 64}},
        ),
        (
            "consistentHash: {httpHeaderName: x, maglev: {tableSize: 1009}}",
            {"lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": 1009}},
        ),
    ],
)
def test_the_balancer(balancer: str, made: Any) -> None:
    assert made.items() <= cluster(f"loadBalancer: {{{balancer}}}").items()


@pytest.mark.parametrize(
    ("consistent", "made"),
    [
        ("httpHeaderName: x-user", {"header": {"header_name": "x-user"}}),
        ("httpQueryParameterName: user", {"query_parameter": {"name": "user"}}),
        ("useSourceIp: true", {"connection_properties": {"source_ip": True}}),
        ("httpCookie: {name: c}", {"cookie": {"name": "c"}}),
        ("httpCookie: {name: c, path: /, ttl: 0s}", {"cookie": {"name": "c", "path": "/", "ttl": "0s"}}),
        ("httpCookie: {name: c, ttl: 1h}", {"cookie": {"name": "c", "ttl": "3600s"}}),
    ],
)
def test_what_keeps_requests_together(consistent: str, made: Any) -> None:
    policy = yaml.safe_load(f"{{loadBalancer: {{consistentHash: {{{consistent}}}}}}}")
    found = mesh.translate(*PODS, to(""), mesh.destination_rule("web", trafficPolicy=policy))
    (route,) = mesh.hosts(found)["web.example.org"]
    assert route["route"]["hash_policy"] == [made]
    assert "retry_host_predicate" not in route["route"]["retry_policy"], "another Pod would be the wrong one"


def test_limits_and_what_is_not_limited() -> None:
    made = cluster(
        "connectionPool: {tcp: {maxConnections: 3, connectTimeout: 1.5s}, http: {http1MaxPendingRequests: 4, "
        "http2MaxRequests: 5, maxRetries: 0, maxRequestsPerConnection: 6, idleTimeout: 7s}}"
    )
    assert made["circuit_breakers"]["thresholds"] == [
        {"max_connections": 3, "max_pending_requests": 4, "max_requests": 5, "max_retries": 2**32 - 1}
    ]
    (options,) = made["typed_extension_protocol_options"].values()
    assert made["connect_timeout"] == "1.5s"
    assert options["common_http_protocol_options"] == {"idle_timeout": "7s", "max_requests_per_connection": 6}


def test_outliers() -> None:
    made = cluster(
        "outlierDetection: {consecutive5xxErrors: 3, consecutiveGatewayErrors: 0, interval: 5s, baseEjectionTime: 15s, "
        "maxEjectionPercent: 50}"
    )
    assert made["outlier_detection"] == {
        "enforcing_success_rate": 0,
        "consecutive_5xx": 3,
        "enforcing_consecutive_5xx": 100,
        "consecutive_gateway_failure": 0,
        "enforcing_consecutive_gateway_failure": 0,
        "interval": "5s",
        "base_ejection_time": "15s",
        "max_ejection_percent": 50,
    }
    assert made["common_lb_config"] == {"healthy_panic_threshold": {"value": 0}}


def meshed() -> list[Object]:
    pods = mesh.service("web", {"v1": 9001})
    pods[1]["spec"]["containers"].append({"name": "istio-proxy", "image": "x"})
    return pods


@pytest.mark.parametrize(
    ("pods", "mode", "secure"),
    [
        (meshed, "", True),
        (meshed, "DISABLE", False),
        (lambda: PODS, "", False),
        (lambda: PODS, "ISTIO_MUTUAL", True),
    ],
)
def test_tls_is_automatic_unless_the_rule_says(pods: Any, mode: str, secure: bool) -> None:
    tls = f"tls: {{mode: {mode}}}" if mode else "loadBalancer: {simple: RANDOM}"
    assert ("transport_socket" in cluster(tls, *pods())) is secure


def test_a_subset_is_a_cluster_of_its_own_with_the_pods_that_carry_its_labels() -> None:
    over = {**SUBSETS[1], "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}}}
    whole = {"loadBalancer": {"simple": "ROUND_ROBIN"}, "outlierDetection": {"consecutive5xxErrors": 7}}
    rule = mesh.destination_rule("web", subsets=[SUBSETS[0], over], trafficPolicy=whole)
    made = mesh.translate(*PODS, to("", "one", "two"), rule).snapshot

    def ports(subset: str) -> list[int]:
        (found,) = made.endpoints[f"outbound|80|{subset}|{HOST}"]["endpoints"]
        return [one["endpoint"]["address"]["socket_address"]["port_value"] for one in found["lb_endpoints"]]

    assert (ports(""), ports("one"), ports("two")) == ([9001, 9002], [9001], [9002])
    one, two = (made.clusters[f"outbound|80|{name}|{HOST}"] for name in ("one", "two"))
    assert (one["lb_policy"], two["lb_policy"]) == ("ROUND_ROBIN", "RANDOM")
    assert two["outlier_detection"]["consecutive_5xx"] == 7, "parts that a subset leaves open are the rule's"


def test_a_subset_that_nobody_defines_has_no_cluster_and_is_told() -> None:
    made = mesh.translate(*PODS, to("one", "three"), mesh.destination_rule("web", subsets=SUBSETS))
    assert list(made.snapshot.clusters) == [f"outbound|80|one|{HOST}"]
    said = f"Referenced host+subset in destinationrule not found: {HOST}+three"
    assert made.missing == {Key("shop", "web"): [said]}


def policy_of(*rules: Object) -> str:
    """Whose rule holds, told by the balancer."""
    return str(mesh.translate(*PODS, to(""), *rules).snapshot.clusters[PLAIN]["lb_policy"])


def rule(balancer: str, host: str = HOST, namespace: str = "shop", at: int = 0, **spec: Any) -> Object:
    policy = {"loadBalancer": {"simple": balancer}}
    return mesh.destination_rule(host, balancer.lower(), namespace, at, trafficPolicy=policy, **spec)


@pytest.mark.parametrize(
    ("rules", "holds"),
    [
        ([], "LEAST_REQUEST"),
        ([rule("RANDOM", namespace="rival")], "LEAST_REQUEST"),
        ([rule("RANDOM", namespace="istio-system")], "RANDOM"),
        ([rule("RANDOM", namespace="istio-system"), rule("ROUND_ROBIN")], "ROUND_ROBIN"),
        ([rule("RANDOM", namespace="istio-system", exportTo=["."]), rule("ROUND_ROBIN")], "RANDOM"),
        ([rule("RANDOM", exportTo=["."])], "LEAST_REQUEST"),
        ([rule("RANDOM", exportTo=["istio-system"])], "RANDOM"),
        ([rule("RANDOM", at=1), rule("ROUND_ROBIN", at=0)], "ROUND_ROBIN"),
        ([rule("RANDOM", "*.shop.svc.cluster.local"), rule("ROUND_ROBIN", at=5)], "ROUND_ROBIN"),
        ([rule("RANDOM", "*.local"), rule("ROUND_ROBIN", "*.shop.svc.cluster.local", at=5)], "ROUND_ROBIN"),
        ([rule("RANDOM", "web")], "RANDOM"),
    ],
)
def test_which_rule_holds(rules: list[Object], holds: str) -> None:
    assert policy_of(*rules) == holds


def test_several_rules_for_a_host_add_up_and_the_oldest_wins() -> None:
    first = mesh.destination_rule("web", "first", at=0, subsets=[SUBSETS[0]])
    labels = {"version": "nowhere"}
    then = mesh.destination_rule(
        "web",
        "then",
        at=1,
        subsets=[{"name": "one", "labels": labels}, SUBSETS[1]],
        trafficPolicy={"loadBalancer": {"simple": "RANDOM"}},
    )
    made = mesh.translate(*PODS, to("one", "two"), first, then).snapshot
    assert [made.clusters[f"outbound|80|{name}|{HOST}"]["lb_policy"] for name in ("one", "two")] == ["RANDOM", "RANDOM"]
    assert made.endpoints[f"outbound|80|one|{HOST}"]["endpoints"][0]["lb_endpoints"], "the older rule's labels"


def test_beyond_a_number_endpoints_stand_in_place() -> None:
    """Each file that is followed takes one of the user's inotify instances."""
    names = [f"s{number:02}" for number in range(60)]
    pods = [obj for name in names for obj in mesh.service(name, {f"{name}-pod": 9001})]
    services = [
        mesh.virtual_service([{"route": [{"destination": {"host": name}}]}], name, at=0, hosts=[f"{name}.example.org"])
        for name in names
    ]
    made = mesh.translate(*pods, *services).snapshot
    assert len(made.clusters) == 60 and len(made.endpoints) == 48
    fixed = [one for name, one in made.clusters.items() if name not in made.endpoints]
    assert all(one["load_assignment"]["endpoints"][0]["lb_endpoints"] for one in fixed)
