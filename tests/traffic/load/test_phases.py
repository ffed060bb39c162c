"""Shapes integrate to their arrivals, arrivals fall where the integral says, Poisson arrivals are Poisson."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from iiab_lab.errors import UsageError
from iiab_lab.traffic.load.phases import Phase
from iiab_lab.traffic.load.plan import FORMS, plan, seconds

ALPHA = 1e-6
rates = st.floats(0, 300)
lengths = st.floats(0.1, 20)
Rate = Callable[[float], float]


@st.composite
def shaped(draw: st.DrawFn) -> tuple[Phase, Rate, list[float]]:
    """A phase, its rate at any second as the shape's definition has it, and where that rate jumps."""
    a, b, length = draw(rates), draw(rates), draw(lengths)
    shape = draw(st.sampled_from(["constant", "ramp", "step", "spike", "sine"]))
    if shape == "constant":
        return Phase.constant("p", a, length), lambda t: a, []
    if shape == "ramp":
        return Phase.ramp("p", a, b, length), lambda t: a + (b - a) * t / length, []
    if shape == "step":
        count = draw(st.integers(2, 6))
        stairs: Rate = lambda t: a + (b - a) * min(count - 1, math.floor(t / length * count)) / (count - 1)  # noqa: E731
        return Phase.step("p", a, b, length, count), stairs, [length * i / count for i in range(1, count)]
    if shape == "spike":
        width = draw(st.floats(0.1, 0.9)) * length
        first, last = (length - width) / 2, (length + width) / 2
        return Phase.spike("p", a, b, length, width), lambda t: b if first < t < last else a, [first, last]
    low, high, period = min(a, b), max(a, b), length / draw(st.integers(1, 4))
    wave: Rate = lambda t: (low + high) / 2 + (high - low) / 2 * math.sin(math.tau * t / period)  # noqa: E731
    return Phase.sine("p", low, high, length, period), wave, []


def integrated(rate: Rate, until: float, jumps: list[float]) -> float:
    """From 0, piece by piece between the jumps, just inside of them."""
    edges = [0.0, *[jump for jump in jumps if jump < until], until]
    return sum(integrate.quad(rate, a + 1e-12, b - 1e-12, limit=200)[0] for a, b in pairwise(edges) if b - a > 1e-9)


@given(shaped())
@settings(deadline=None)
def test_every_shape_has_as_many_arrivals_as_its_rate_integrates_to(case: tuple[Phase, Rate, list[float]]) -> None:
    phase, rate, jumps = case
    integral = integrated(rate, phase.seconds, jumps)
    moments = list(phase.times())
    assert phase.arrivals == pytest.approx(integral, rel=1e-6, abs=1e-6)
    assert len(moments) == math.ceil(phase.arrivals - 1e-9)
    assert moments == sorted(moments) and all(0 <= moment <= phase.seconds for moment in moments)


@given(shaped(), st.floats(0, 1))
@settings(deadline=None)
def test_at_any_moment_as_many_have_arrived_as_the_rate_integrates_to_until_then(
    case: tuple[Phase, Rate, list[float]], share: float
) -> None:
    """Within one for the whole number, and a part in a thousand of the swing for a sine drawn in straight pieces."""
    phase, rate, jumps = case
    moment = share * phase.seconds
    integral = integrated(rate, moment, jumps)
    arrived = sum(time <= moment for time in phase.times())
    assert (
        abs(arrived - integral) <= 1 + 1e-3 * max(rate(phase.seconds * i / 8) for i in range(9)) * phase.seconds + 1e-6
    )


def unit_gaps(phase: Phase, rate: Rate) -> numpy.ndarray:
    """Gaps in the number of arrivals expected between one and the next: of a Poisson process, exponential with mean 1."""
    grid = numpy.linspace(0, phase.seconds, 20_001)
    expected = integrate.cumulative_trapezoid([rate(t) for t in grid], grid, initial=0)
    return numpy.diff(numpy.interp(list(phase.times()), grid, expected))


POISSON: dict[str, tuple[Phase, Rate]] = {
    "constant": (Phase.constant("constant", 100, 50), lambda t: 100.0),
    "ramp": (Phase.ramp("ramp", 0, 200, 50), lambda t: 4 * t),
    "sine": (Phase.sine("sine", 0, 200, 50), lambda t: 100 + 100 * math.sin(math.tau * t / 50)),
}


