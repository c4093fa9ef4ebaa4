"""Which churn model is served: chosen on an earlier period, from members fitted before it."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from features.clock import DAY
from models.basis import basis_of
from models.design import Design
from models.manifest import FeatureColumn
from training.churn_choice import SIMPLE, Recipe, choose, fit_members, judging
from training.split import Plan, folds

CUTOFFS = tuple(day * DAY for day in (100, 130, 160, 190))
COLUMNS = (FeatureColumn(name="usage_recency_days"), FeatureColumn(name="usage_events_count_30d"))
DESIGN = Design(COLUMNS)
PLAN = Plan(test=280 * DAY, training=CUTOFFS, later_period=True)


def rows(cutoffs: Sequence[int] = (*CUTOFFS, PLAN.test), customers: int = 400, bend: float = 0.0) -> pl.DataFrame:
    """At stake at every cut-off; risk rises with recency, or with `bend` is highest in its middle."""
    rng = np.random.default_rng(3)
    n = customers * len(cutoffs)
    recency, count = rng.uniform(0, 90, n), rng.poisson(4, n).astype(float)
    line, hill = recency / 30 - 1.5, 3.0 - np.abs(recency - 45) / 7
    odds = (1 - bend) * line + bend * hill
    ids = [f"c{i}" for i in range(customers)] * len(cutoffs)
    return pl.DataFrame(
        {
            "customer_id": ids,
            "as_of": np.repeat(cutoffs, customers),
            "fold": folds(ids),
            "usage_recency_days": recency,
            "usage_events_count_30d": count,
            "churned": (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(float),
        }
    )


def said(recipe: Recipe) -> str:
    """The basis of the rows that a model of this recipe speaks for."""
    return basis_of(fit_members(rows(), DESIGN, "inactive", trees=False).mixture(recipe))


def test_judged_at_the_latest_training_cutoff_on_windows_closed_before() -> None:
    fitted, judged, where = judging(rows(), PLAN, 60)
    assert set(fitted["as_of"]) == set(CUTOFFS[:2])
    assert set(judged["as_of"]) == {CUTOFFS[3]}
    assert 0 not in {*fitted["fold"], *judged["fold"]}
    assert where == "at the earlier cut-off 1970-07-10"


def test_without_an_earlier_window_a_fifth_of_the_customers_judges() -> None:
    fitted, judged, _ = judging(rows(), PLAN, 120)
    assert set(judged["fold"]) == {2}
    assert not set(fitted["customer_id"]) & set(judged["customer_id"])
    assert PLAN.test not in {*fitted["as_of"], *judged["as_of"]}


def test_without_a_later_period_nobody_set_aside_is_read() -> None:
    plan = Plan(test=CUTOFFS[-1], training=CUTOFFS, later_period=False)
    fitted, judged, _ = judging(rows(), plan, 60)
    assert not {0, 1} & {*fitted["fold"], *judged["fold"]}


def test_a_straight_risk_is_left_to_the_line_and_a_bent_one_to_the_trees() -> None:
    straight = choose(rows(), PLAN, 60, DESIGN, "inactive", trees=True)
    bent = choose(rows(bend=1.0), PLAN, 60, DESIGN, "inactive", trees=True)
    assert straight.trees_weight < bent.trees_weight
    assert bent.kind in ("trees", "blend")
    best = max(straight.compared, key=lambda each: each.roc_auc)
    assert (best.kind, best.trees_weight) == (straight.kind, straight.trees_weight)
    assert said(straight).endswith("(ranked best of those compared)")


def test_what_happened_at_the_test_and_to_those_set_aside_changes_nothing() -> None:
    poisoned = rows().with_columns(
        churned=pl.when((pl.col("as_of") == PLAN.test) | (pl.col("fold") == 0))
        .then(1 - pl.col("churned"))
        .otherwise("churned")
    )
    clean = choose(rows(), PLAN, 60, DESIGN, "inactive", trees=True)
    assert choose(poisoned, PLAN, 60, DESIGN, "inactive", trees=True) == clean


def test_with_too_few_churners_for_trees_the_line_is_served() -> None:
    found = choose(rows(), PLAN, 60, DESIGN, "inactive", trees=False)
    assert (found.kind, found.trees_weight, len(found.compared)) == ("linear", 0.0, 1)
    assert said(found) == "model: logistic regression (too few churners or customers for trees)"
    members = fit_members(rows(), DESIGN, "inactive", trees=False)
    assert members.trees is None
    assert members.mixture(found).linear_weight == 1.0


@pytest.mark.parametrize(("trees", "kind", "why"), [(True, "blend", "no earlier period"), (False, "linear", "too few")])
def test_nothing_to_judge_on(trees: bool, kind: str, why: str) -> None:
    nobody = rows().with_columns(churned=pl.when(pl.col("as_of") < CUTOFFS[3]).then(0.0).otherwise("churned"))
    found = choose(nobody, PLAN, 60, DESIGN, "inactive", trees=trees)
    assert found.kind == kind
    assert f"({why}" in said(found)


def test_only_the_simple_members_that_are_wanted_are_fitted() -> None:
    every, none = (fit_members(rows(), DESIGN, "inactive", trees=False, wanted=each) for each in (SIMPLE, ()))
    assert (set(every.simple), set(none.simple)) == ({"linear"}, set())
