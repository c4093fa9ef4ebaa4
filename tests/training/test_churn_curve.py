"""The churn curve in training: kept only where it is not worse, learnt from nothing of the test period."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from features.clock import DAY
from models.booster import Booster
from models.churn import ROUNDS
from models.churn_curve import CurveModel
from tests.training.waiters import (
    BUYING,
    CUTOFFS,
    DESIGN,
    PAYING,
    PLAN,
    SHORT,
    WINDOW,
    bought,
    opened,
    purchases,
    snapshots,
    subscriptions,
)
from training import curve_report
from training.bootstrap import Interval
from training.churn_curve import FittedCurve, fit_curve, known_until
from training.curve_report import ComparedEdge, Scores, ruled
from training.hazard import Task
from training.metrics import log_loss, roc_auc


def fitted(folder: Path, transactions: pl.DataFrame, rows: pl.DataFrame) -> FittedCurve:
    tables = opened(folder, transactions=transactions)
    return fit_curve(tables, rows, PLAN, WINDOW, DESIGN, "no_purchase", BUYING, tuned={"rounds": 2000})  # not taken


@pytest.fixture(scope="module")
def buyers(tmp_path_factory: pytest.TempPathFactory) -> FittedCurve:
    return fitted(tmp_path_factory.mktemp("buyers"), purchases(), snapshots())


def test_nothing_of_the_test_period_is_read(buyers: FittedCurve, tmp_path: Path) -> None:
    """Whoever buys from the test cut-off on, and whatever is said of those tested: the same curve, the same report."""
    day = pl.col("occurred_at").cast(pl.Int64) / DAY
    before = purchases().filter(day < 420)
    late = before.unique("customer_id", maintain_order=True).with_columns(
        occurred_at=pl.lit(420 * DAY, pl.Int64).cast(pl.Datetime("us"))
    )
    spoilt = snapshots().with_columns(noise=pl.when(pl.col("as_of") == PLAN.test).then(1e6).otherwise("noise"))
    assert fitted(tmp_path, pl.concat([before, late]), spoilt) == buyers


def test_but_all_before_it_is(tmp_path: Path) -> None:
    day = pl.col("occurred_at").cast(pl.Int64) / DAY
    until = (419, 420, 600)
    came = [np.nansum(bought(tmp_path / str(last), purchases().filter(day < last)).events) for last in until]
    assert came[0] < came[1] == came[2]


def test_every_edge_is_compared_where_it_can_be(buyers: FittedCurve) -> None:
    report = buyers.report
    assert [edge.days for edge in report.edges] == [30, 60, 90, 180]
    ahead, among = "at the earlier cut-off 1970-12-27", "on a fifth of the training customers, at the same cut-offs"
    assert [edge.where for edge in report.edges] == [ahead, ahead, among, among]
    assert report.edges[0].rows == snapshots().filter((pl.col("as_of") == CUTOFFS[-1]) & (pl.col("fold") != 0)).height
    horizon = report.edges[1]
    assert horizon.curve == horizon.single
    assert horizon.log_loss_difference == Interval(estimate=0, low=0, high=0)
    for edge in report.edges:
        assert edge.curve
        assert edge.single
        assert edge.log_loss_difference
        assert edge.log_loss_difference.estimate == pytest.approx(edge.curve.log_loss - edge.single.log_loss, abs=1e-12)


def test_it_is_kept_and_says_so(buyers: FittedCurve) -> None:
    assert buyers.trees is not None
    assert buyers.trees.count("\nTree=") == ROUNDS
    assert buyers.report.kept
    assert buyers.curve is not None
    assert buyers.curve.edges == (30, 60, 90, 180)
    assert not buyers.curve.rising
    assert buyers.curve.why == buyers.report.why
    assert buyers.report.why == (
        "one model for all horizons, not surely worse at 30, 90, 180 days than models of their own"
    )


def test_the_curve_that_is_served_tells_the_truth(buyers: FittedCurve) -> None:
    """Anchored on the true chance of silence over 60 days it gives that of other horizons, and the days to wait."""
    assert buyers.curve
    assert buyers.trees
    rows = snapshots().filter(pl.col("as_of") == PLAN.test)
    rate, days = rows["rate"].to_numpy(), np.array(buyers.curve.edges)
    true = np.exp(-rate[:, None] * days)
    model = CurveModel(buyers.curve, Booster.from_text(buyers.trees))
    said = model.probabilities(DESIGN.matrix(rows), true[:, 1])
    assert np.abs(said - true).mean(axis=0) == pytest.approx(0, abs=0.04)
    waits = (1 - np.exp(-180 * rate)) / rate
    expected = buyers.curve.expected_days(said)
    assert np.corrcoef(expected, waits)[0, 1] > 0.98
    assert expected.mean() == pytest.approx(waits.mean(), abs=6)


def test_scores_are_those_of_the_judged(buyers: FittedCurve, tmp_path: Path) -> None:
    """The model of 30 days alone, made again: fitted on cut-offs up to 300 (300 + 60 ≤ 360), judged at 360."""
    from models.calibration import calibrate
    from models.churn import fit_churn
    from training.calibration import fit_platt

    found = bought(tmp_path)
    as_of, fold, silent = found.integers("as_of"), found.integers("fold"), 1 - found.events[:, 0]
    trains, aside = (as_of <= 300 * DAY) & (fold != 0), (as_of <= 300 * DAY) & (fold == 0)
    judged = (as_of == 360 * DAY) & (fold != 0)
    trees = Booster.from_text(fit_churn(found.matrix[trains], silent[trains]))
    calibration = fit_platt(trees.predict_raw(found.matrix[aside]), silent[aside])
    p = calibrate(trees.predict_raw(found.matrix[judged]), calibration)
    single = buyers.report.edges[0].single
    assert single is not None
    assert single.log_loss == pytest.approx(log_loss(silent[judged], p))
    assert single.roc_auc == pytest.approx(roc_auc(silent[judged], p))


def test_leaving_rises(tmp_path: Path) -> None:
    """Customers of one cut-off each, whose subscription ends at their rate; without a later period to test on."""
    parts = snapshots(1600, SHORT.training).sort("customer_id").with_row_index()
    rows = parts.filter((pl.col("index") // 2 % 2 == 0) == (pl.col("as_of") == SHORT.test)).drop("index")
    tables = opened(tmp_path, subscriptions=subscriptions(rows))
    found = fit_curve(tables, rows, SHORT, WINDOW, DESIGN, "cancelled", PAYING)
    assert [edge.days for edge in found.report.edges] == [30, 60, 90]  # 300 + 90 ≤ 360 + 60 < 300 + 180
    assert {edge.where for edge in found.report.edges} == {"on a fifth of the training customers, at the same cut-offs"}
    assert found.curve is not None
    assert found.trees is not None
    assert found.curve.rising
    true = 1 - np.exp(-rows["rate"].to_numpy()[:, None] * np.array(found.curve.edges))
    model = CurveModel(found.curve, Booster.from_text(found.trees))
    said = model.probabilities(DESIGN.matrix(rows), true[:, 1])
    assert (np.diff(said, axis=1) >= 0).all()
    assert np.abs(said - true).mean(axis=0) == pytest.approx(0, abs=0.05)


def test_where_there_is_no_curve(tmp_path: Path) -> None:
    tables, rows = opened(tmp_path, transactions=purchases(300)), snapshots(300)
    labelled = fit_curve(tables, rows, PLAN, WINDOW, DESIGN, "labelled", BUYING)
    simple = fit_curve(tables, rows, PLAN, WINDOW, DESIGN, "no_purchase", BUYING, trees=False)
    few = fit_curve(tables, snapshots(20), PLAN, WINDOW, DESIGN, "no_purchase", BUYING)
    assert [each.report.why for each in (labelled, simple, few)] == [
        "no curve: labels are brought for one horizon only",
        "no curve: too few churners for trees",
        "no curve: history is too short for a second horizon",
    ]
    assert not any(each.report.kept or each.curve or each.trees for each in (labelled, simple, few))


def test_a_curve_that_is_surely_worse_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hazard model that learnt from shuffled rows."""
    fit = curve_report.fit_hazard

    def astray(known: curve_report.Known, aside: curve_report.Known, task: Task) -> tuple[object, str]:
        shuffled = np.random.default_rng(0).permutation(known.matrix)
        return fit(curve_report.Known(known.rows, shuffled, known.events), aside, task)

    monkeypatch.setattr(curve_report, "fit_hazard", astray)
    found = fitted(tmp_path, purchases(), snapshots())
    assert not found.report.kept
    assert found.curve is found.trees is None
    assert "surely worse than a model of that horizon" in found.report.why


