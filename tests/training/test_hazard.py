"""Person-period rows: who is at risk in which interval, up to when it is known, and what is learnt of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from features.clock import DAY
from models.booster import Booster
from models.churn_curve import CurveModel, survival_losses
from tests.training.waiters import (
    CUTOFFS,
    DESIGN,
    PAYING,
    PLAN,
    SHORT,
    TASK,
    WINDOW,
    bought,
    opened,
    purchases,
    rates,
    snapshots,
)
from training import hazard
from training.curve_report import _ahead, _among
from training.hazard import Known, Task, fit_hazard, outcomes, person_periods, platt, reached

NAN = float("nan")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Known:
    return bought(tmp_path_factory.mktemp("buyers"))


def known(events: list[list[float]], as_of: int = 0) -> Known:
    ids = [f"C{number}" for number in range(len(events))]
    rows = pl.DataFrame({"customer_id": ids, "as_of": [as_of] * len(ids), "fold": [1] * len(ids)})
    return Known(rows, np.zeros((len(ids), 2), dtype=np.float32), np.array(events))


def test_at_risk_until_the_event_or_the_end_of_what_is_known() -> None:
    row, interval, came = person_periods(
        np.array([[0, 0, 1, 1], [1, 1, 1, 1], [0, NAN, NAN, NAN], [1, NAN, NAN, NAN], [NAN] * 4, [0, 0, 0, 0]])
    )
    seen = list(zip(row.tolist(), interval.tolist(), came.tolist(), strict=True))
    assert seen == [
        (0, 0, 0), (0, 1, 0), (0, 2, 1), (1, 0, 1), (2, 0, 0), (3, 0, 1), (5, 0, 0), (5, 1, 0), (5, 2, 0), (5, 3, 0)
    ]  # fmt: skip


def test_each_interval_is_known_when_its_window_has_closed(found: Known) -> None:
    for cutoff, edges in zip(CUTOFFS, (4, 3, 3, 3, 2), strict=True):  # 240 + 180 ≤ 420, 330 + 90, 360 + 60
        mine = found.events[found.integers("as_of") == cutoff]
        assert (np.isfinite(mine).all(axis=0) == (np.arange(4) < edges)).all()
    assert set(found.integers("as_of")) == set(CUTOFFS)


def test_what_was_known_earlier_is_less() -> None:
    paying = Task((30, 60, 90, 180), "cancelled", PAYING.model_copy(update={"grace_days": 10}), DESIGN)
    asked = known([[0, 0, 0, 1]], as_of=100 * DAY)
    for moment, edges in ((139, 0), (140, 1), (169, 1), (170, 2), (290, 4)):
        assert np.isfinite(asked.at(moment * DAY, paying).events).sum() == edges
    assert np.isfinite(asked.at(130 * DAY, TASK).events).sum() == 1  # silence has no grace


def test_who_tests_is_left_out_where_no_later_period_does(tmp_path: Path) -> None:
    tables = opened(tmp_path, transactions=purchases(50))
    found = outcomes(tables, snapshots(50), SHORT, TASK, 420 * DAY)
    assert set(found.rows["fold"]) == {1, 2, 3, 4}


def test_a_curve_ends_where_few_are_at_risk() -> None:
    few = hazard.FEWEST_AT_RISK
    assert reached(known([[0, 0, NAN]] * few)) == 2
    assert reached(known([[0, 0, NAN]] * (few - 1))) == 0
    assert reached(known([[0, 1, 1]] * few)) == 2


def test_hazards_are_those_of_the_simulation(found: Known) -> None:
    """Poisson orders: the chance to stay silent for h days is exp(−rate · h), whatever came before."""
    fold = found.integers("fold")
    curve, text = fit_hazard(found.where(fold != 0), found.where(fold == 0), TASK)
    raw = CurveModel(curve, Booster.from_text(text)).raw(found.matrix)
    said = np.exp(-survival_losses(raw, curve.calibration))
    true = np.exp(-found.matrix[:, :1].astype(float) * np.array(curve.edges))
    assert np.abs(said - true).mean(axis=0) == pytest.approx(0, abs=0.06)
    assert said.mean(axis=0) == pytest.approx(true.mean(axis=0), abs=0.03)
    assert min(np.corrcoef(said[:, k], true[:, k])[0, 1] for k in range(4)) > 0.93


def test_the_order_of_the_snapshots_does_not_matter(found: Known, tmp_path: Path) -> None:
    again = bought(tmp_path, rows=snapshots().reverse())
    assert again.rows.equals(found.rows)
    assert (again.matrix == found.matrix).all()


def test_of_many_rows_customers_are_drawn(found: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = len(person_periods(found.events)[0])
    monkeypatch.setattr(hazard, "MOST_ROWS", rows // 2)
    drawn = hazard._drawn(found)
    assert len(person_periods(drawn.events)[0]) == pytest.approx(rows / 2, rel=0.1)
    assert drawn.rows.equals(hazard._drawn(replace(found)).rows)
    whole = found.rows.filter(pl.col("customer_id").is_in(drawn.rows["customer_id"].unique().implode()))
    assert drawn.rows.equals(whole)  # a customer comes with all rows
    assert len(rates(500)) * 0.4 < drawn.rows["customer_id"].n_unique() < len(rates(500)) * 0.6


def test_few_outcomes_move_only_the_level() -> None:
    raw = np.linspace(-2, 2, 200)
    assert platt(raw, np.zeros(200)).method == "none"
    assert platt(raw, np.ones(200)).method == "none"
    assert platt(raw, (np.arange(200) % 20 == 0).astype(float)).slope == 1.0
    assert platt(raw, (raw + np.sin(np.arange(200)) > 0).astype(float)).slope > 1.5


def test_those_compared_know_nothing_later(found: Known) -> None:
    """At 360: who fits and calibrates knows what had closed by then, who judges what closes before the test."""
    place = _ahead(found, PLAN, WINDOW, TASK)
    assert place is not None
    for part, latest in ((place.fitted, 360 * DAY), (place.aside, 360 * DAY), (place.judged, PLAN.test)):
        closes = TASK.closes(part.integers("as_of"))
        assert (np.isfinite(part.events) == (closes <= latest)).all()
    assert set(place.judged.integers("as_of")) == {360 * DAY}
    assert set(place.fitted.integers("as_of")) == set(place.aside.integers("as_of")) == set(CUTOFFS[:3])
    assert set(place.aside.integers("fold")) == {0}
    assert not {0} & {*place.fitted.integers("fold"), *place.judged.integers("fold")}
    among = _among(found, PLAN)
    dealt = [set(part.rows["customer_id"]) for part in (among.fitted, among.aside, among.judged)]
    assert all(dealt)
    assert sum(map(len, dealt)) == len(set.union(*dealt))
