"""Windows whose labels cannot be believed are left out."""

from collections.abc import Callable
from pathlib import Path

import pytest

from features.point_in_time import Frame
from tests.literal import T, ago, at, rows, source
from training.censoring import believable, silence, stopped
from training.split import Plan, SplitError

Used = Callable[..., Frame]

PLAN = Plan(test=at(90), training=(at(240), at(210), at(180)), later_period=True)
NO_DOUBT = dict.fromkeys(PLAN.cutoffs)


@pytest.fixture
def used(tmp_path: Path) -> Used:
    """usage_events on these days before T."""

    def table(*days: float) -> Frame:
        events = rows("customer_id occurred_at feature", *(("a", ago(day), "x") for day in days))
        return source(tmp_path, "polars", {"usage_events": events}).tables["usage_events"]

    return table


def test_silence_at_the_end_and_the_longest_before(used: Used) -> None:
    # days 40, 30 and 10 before T: nineteen empty days between the last two, nine after the last
    assert silence(used(40, 30, 10, 9.5), "usage_events", T) == (9, 19)
    assert silence(used(40, 30, 10, 9.5), "usage_events", at(5)) == (4, 19)
    assert silence(used(40, 30, 10, 9.5), "usage_events", at(10)) == (19, 9)


def test_an_empty_table_is_silent_for_ever(used: Used) -> None:
    assert silence(used(-5), "usage_events", T) == (float("inf"), 0)


def test_a_table_that_keeps_going_has_not_stopped(used: Used) -> None:
    assert stopped(used(30, 20, 10, 1), "usage_events", T) is None
    assert stopped(used(*range(1, 100)), "usage_events", T) is None
    assert stopped(used(30, 20, 11), "usage_events", T) is None  # ten days of silence, nine before: no doubt yet


def test_a_table_that_stops_says_nothing_about_the_end(used: Used) -> None:
    assert stopped(used(30, 20, 12), "usage_events", T) == (
        "usage_events has no row after 2026-06-19, 11 days before the window closes "
        "(its longest silence before: 9 days)"
    )
    assert stopped(used(30, 20, 12), "usage_events", at(11)) is None


def test_an_empty_table_has_stopped(used: Used) -> None:
    assert stopped(used(), "usage_events", T) is not None


def test_plans_without_doubts_stay_as_they_are() -> None:
    rates = {at(240): 0.1, at(210): 0.15, at(180): 0.3, at(90): 0.1}
    assert believable(PLAN, rates, NO_DOUBT) == (PLAN, [])


def test_a_cut_off_after_which_a_table_stopped_is_left_out() -> None:
    kept, warnings = believable(PLAN, dict.fromkeys(PLAN.cutoffs, 0.1), NO_DOUBT | {at(210): "it stopped"})
    assert kept == Plan(PLAN.test, (at(240), at(180)), later_period=True)
    assert warnings == ["cut-off 2025-12-03 left out: it stopped"]


def test_a_churn_rate_over_three_times_the_median_is_left_out() -> None:
    rates = {at(240): 0.1, at(210): 0.31, at(180): 0.1, at(90): 0.1}
    kept, (warning,) = believable(PLAN, rates, NO_DOUBT)
    assert kept.training == (at(240), at(180))
    assert warning.endswith("left out: 31% churned, over 3 times the median of 10%: a table may have stopped")
    assert believable(PLAN, rates | {at(210): 0.3}, NO_DOUBT)[0] == PLAN


def test_one_churner_where_others_have_none_is_no_sign_of_a_stop() -> None:
    rates = {at(240): 0.0, at(210): 0.01, at(180): 0.0, at(90): 0.0}
    assert believable(PLAN, rates, NO_DOUBT)[0] == PLAN


def test_a_doubtful_test_cut_off_is_refused() -> None:
    with pytest.raises(SplitError, match=r"test cut-off 2026-04-02: it stopped; .* set --as-of to the day after"):
        believable(PLAN, dict.fromkeys(PLAN.cutoffs, 0.1), NO_DOUBT | {PLAN.test: "it stopped"})


def test_without_a_training_cut_off_the_run_is_refused() -> None:
    doubts = NO_DOUBT | dict.fromkeys(PLAN.training, "it stopped")
    with pytest.raises(SplitError) as raised:
        believable(PLAN, dict.fromkeys(PLAN.cutoffs, 0.1), doubts)
    assert len(raised.value.problems) == 4
    assert raised.value.problems[-1].startswith("no training cut-off is left; set --as-of earlier")
