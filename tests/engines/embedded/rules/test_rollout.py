"""A Deployment's arithmetic holds its promises from any state, not only from those we thought of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from iiab_lab.engines.embedded.rules import rollout

PERCENT = st.one_of(st.integers(0, 5), st.integers(0, 100).map(lambda n: f"{n}%"))
STRATEGY = st.fixed_dictionaries(
    {
        "type": st.just("RollingUpdate"),
        "rollingUpdate": st.fixed_dictionaries({"maxSurge": PERCENT, "maxUnavailable": PERCENT}),
    }
)
SET = st.tuples(st.integers(0, 10), st.integers(0, 10)).map(lambda pair: (max(pair), min(pair)))


@given(st.integers(1, 10), STRATEGY, SET, st.lists(SET, max_size=3))
def test_no_step_takes_more_than_may_be_unavailable_nor_adds_more_than_may_surge(wanted, strategy, new, old) -> None:
    surge, unavailable = rollout.bounds(strategy, wanted)
    grown, shrunk = rollout.sizes(wanted, strategy, new, old)
    assert 0 <= grown <= wanted
    assert all(0 <= after <= before for after, (before, _) in zip(shrunk, old, strict=True))
    total = sum(size for size, _ in old)
    assert grown <= max(new[0], wanted + surge - total, 0) or new[0] > wanted
    available = new[1] + sum(ready for _, ready in old)
    kept = new[1] + sum(min(after, ready) for after, (_, ready) in zip(shrunk, old, strict=True))
    assert kept >= min(available, wanted - unavailable)


@given(st.integers(0, 10), STRATEGY, st.integers(0, 10))
def test_stepping_on_ends_with_the_new_one_alone(wanted, strategy, size) -> None:
    """Every Pod becomes available at once; then a bounded number of steps is enough."""
    new, old = 0, size
    for _ in range(60):
        new, (old,) = rollout.sizes(wanted, strategy, (new, new), [(old, old)])
        if (new, old) == (wanted, 0):
            return
    raise AssertionError((new, old))


def test_recreate_ends_the_old_before_it_begins_the_new() -> None:
    assert rollout.sizes(2, {"type": "Recreate"}, (0, 0), [(2, 2)]) == (0, [0])
    assert rollout.sizes(2, {"type": "Recreate"}, (0, 0), [(0, 0)]) == (2, [0])


def test_the_template_hash_is_that_of_the_content_not_of_the_order() -> None:
    assert rollout.template_hash({"a": 1, "b": [1]}) == rollout.template_hash({"b": [1], "a": 1})
    assert rollout.template_hash({"a": 1}) != rollout.template_hash({"a": 2})
