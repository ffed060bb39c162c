"""The bounds of every annotation, and the words of the webhook that holds them."""

from __future__ import annotations

import pytest

from iiab_lab.engines.embedded.rules.autoscaling import annotations as names
from iiab_lab.engines.embedded.rules.autoscaling.config import HPA, KPA, Config

GROUP = "autoscaling.knative.dev"
Given = dict[str, str]


def refused(given: Given, config: Config = Config()) -> str:  # noqa: B008
    return names.text(names.problems({f"{GROUP}/{name}": value for name, value in given.items()}, config))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"class": "some.other.domain"},
        {"min-scale": "0", "max-scale": "0"},
        {"min-scale": "2", "max-scale": "5"},
        {"min-scale": "1", "activation-scale": "2", "max-scale": "3"},
        {"class": KPA, "metric-aggregation-algorithm": "linear"},
        {"class": KPA, "metric-aggregation-algorithm": "weightedExponential"},
        {"class": KPA, "metric-aggregation-algorithm": ""},
        {"class": "own", "metric-aggregation-algorithm": "random"},
        {"metric-aggregation-algorithm": "random"},
        {"panic-threshold-percentage": "110", "panic-window-percentage": "1"},
        {"panic-threshold-percentage": "1000", "panic-window-percentage": "100"},
        {"target": "0.01"},
        {"target-burst-capacity": "-1"},
        {"target-burst-capacity": "19870709"},
        {"target-utilization-percentage": "1"},
        {"window": "6s"},
        {"window": "1h"},
        {"scale-to-zero-pod-retention-period": "1.5s"},
        {"scale-down-delay": "1h"},
        {"metric": "rps"},
        {"metric": "concurrency"},
        {"class": HPA, "metric": "cpu"},
        {"class": "own", "metric": "anything"},
        {"initial-scale": "2"},
    ],
)
def test_what_is_within_bounds_is_let_through(given: Given) -> None:
    assert refused(given) == ""


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"class": "no.knative.dev"}, f"invalid value: no.knative.dev: {GROUP}/class"),
        ({"min-scale": "-1"}, f"expected 0 <= -1 <= 2147483647: {GROUP}/min-scale"),
        ({"maxScale": "2147483648"}, f"expected 0 <= 2147483648 <= 2147483647: {GROUP}/maxScale"),
        ({"max-scale": "x", "min-scale": "x"}, f"invalid value: x: {GROUP}/max-scale, {GROUP}/min-scale"),
        (
            {"minScale": "5", "maxScale": "2"},
            f"max-scale=2 is less than min-scale=5: {GROUP}/max-scale, {GROUP}/min-scale",
        ),
        (
            {"min-scale": "3", "activation-scale": "2"},
            f"min-scale=3 is greater than activation-scale=2: {GROUP}/activation-scale",
        ),
        (
            {"max-scale": "1", "activation-scale": "2"},
            f"max-scale=1 is less than activation-scale=2: {GROUP}/activation-scale",
        ),
        ({"activation-scale": "1"}, f"activation-scale=1 must be greater than 1: {GROUP}/activation-scale"),
        ({"activation-scale": "two"}, f"invalid value: two: {GROUP}/activation-scale"),
        (
            {"class": KPA, "metric-aggregation-algorithm": "mean"},
            f"invalid value: mean: {GROUP}/metric-aggregation-algorithm",
        ),
        ({"panic-window-percentage": "0.9"}, f"expected 1 <= 0.9 <= 100: {GROUP}/panic-window-percentage"),
        ({"panicThresholdPercentage": "109"}, f"expected 110 <= 109 <= 1000: {GROUP}/panicThresholdPercentage"),
        ({"panic-threshold-percentage": "fifty"}, f"invalid value: fifty: {GROUP}/panic-threshold-percentage"),
        ({"target": "0"}, f"target 0 should be at least 0.01: {GROUP}/target"),
        ({"target": "100}"}, f"invalid value: 100}}: {GROUP}/target"),
        ({"target-burst-capacity": "-11"}, f"invalid value: -11: {GROUP}/target-burst-capacity"),
        ({"target-utilization-percentage": "101"}, f"expected 1 <= 101 <= 100: {GROUP}/target-utilization-percentage"),
        ({"window": "1s"}, f"expected 6s <= 1s <= 1h0m0s: {GROUP}/window"),
        ({"window": "365h"}, f"expected 6s <= 365h <= 1h0m0s: {GROUP}/window"),
        ({"window": "1m9s82ms"}, f"must be specified with at most second precision: {GROUP}/window"),
        (
            {"scale-to-zero-pod-retention-period": "311m"},
            f"expected 0s <= 311m <= 1h0m0s: {GROUP}/scale-to-zero-pod-retention-period",
        ),
        ({"scale-down-delay": "-42s"}, f"expected 0s <= -42s <= 1h0m0s: {GROUP}/scale-down-delay"),
        ({"scale-down-delay": "42.5s"}, f"must be specified with at most second precision: {GROUP}/scale-down-delay"),
        ({"metric": "cpu"}, f"invalid value: cpu: {GROUP}/metric"),
        ({"class": KPA, "metric": "memory"}, f"invalid value: memory: {GROUP}/metric"),
        ({"class": HPA, "metric": ""}, f"invalid value: : {GROUP}/metric"),
        ({"initial-scale": "0"}, f"invalid value: 0: {GROUP}/initial-scale=0 not allowed by cluster"),
        ({"initialScale": "-1"}, f"invalid value: -1: {GROUP}/initialScale must be greater than 0"),
        ({"initial-scale": "one"}, f"invalid value: one: {GROUP}/initial-scale"),
        (
            {
                "panic-threshold-percentage": "fifty",
                "panic-window-percentage": "-11",
                "min-scale": "-4",
                "max-scale": "never",
            },
            f"expected 0 <= -4 <= 2147483647: {GROUP}/min-scale\n"
            f"expected 1 <= -11 <= 100: {GROUP}/panic-window-percentage\n"
            f"invalid value: fifty: {GROUP}/panic-threshold-percentage\n"
            f"invalid value: never: {GROUP}/max-scale",
        ),
    ],
)
def test_what_is_out_of_bounds_is_refused_in_upstreams_words(given: Given, message: str) -> None:
    assert refused(given) == message


def test_the_configmap_moves_the_bounds() -> None:
    limited = Config(max_scale=1, max_scale_limit=10)
    assert refused({"max-scale": "9"}, limited) == refused({}, limited) == ""
    assert refused({"max-scale": "11"}, limited) == f"expected 1 <= 11 <= 10: {GROUP}/max-scale"
    assert refused({"max-scale": "0"}, limited) == f"max-scale=0 (unlimited), must be less than 10: {GROUP}/max-scale"
    assert refused({"initial-scale": "0"}, Config(allow_zero_initial_scale=True)) == ""
    assert refused({"metric": "cpu"}, Config(pod_autoscaler_class=HPA)) == ""


def test_the_dashed_name_counts_before_the_older_one() -> None:
    both = {f"{GROUP}/min-scale": "1", f"{GROUP}/minScale": "2"}
    assert names.MIN_SCALE.value(both) == 1
    assert names.MIN_SCALE.value({f"{GROUP}/minScale": "2"}) == 2


def test_a_message_tells_the_path_to_the_annotations() -> None:
    found = names.problems({f"{GROUP}/window": "1s"}, Config())
    assert (
        names.text(found, "metadata.annotations") == f"expected 6s <= 1s <= 1h0m0s: metadata.annotations.{GROUP}/window"
    )
