"""Which value model is kept, and on what that was decided."""

import numpy as np
import polars as pl
import pytest

from features.clock import DAY
from models.design import Design
from tests.training.buyers import COLUMNS, HORIZON, PLAN, SHORT, SIMPLE, design, snapshots
from training.bootstrap import Interval
from training.fit_value_linear import fit_log_linear
from training.inner import training_rows
from training.intervals import Judged
from training.metrics import normalised_gini, total_ratio
from training.split import Plan
from training.value_choice import PREFERRED, WORDS, Choice, SimpleForecast, candidates, choose, surely_behind


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return snapshots()


@pytest.fixture(scope="module")
def known(rows: pl.DataFrame) -> Design:
    return design(rows)


@pytest.fixture(scope="module")
def choice(rows: pl.DataFrame, known: Design) -> Choice:
    return choose(rows, PLAN, known, HORIZON, simple=SIMPLE)


def test_the_test_period_cannot_sway_the_choice(rows: pl.DataFrame, known: Design, choice: Choice) -> None:
    """Whatever is realised after the latest training cut-off's window: the same choice, the same table."""
    spoilt = rows.with_columns(value=pl.when(pl.col("as_of") == PLAN.test).then(pl.lit(1e6)).otherwise("value"))
    assert choice == choose(spoilt, PLAN, known, HORIZON, simple=SIMPLE)


def test_the_first_by_preference_that_is_not_surely_behind_is_kept(choice: Choice) -> None:
    assert [row.kind for row in choice.compared] == [kind for kind in PREFERRED if kind != "run_rate"]
    assert [row.kind for row in choice.compared if row.kept] == [choice.kind]
    best = max(choice.compared, key=lambda row: row.gini.estimate or -1)
    assert best.behind is None
    near = [row.kind for row in choice.compared if row.behind is None or not (row.behind.low or 0) > 0]
    assert choice.kind == near[0]
    assert choice.why.startswith(f"{WORDS.get(choice.kind, choice.kind)}: the ")
    assert choice.why.endswith("fitted on 3 cut-offs that had closed before")


def test_the_table_is_that_of_the_candidates_at_the_latest_training_cut_off(
    rows: pl.DataFrame, known: Design, choice: Choice
) -> None:
    judged = rows.filter(pl.col("as_of") == PLAN.calibration)
    earlier = rows.filter(pl.col("as_of") <= PLAN.calibration - HORIZON * DAY)
    inner = Plan(PLAN.calibration, PLAN.training[:3], later_period=True)
    fitted = candidates(earlier, inner, known, ("two_part",), simple=SIMPLE)
    table = {row.kind: row for row in choice.compared}
    for kind in ("two_part", "bg_nbd"):
        said = fitted[kind].expected(known.matrix(judged), known.names)
        assert table[kind].gini.estimate == pytest.approx(normalised_gini(judged["value"], said))
        assert table[kind].total_ratio == pytest.approx(total_ratio(judged["value"], said))
        assert table[kind].mae == pytest.approx(np.abs(judged["value"].to_numpy() - said).mean())


def test_a_clearly_better_model_is_kept_though_it_is_not_simple(rows: pl.DataFrame) -> None:
    """A feature tells half of the customers' amounts; the rhythm of purchases does not know of it."""
    half = pl.col("customer_id").str.slice(1).cast(pl.Int64) % 2
    told = rows.with_columns(told=half.cast(pl.Float64), value=pl.when(half == 1).then("value").otherwise(0.0))
    columns = (*COLUMNS, COLUMNS[0].model_copy(update={"name": "told"}))
    choice = choose(told, PLAN, Design(columns, design(rows).rhythm), HORIZON, simple=SIMPLE)
    assert choice.kind == "tweedie"
    table = {row.kind: row.behind for row in choice.compared}
    assert surely_behind_by_table(table["bg_nbd"])
    assert surely_behind_by_table(table["blend"])
    assert surely_behind_by_table(table["mean"])


