"""Rate limits against an independent count of what was granted."""

import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.access.keys import LOCAL, Caller
from serving.access.limits import RateLimits


def caller(per_minute: int | None = None, name: str = "a") -> Caller:
    return Caller(name, frozenset({"predict"}), None, per_minute)


def granted_at_once(limits: RateLimits, who: Caller, at: float = 100.0) -> int:
    return next(n for n in range(10**6) if limits.take(who, at=at) > 0)


@pytest.mark.parametrize(
    ("per_minute", "share", "burst"),
    [(60_000, 1, 1000), (6_000, 1, 100), (600, 1, 10), (60, 1, 10), (5, 1, 5), (1, 1, 1), (60_000, 4, 250),
     (600, 4, 10), (12, 4, 3), (1, 4, 1)],
)  # fmt: skip
def test_what_may_come_at_once(per_minute: int, share: int, burst: int) -> None:
    assert granted_at_once(RateLimits(1, share), caller(per_minute)) == burst
    assert granted_at_once(RateLimits(per_minute, share), caller()) == burst


def test_who_waits_as_long_as_told_is_let_in_and_not_a_moment_earlier() -> None:
    limits, who = RateLimits(600), caller()
    granted_at_once(limits, who, 5.0)
    wait = limits.take(who, at=5.0)
    assert wait == pytest.approx(0.1)
    assert limits.take(who, at=5.0 + wait * 0.99) > 0
    assert limits.take(who, at=5.0 + wait) == 0.0


def test_callers_do_not_share_and_the_local_one_has_no_limit() -> None:
    limits = RateLimits(1)
    assert [limits.take(caller(name=name)) for name in "abc"] == [0.0, 0.0, 0.0]
    assert limits.take(caller(name="a")) == pytest.approx(60)
    assert {limits.take(LOCAL) for _ in range(1000)} == {0.0}


def test_what_costs_more_than_a_burst_passes_and_is_paid_for_afterwards() -> None:
    limits, who = RateLimits(600), caller()
    assert limits.take(who, 1000, at=0.0) == 0.0
    assert limits.take(who, at=0.0) == pytest.approx(1000 / 10 - 10 / 10 + 0.1)
    assert limits.take(who, 1000, at=100.0) == 0.0


@given(
    st.integers(1, 100_000), st.integers(1, 8),
    st.lists(st.tuples(st.floats(0, 20), st.integers(1, 50)), max_size=60),
)  # fmt: skip
def test_over_any_time_no_more_is_granted_than_the_limit_and_one_burst(
    per_minute: int, share: int, asked: list[tuple[float, int]]
) -> None:
    """What is granted by the end of a stretch, without its last request, fits into rate × time + burst."""
    limits, who, at, granted = RateLimits(per_minute, share), caller(), 0.0, []
    for pause, n in asked:
        at += pause
        if limits.take(who, n, at) == 0.0:
            granted.append((at, n))
    rate = per_minute / 60 / share
    burst = max(1.0, rate, min(60 * rate, 10.0))
    for first, (begin, _) in enumerate(granted):
        for last in range(first, len(granted)):
            before = sum(n for _, n in granted[first:last])
            cost = min(granted[last][1], burst)
            assert before + cost <= rate * (granted[last][0] - begin) + burst + 1e-3 * rate + 1e-6


def test_asking_is_no_work() -> None:
    """The issue asks for less than 1 µs; twenty times that is a fault of ours, not of a busy machine."""
    limits, who = RateLimits(60_000), caller()
    assert min(timeit.repeat(lambda: limits.take(who, 1, 0.0), number=5000, repeat=5)) / 5000 < 20e-6