@pytest.mark.parametrize("shape", POISSON)
def test_random_arrivals_are_a_poisson_process_of_the_shapes_rate(shape: str) -> None:
    """Kolmogorov and Smirnov's test on 5,000 gaps at alpha = 10⁻⁶, and the count within what a Poisson count may be."""
    phase, rate = POISSON[shape]
    gaps = unit_gaps(phase.poisson(seed=7), rate)
    assert stats.kstest(gaps, "expon").pvalue > ALPHA
    assert abs(stats.spearmanr(gaps[:-1], gaps[1:]).statistic) < 5 / math.sqrt(len(gaps)), (
        "one gap tells nothing of the next"
    )
    low, high = stats.poisson.interval(1 - ALPHA, phase.arrivals)
    assert low <= len(gaps) + 1 <= high
    assert stats.kstest(unit_gaps(phase, rate), "expon").pvalue < ALPHA, "the test sees that regular arrivals are not"


def test_a_seed_repeats_and_names_differ() -> None:
    phase = Phase.constant("one", 50, 10)
    assert list(phase.poisson(1).times()) == list(phase.poisson(1).times()) != list(phase.poisson(2).times())
    other = Phase.constant("other", 50, 10)
    assert list(phase.poisson(1).times()) != list(other.poisson(1).times())
    assert Phase.closed("c", 4, 1).poisson().seed is None


def test_a_plan_in_words_is_the_plan_in_calls() -> None:
    said = "warm=constant:20:10s, ramp:10-200:1.5m,step:10-50/3:30,spike:5-500/2s:500ms,spike:5-500:20s,sine:0-9/2:4s,closed:8:2s"
    text = said.replace("spike:5-500/2s:500ms", "spike:5-500/0.2s:500ms")
    assert plan(text) == [
        Phase.constant("warm", 20, 10),
        Phase.ramp("ramp", 10, 200, 90),
        Phase.step("step", 10, 50, 30, 3),
        Phase.spike("spike", 5, 500, 0.5, 0.2),
        Phase.spike("spike-2", 5, 500, 20),
        Phase.sine("sine", 0, 9, 4, 2),
        Phase.closed("closed", 8, 2),
    ]
    with pytest.raises(UsageError, match="has no place"):
        plan(said)


@given(st.lists(shaped().map(lambda case: case[0]), min_size=1, max_size=4))
@settings(deadline=None, max_examples=30)
def test_a_phase_survives_the_way_to_the_other_process_and_names_are_told_apart(phases: list[Phase]) -> None:
    made = plan(phases)
    assert [Phase.from_json(phase.to_json()) for phase in made] == made
    assert len({phase.name for phase in made}) == len(made)


def bad() -> Iterator[tuple[str, str]]:
    yield "", FORMS[0]
    yield "constant:fast:10s", "write constant:RATE:SECONDS"
    yield "constant:5-6:10s", "write constant:RATE:SECONDS"
    yield "ramp:5:10s", "write ramp:FROM-TO:SECONDS"
    yield "wave:5:10s", FORMS[0]
    yield "constant:5", FORMS[0]
    yield "constant:5:ten", "write 30s"
    yield "constant:5:0s", "more than 0"
    yield "constant:5:25h", "at most 86400"
    yield "constant:5000000:1s", "requests/s"
    yield "closed:0:5s", "1 or more"
    yield "step:1-2/1:5s", "2 steps or more"


@pytest.mark.parametrize(("text", "cure"), list(bad()))
def test_a_bad_plan_is_an_error_that_shows_the_right_form(text: str, cure: str) -> None:
    with pytest.raises(UsageError) as error:
        plan(text)
    assert cure in error.value.cure


def test_moments_of_two_arrivals_of_a_falling_ramp_grow_apart() -> None:
    gaps = [b - a for a, b in pairwise(Phase.ramp("down", 100, 0, 10).times())]
    assert all(later > earlier for earlier, later in pairwise(gaps))


def test_lengths() -> None:
    assert [seconds(text) for text in ("90", "90s", "1.5m", "500ms", "1h")] == [90, 90, 90, 0.5, 3600]