def test_the_blend_is_the_mean_of_trees_and_rhythm(rows: pl.DataFrame, known: Design) -> None:
    fitted = candidates(rows, PLAN, known, ("two_part",), simple=SIMPLE)
    matrix = known.matrix(rows.head(50))
    one, other, both = (fitted[k].expected(matrix, known.names) for k in ("two_part", "bg_nbd", "blend"))
    np.testing.assert_allclose(both, (one + other) / 2)


def test_the_mean_is_that_of_trees_rhythm_and_a_log_linear_regression(rows: pl.DataFrame, known: Design) -> None:
    fitted = candidates(rows, PLAN, known, ("two_part",), simple=SIMPLE)
    mixture, matrix = fitted["mean"].mixture, known.matrix(rows.head(50))
    assert mixture.linear == fit_log_linear(
        known.matrix(training_rows(rows, PLAN)), training_rows(rows, PLAN)["value"].to_numpy(), known
    )
    assert mixture.linear
    one, other, mean = (fitted[k].expected(matrix, known.names) for k in ("two_part", "bg_nbd", "mean"))
    third = np.exp(mixture.linear.predict_raw(matrix, known.names))
    np.testing.assert_allclose(mean, (one + other + third) / 3)


def test_with_few_buyers_there_is_no_regression(rows: pl.DataFrame, known: Design) -> None:
    few = rows.filter(pl.col("customer_id").is_in([f"C{number}" for number in range(15)]))
    assert set(candidates(few, PLAN, known, ("tweedie",), simple=SIMPLE)) == {"tweedie", "bg_nbd", "blend"}


def surely_behind_by_table(behind: Interval | None) -> bool:
    return behind is not None and behind.low is not None and behind.low > 0


def test_a_subscription_paid_on_may_be_all_it_takes(rows: pl.DataFrame) -> None:
    """Value is what is paid a month times the months of the horizon: trees can only come near."""
    paid = pl.col("rfm_amount_mean").fill_null(0.0)
    told = rows.with_columns(subscription_amount=paid, value=3.0 * paid)
    columns = (*COLUMNS, COLUMNS[0].model_copy(update={"name": "subscription_amount"}))
    choice = choose(told, PLAN, Design(columns), HORIZON, SimpleForecast("subscription_amount", 3.0))
    assert [row.kind for row in choice.compared][:2] == ["blend", "run_rate"]
    assert choice.kind in ("blend", "run_rate")
    alone = candidates(told, PLAN, Design(columns), (), SimpleForecast("subscription_amount", 3.0))["run_rate"]
    matrix = Design(columns).matrix(told)
    np.testing.assert_allclose(alone.expected(matrix, Design(columns).names), told["value"], rtol=1e-6)


def test_without_the_same_money_the_rhythm_is_no_candidate(rows: pl.DataFrame, known: Design) -> None:
    kinds = [row.kind for row in choose(rows, PLAN, known, HORIZON, simple=None).compared]
    assert kinds == ["tweedie", "two_part", "ziln"]
    plain = choose(rows, PLAN, Design(COLUMNS), HORIZON, simple=SIMPLE)
    assert [row.kind for row in plain.compared] == ["tweedie", "two_part", "ziln"]


@pytest.mark.parametrize(
    ("plan", "horizon", "value", "why"),
    [(SHORT, HORIZON, 1.0, "no window had closed"), (PLAN, 200, 1.0, "no window"), (PLAN, HORIZON, 0.0, "nobody had")],
)
def test_where_nothing_can_be_compared(
    rows: pl.DataFrame, known: Design, plan: Plan, horizon: int, value: float, why: str
) -> None:
    choice = choose(rows.with_columns(value=pl.col("value") * value), plan, known, horizon, simple=SIMPLE)
    assert (choice.kind, choice.trees, choice.compared) == ("two_part", ("two_part",), ())
    assert f"two_part: {why}" in choice.why


def interval(low: float | None) -> Interval:
    return Interval(estimate=0.02, low=low, high=0.03)


@pytest.mark.parametrize(("low", "behind"), [(0.01, True), (0.0, False), (-0.01, False), (None, False)])
def test_surely_behind(low: float | None, behind: bool) -> None:
    gini = {"normalised_gini": interval(0.5)}
    assert surely_behind(Judged(gini, {"normalised_gini": interval(low)})) is behind
    assert not surely_behind(Judged(gini, {}))
