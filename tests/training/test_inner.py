"""Choices between models are made one step before the test."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from features.clock import DAY
from training.calibration import slice_rows
from training.inner import inner_plan, training_rows
from training.split import Plan, plan


def test_the_latest_training_cut_off_judges_what_had_closed_before_it() -> None:
    outer = Plan(test=500 * DAY, training=tuple(day * DAY for day in (260, 290, 320, 350, 380, 410)), later_period=True)
    assert inner_plan(outer, 90) == Plan(test=410 * DAY, training=(260 * DAY, 290 * DAY, 320 * DAY), later_period=True)


def test_one_day_short_of_the_window_does_not_train() -> None:
    outer = Plan(test=500 * DAY, training=(319 * DAY, 321 * DAY, 410 * DAY), later_period=True)
    inner = inner_plan(outer, 90)
    assert inner is not None
    assert inner.training == (319 * DAY,)


def test_without_a_closed_window_there_is_nothing_to_choose_on() -> None:
    assert inner_plan(Plan(500 * DAY, (350 * DAY, 410 * DAY), later_period=True), 90) is None
    assert inner_plan(Plan(500 * DAY, (410 * DAY,), later_period=True), 0) is None


def test_without_a_later_period_either() -> None:
    assert inner_plan(Plan(500 * DAY, (100 * DAY, 500 * DAY), later_period=False), 90) is None


@given(st.integers(100, 900), st.integers(1, 200), st.integers(1, 60), st.integers(1, 12))
def test_it_never_sees_the_outer_test(as_of: int, window: int, every: int, count: int) -> None:
    outer = plan(as_of * DAY, window, every, count, begins=0) if as_of > window else None
    inner = inner_plan(outer, window) if outer else None
    if outer and inner:
        assert inner.test + window * DAY <= outer.test
        assert all(cutoff + window * DAY <= inner.test for cutoff in inner.training)
        assert {inner.test, *inner.training} <= set(outer.training)


def test_who_trains_is_never_set_aside() -> None:
    rows = pl.DataFrame({"as_of": [100 * DAY] * 5 + [500 * DAY] * 5, "fold": [*range(5)] * 2})
    later = Plan(500 * DAY, (100 * DAY,), later_period=True)
    short = Plan(100 * DAY, (100 * DAY,), later_period=False)
    assert training_rows(rows, later)["fold"].to_list() == [1, 2, 3, 4]
    assert training_rows(rows, short)["fold"].to_list() == [2, 3, 4]
    for plan_ in (later, short):
        aside = set(slice_rows(rows, plan_)["fold"])
        assert aside
        assert not aside & set(training_rows(rows, plan_)["fold"])
