"""What comes of fitting value: everything a bundle needs, and a range that holds what it says."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from features.clock import DAY, micros
from features.engines import open_source
from models.booster import Booster
from models.design import Design
from models.value_model import expected
from models.value_range import ValueRange, begins_at_zero, value_range
from tests.real_data import real_data, real_settings
from tests.training.buyers import COLUMNS, HORIZON, PLAN, SHORT, SIMPLE, design, snapshots
from training.coverage import coverage
from training.fit_value import FittedValue, correction, fit_range, fit_value
from training.metrics import normalised_gini, total_ratio
from training.snapshots import fit_population, take
from training.targets import targets
from training.value_choice import column_of


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return snapshots(2000)


@pytest.fixture(scope="module")
def known(rows: pl.DataFrame) -> Design:
    return design(rows)


@pytest.fixture(scope="module")
def fitted(rows: pl.DataFrame, known: Design) -> FittedValue:
    return fit_value(rows, PLAN, known, HORIZON, simple=SIMPLE)


def said(fitted: FittedValue, known: Design, rows: pl.DataFrame) -> dict[str, np.ndarray]:
    matrix = known.matrix(rows)
    found = {name: Booster.from_text(text).predict(matrix) for name, text in fitted.texts.items()}
    if fitted.mixture.linear:
        found["linear"] = fitted.mixture.linear.predict_raw(matrix, known.names)
    low, high = value_range(found["low"], found["high"], fitted.range)
    worth = expected(fitted.mixture, found, column_of(matrix, known.names, "rhythm_value"))
    return {"expected": worth, "bottom": low, "top": high, "zero": begins_at_zero(found["low"])}


def test_it_holds_the_boosters_that_its_mixture_names(fitted: FittedValue) -> None:
    assert set(fitted.texts) == set(fitted.mixture.boosters)
    assert fitted.mixture.why.startswith(fitted.mixture.kind)
    assert len(fitted.compared) == 6


def test_it_predicts_a_later_period(fitted: FittedValue, known: Design, rows: pl.DataFrame) -> None:
    test = rows.filter(pl.col("as_of") == PLAN.test)
    worth = said(fitted, known, test)["expected"]
    assert normalised_gini(test["value"], worth) > 0.5
    assert total_ratio(test["value"], worth) == pytest.approx(1, abs=0.2)


def test_the_range_holds_eight_of_ten_of_those_above_zero_and_nine_of_ten_of_the_others(
    fitted: FittedValue, known: Design, rows: pl.DataFrame
) -> None:
    test = rows.filter(pl.col("as_of") == PLAN.test)
    found, actual = said(fitted, known, test), test["value"].to_numpy()
    for members, share in ((~found["zero"], 0.8), (found["zero"], 0.9)):
        assert members.sum() > 100
        inside = coverage(actual[members], found["bottom"][members], found["top"][members])
        assert inside == pytest.approx(share, abs=0.05)
    assert (found["bottom"][found["zero"]] == 0).all()


def corrected(fitted: FittedValue, known: Design, rows: pl.DataFrame) -> ValueRange:
    return fit_range(rows, PLAN, known, HORIZON, fitted.texts, fitted.range.scale)


def richer(rows: pl.DataFrame, where: pl.Expr) -> pl.DataFrame:
    """Ten times the value."""
    return rows.with_columns(value=pl.when(where).then(pl.col("value") * 10).otherwise("value"))


def test_customers_set_aside_correct_what_the_models_say(
    fitted: FittedValue, known: Design, rows: pl.DataFrame
) -> None:
    """Ten times the value for customers who never train: the range moves up by ln 10 on the asinh scale.

    Nothing moves it that other customers or the test period bring.
    """
    aside, tested = pl.col("fold") == 0, pl.col("as_of") == PLAN.test
    assert corrected(fitted, known, rows) == fitted.range
    moved = corrected(fitted, known, richer(rows, aside))
    assert moved.high - fitted.range.high == pytest.approx(np.log(10), abs=0.5)
    assert moved.low > fitted.range.low + 1  # less than ln 10: those who brought nothing still bring nothing
    assert corrected(fitted, known, richer(rows, ~aside | tested)) == fitted.range


def test_the_latest_season_weighs_most(fitted: FittedValue, known: Design, rows: pl.DataFrame) -> None:
    first, last = (
        corrected(fitted, known, richer(rows, pl.col("as_of") == day * DAY)).high_from_zero for day in (240, 360)
    )
    assert last > first > fitted.range.high_from_zero


def test_without_a_later_period_fold_one_corrects_and_fold_zero_is_never_seen(rows: pl.DataFrame) -> None:
    known, zero = Design(COLUMNS), pl.col("fold") == 0
    spoilt = rows.with_columns(value=pl.when(zero).then(pl.lit(1e6)).otherwise("value"))
    first, second = (fit_value(frame, SHORT, known, HORIZON, simple=None) for frame in (rows, spoilt))
    assert first == second
    assert first.mixture.kind == "two_part"
    assert first.range.high != 0


def test_few_rows_are_corrected_together() -> None:
    few = fit_value(snapshots(60), PLAN, Design(COLUMNS), HORIZON, simple=None)
    assert np.isfinite([few.range.low, few.range.high, few.range.high_from_zero]).all()


def test_the_correction_is_a_quantile_with_one_row_more() -> None:
    """Nineteen equal weights: the ⌈0.9 · 20⌉ = 18th smallest, as split conformal prediction has it."""
    scores = np.arange(19.0)[::-1].copy()
    assert correction(scores, np.ones(19)) == 17.0
    assert correction(scores[:5], np.ones(5)) == 18.0  # too few: the largest there is
    assert correction(np.array([1.0, 5.0]), np.array([1.0, 1e-9])) == 5.0
    weights = np.where(scores < 10, 1.0, 1e-6)
    assert correction(scores, weights, 0.5) == 5.0  # of the ten rows that count, ⌈0.5 · 11⌉ = 6th


def test_a_wholesaler_of_gifts_in_a_season_that_no_window_had_seen() -> None:
    """Fitted on spring and summer, tested on November to January, a window before the benchmark's test period."""
    settings = real_settings("online_retail_2")
    as_of = micros(dt.datetime(2011, 1, 31, tzinfo=dt.UTC))
    past = open_source(real_data("online_retail_2"), settings).until(as_of)
    aims = targets(past, as_of, settings)
    assert aims.value is not None
    taken = take(past, aims, fit_population(past, aims.value.calibration, aims.definition, settings), settings)
    fitted = fit_value(taken.rows, aims.value, Design(taken.columns), 90, simple=None)
    test = taken.rows.filter((pl.col("as_of") == aims.value.test) & pl.col("at_stake"))
    found, actual = said(fitted, Design(taken.columns), test), test["value"].to_numpy()
    assert normalised_gini(actual, found["expected"]) > 0.75
    above = ~found["zero"]
    assert coverage(actual[above], found["bottom"][above], found["top"][above]) == pytest.approx(0.8, abs=0.05)
    assert coverage(actual, found["bottom"], found["top"]) == pytest.approx(0.9, abs=0.03)
