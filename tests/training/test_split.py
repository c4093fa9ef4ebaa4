"""Which cut-offs train, calibrate and test, and which customers are set aside."""

import pytest

from features.clock import DAY
from tests.literal import T, at
from training.split import FOLDS, Plan, SplitError, folds, labelled_plan, plan


def test_the_embargo_stands_before_the_test_cut_off() -> None:
    made = plan(T, window_days=90, every_days=30, count=6, begins=at(2000))
    assert made.later_period
    assert made.test == at(90)
    assert made.training == tuple(at(days) for days in (330, 300, 270, 240, 210, 180))
    assert all(cutoff + 90 * DAY <= made.test for cutoff in made.training)
    assert made.calibration == at(180)
    assert made.cutoffs == (*made.training, at(90))


def test_sixty_days_of_history_lie_before_every_training_cut_off() -> None:
    made = plan(T, window_days=90, every_days=30, count=6, begins=at(300))
    assert made.training == (at(240), at(210), at(180))
    assert plan(T, 90, 30, 6, begins=at(300) + DAY).training == (at(210), at(180))


def test_the_first_day_counts_as_whole() -> None:
    assert plan(T, 90, 30, 6, begins=at(299.5)).training[0] == at(240)


def test_exactly_one_cut_off_before_the_embargo() -> None:
    made = plan(T, window_days=90, every_days=30, count=6, begins=at(240))
    assert made == Plan(at(90), (at(180),), later_period=True)


def test_without_room_for_an_embargo_the_closed_windows_train() -> None:
    made = plan(T, window_days=90, every_days=30, count=6, begins=at(239))
    assert not made.later_period
    assert made.test == at(90)
    assert made.training == (at(150), at(120), at(90))  # 239 days of history: 89, 119 and 149 lie before
    assert made.cutoffs == made.training


def test_one_closed_window_is_trained_and_tested_on() -> None:
    made = plan(T, window_days=90, every_days=30, count=6, begins=at(100))
    assert made == Plan(at(90), (at(90),), later_period=False)


def test_no_closed_window_is_refused() -> None:
    with pytest.raises(
        SplitError, match="history of 90 days before the as-of date is too short for a window of 90 days"
    ):
        plan(T, window_days=90, every_days=30, count=6, begins=at(90))


def test_labels_bring_their_own_cut_offs() -> None:
    made = labelled_plan([at(270), at(180), at(100), at(0)], horizon_days=90)
    assert made == Plan(at(0), (at(270), at(180), at(100)), later_period=True)
    assert labelled_plan([at(270), at(90), at(89), at(0)], horizon_days=90).training == (at(270), at(90))


def test_one_labelled_cut_off_trains_and_tests() -> None:
    assert labelled_plan([at(0)], horizon_days=90) == Plan(at(0), (at(0),), later_period=False)
    assert labelled_plan([at(10), at(0)], horizon_days=90) == Plan(at(0), (at(10), at(0)), later_period=False)


def test_labels_without_rows_are_refused() -> None:
    with pytest.raises(SplitError, match="labels: no row with an as_of date"):
        labelled_plan([], horizon_days=90)


def test_folds_are_a_customers_own() -> None:
    # other numbers would move customers between training and test of models that are compared
    assert folds(["a", "b", "c", "007"]).tolist() == [3, 4, 1, 4]
    assert folds(["007", "a"]).tolist() == [4, 3]


def test_folds_deal_customers_evenly() -> None:
    dealt = folds(str(number) for number in range(10_000))
    shares = [(dealt == fold).mean() for fold in range(FOLDS)]
    assert sum(shares) == 1
    assert shares == pytest.approx([0.2] * FOLDS, abs=0.02)