def edge(days: int, loss: tuple[float, float] | None, auc: tuple[float, float] | None = (-0.1, 0.1)) -> ComparedEdge:
    scores = Scores(log_loss=0.5, roc_auc=0.7)
    found = [Interval(estimate=0, low=each and each[0], high=each and each[1]) for each in (loss, auc)]
    return ComparedEdge(
        days=days, curve=scores, single=scores, log_loss_difference=found[0], roc_auc_difference=found[1]
    )


@pytest.mark.parametrize(
    ("edges", "kept", "why"),
    [
        ((edge(30, (-0.1, 0.1)), edge(60, (0, 0))), True, "not surely worse at 30 days"),
        ((edge(30, (-0.2, -0.1), (0.1, 0.2)), edge(60, (0, 0))), True, "at 30 days"),
        ((edge(30, (0.001, 0.1)), edge(60, (0, 0)), edge(90, (-1, 1))), False, "at 30 days it is surely worse"),
        ((edge(30, (-1, 1), (-0.2, -0.1)), edge(60, (0, 0))), False, "at 30 days it is surely worse"),
        ((edge(30, None, None), edge(60, (0, 0))), True, "at 30 days"),
        ((ComparedEdge(days=30, why_not="few"), edge(60, (0, 0))), False, "could not be compared"),
    ],
)
def test_the_rule(edges: tuple[ComparedEdge, ...], kept: bool, why: str) -> None:
    found = ruled(edges, 60)
    assert found.kept is kept
    assert why in found.why


def test_outcomes_are_read_up_to_the_test() -> None:
    assert known_until(PLAN, WINDOW) == PLAN.test
    assert known_until(SHORT, WINDOW) == 420 * DAY
