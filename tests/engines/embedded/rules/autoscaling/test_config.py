"""ConfigMap config-autoscaler: upstream's defaults, its keys, and its words for what cannot be."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from iiab_lab.engines.embedded.rules.autoscaling import literals
from iiab_lab.engines.embedded.rules.autoscaling.config import Config

DEFAULTS = {
    "pod-autoscaler-class": "kpa.autoscaling.knative.dev",
    "enable-scale-to-zero": "true",
    "allow-zero-initial-scale": "false",
    "max-scale-up-rate": "1000",
    "max-scale-down-rate": "2",
    "container-concurrency-target-percentage": "70",
    "container-concurrency-target-default": "100",
    "requests-per-second-target-default": "200",
    "target-burst-capacity": "211",
    "panic-window-percentage": "10",
    "activator-capacity": "100",
    "panic-threshold-percentage": "200",
    "initial-scale": "1",
    "min-scale": "0",
    "max-scale": "0",
    "max-scale-limit": "0",
    "stable-window": "1m",
    "scale-down-delay": "0s",
    "scale-to-zero-grace-period": "30s",
    "scale-to-zero-pod-retention-period": "0s",
}


def test_what_the_example_of_the_configmap_says_is_what_holds_without_it() -> None:
    assert Config.parse(DEFAULTS) == Config() == Config.parse({})
    assert {name.replace("_", "-") for name in asdict(Config())} == set(DEFAULTS)


def test_each_key_is_read() -> None:
    given = {
        "pod-autoscaler-class": " hpa.autoscaling.knative.dev ",
        "enable-scale-to-zero": "F",
        "allow-zero-initial-scale": "1",
        "max-scale-up-rate": "1.5",
        "initial-scale": "0",
        "max-scale": "+9",
        "max-scale-limit": "10",
        "stable-window": "1h",
        "scale-to-zero-grace-period": "1.5s",
        "_example": "anything",
    }
    made = Config.parse(given)
    assert made.pod_autoscaler_class == "hpa.autoscaling.knative.dev"
    assert (made.enable_scale_to_zero, made.allow_zero_initial_scale, made.initial_scale) == (False, True, 0)
    assert (made.max_scale_up_rate, made.max_scale, made.max_scale_limit) == (1.5, 9, 10)
    assert (made.stable_window, made.scale_to_zero_grace_period) == (3600, 1.5)


@pytest.mark.parametrize(("given", "fraction"), [("70", 0.7), ("0.7", 0.7), ("1", 1.0), ("100", 1.0), ("1.1", 0.011)])
def test_a_percentage_up_to_one_is_a_fraction(given: str, fraction: float) -> None:
    made = Config.parse({"container-concurrency-target-percentage": given})
    assert made.target_fraction == pytest.approx(fraction)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {"max-scale": "x"},
            'failed to parse data: failed to parse "max-scale": strconv.ParseInt: parsing "x": invalid syntax',
        ),
        (
            {"min-scale": "2147483648"},
            'failed to parse data: failed to parse "min-scale": strconv.ParseInt: parsing "2147483648": value out of range',
        ),
        (
            {"max-scale-up-rate": "fast"},
            'failed to parse data: failed to parse "max-scale-up-rate": strconv.ParseFloat: parsing "fast": invalid syntax',
        ),
        (
            {"enable-scale-to-zero": "yes"},
            'failed to parse data: failed to parse "enable-scale-to-zero": strconv.ParseBool: parsing "yes": invalid syntax',
        ),
        (
            {"stable-window": "60"},
            'failed to parse data: failed to parse "stable-window": time: missing unit in duration "60"',
        ),
        (
            {"stable-window": "1d"},
            'failed to parse data: failed to parse "stable-window": time: unknown unit "d" in duration "1d"',
        ),
        (
            {"stable-window": "soon"},
            'failed to parse data: failed to parse "stable-window": time: invalid duration "soon"',
        ),
        ({"scale-to-zero-grace-period": "0"}, "scale-to-zero-grace-period must be positive, was: 0s"),
        ({"scale-down-delay": "-1m"}, "scale-down-delay cannot be negative, was: -1m0s"),
        ({"scale-down-delay": "1.5s"}, "scale-down-delay = 1.5s, must be specified with at most second precision"),
        (
            {"scale-to-zero-pod-retention-period": "-100ms"},
            "scale-to-zero-pod-retention-period cannot be negative, was: -100ms",
        ),
        (
            {"target-burst-capacity": "-2"},
            "target-burst-capacity must be either non-negative or -1 (for unlimited), was: -2.000000",
        ),
        (
            {"container-concurrency-target-percentage": "101"},
            "container-concurrency-target-percentage = 1.010000 is outside of valid range of (0, 100]",
        ),
        (
            {"container-concurrency-target-default": "0.01"},
            "container-concurrency-target-percentage and container-concurrency-target-default yield target concurrency "
            "of 0.006999999999999999, can't be less than 0.01",
        ),
        (
            {"requests-per-second-target-default": "0"},
            "requests-per-second-target-default must be at least 0.01, was: 0",
        ),
        ({"activator-capacity": "0.5"}, "activator-capacity = 0.5, must be at least 1"),
        ({"max-scale-up-rate": "1"}, "max-scale-up-rate = 1, must be greater than 1.0"),
        ({"max-scale-down-rate": "0.5"}, "max-scale-down-rate = 0.5, must be greater than 1.0"),
        ({"stable-window": "5s"}, "stable-window = 5s, must be in [6s; 1h0m0s] range"),
        ({"stable-window": "61m"}, "stable-window = 1h1m0s, must be in [6s; 1h0m0s] range"),
        ({"stable-window": "6500ms"}, "stable-window = 6.5s, must be specified with at most second precision"),
        ({"panic-window-percentage": "0"}, "panic-window-percentage = 0, must be in [1, 100] interval"),
        (
            {"initial-scale": "0"},
            "initial-scale = 0, must be at least 0 (or at least 1 when allow-zero-initial-scale is false)",
        ),
        ({"min-scale": "-1"}, "min-scale = -1, must be at least 0"),
        ({"max-scale": "-1"}, "max-scale = -1, must be in [0, max-scale-limit(0)] range"),
        ({"max-scale-limit": "5"}, "max-scale = 0, must be in [1, max-scale-limit(5)] range"),
        ({"max-scale-limit": "5", "max-scale": "6"}, "max-scale = 6, must be in [1, max-scale-limit(5)] range"),
        ({"max-scale-limit": "-1"}, "max-scale-limit = -1, must be at least 0"),
        ({"min-scale": "3", "max-scale": "2"}, "min-scale (3) must be less than max-scale (2)"),
    ],
)
def test_what_cannot_be_is_refused_in_upstreams_words(data: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError) as refused:
        Config.parse(data)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("text", "seconds", "shown"),
    [
        ("0", 0, "0s"),
        ("+0", 0, "0s"),
        ("1h", 3600, "1h0m0s"),
        ("90s", 90, "1m30s"),
        ("1m9s82ms", 69.082, "1m9.082s"),
        (".5m", 30, "30s"),
        ("-1.5h", -5400, "-1h30m0s"),
        ("100ms", 0.1, "100ms"),
        ("1.5µs", 1.5e-6, "1.5µs"),
        ("7ns", 7e-9, "7ns"),
    ],
)
def test_durations_as_go_writes_them(text: str, seconds: float, shown: str) -> None:
    assert literals.duration(text) == pytest.approx(seconds)
    assert literals.duration_text(literals.duration(text)) == shown


@pytest.mark.parametrize("text", ["", "-", "1", "s", "1 s", " 1s", "1s ", "1e3s", "..5s", "1s2", "9999999h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"^time: "):
        literals.duration(text)


@pytest.mark.parametrize("text", ["", " 1", "1 ", "nan", "inf", "1e400", "0x1", "1,5", "--1"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match=r"^strconv\.ParseFloat: "):
        literals.number(text)


def test_numbers_as_go_prints_them() -> None:
    assert [literals.number_text(value) for value in (100.0, 0.01, 1e-5, -2.5)] == ["100", "0.01", "1e-05", "-2.5"]
