"""The quarterly check: score and model on the same rows, stay-rates by tier, weights learnt from who stayed."""

import datetime as dt
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from models.prediction import POINTS, TIME
from models.rules import load_pack
from models.rules.tiers import tier_of
from monitoring.review import QuarterlyReview, check, quarterly, with_outcomes
from monitoring.review.weights import inside, learn
from training.bootstrap import Interval

PACK = load_pack()
Q1, Q2, Q3 = (dt.datetime(2026, month, 1, tzinfo=dt.UTC) for month in (1, 4, 7))
SCHEMA = {
    "customer_id": pl.String, "as_of": TIME, "composite_score": pl.Float64, "tier": pl.String,
    "churn_probability": pl.Float64, "left": pl.Float64,
}  # fmt: skip
DRAWS = 60


def literal(*rows: tuple[Any, ...]) -> pl.DataFrame:
    """customer_id, score, probability, left; all on one date, tiers by score."""
    frame = pl.DataFrame(rows, orient="row", schema=["customer_id", "composite_score", "churn_probability", "left"])
    frame = frame.with_columns(as_of=pl.lit(Q1, TIME), tier=tier_of(pl.col("composite_score"), PACK))
    return frame.select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())


def point(indicator: str, x: float, most: float) -> dict[str, Any]:
    told = {"indicator": indicator, "feature": indicator, "value": x, "filled": None}
    return {**told, "standardised": x, "weight": most, "points": most * x}


def company(size: int = 400, seed: int = 0, dates: tuple[dt.datetime, ...] = (Q1,)) -> pl.DataFrame:
    """Customers whose spend tells who stays, while interactions tell nothing; with points, and a model that knows."""
    rng = np.random.default_rng(seed)
    frames = []
    for as_of in dates:
        x = rng.random((size, 4))
        stays = 1 / (1 + np.exp(-(4 * x[:, 0] - 0.5)))
        most = np.array([25.0, 25.0, 30.0, 20.0])
        names = ("spend", "tenure", "interactions", "size_fit")
        points = [[point(*part) for part in zip(names, row, most.tolist(), strict=True)] for row in x.tolist()]
        frames.append(
            pl.DataFrame(
                {
                    "customer_id": [f"c{n}" for n in range(size)],
                    "as_of": pl.Series([as_of] * size, dtype=TIME),
                    "composite_score": x @ most,
                    "churn_probability": 1 - stays,
                    "left": (rng.random(size) > stays).astype(float),
                    "points": pl.Series(points, dtype=pl.List(POINTS)),
                }
            ).with_columns(tier=tier_of(pl.col("composite_score"), PACK))
        )
    return pl.concat(frames)


def holds(interval: Interval) -> bool:
    return interval.low <= interval.estimate <= interval.high


def test_a_perfect_score_has_an_auc_of_1() -> None:
    rows = literal(*((f"c{n}", float(n), 1 - n / 100, n < 40) for n in range(100)))
    found = check(rows, PACK, draws=DRAWS)
    assert found.score is not None
    assert (found.score.auc.estimate, found.score.auc.low, found.score.auc.high) == (1, 1, 1)
    assert found.score.lift.estimate == pytest.approx(2.5)  # all of the lowest tenth left, 40 % of all
    assert "separates who stays" in found.text.en
    turned = check(rows.with_columns(left=1 - pl.col("left")), PACK, draws=DRAWS)
    assert turned.score is not None
    assert turned.score.auc.estimate == 0
    assert "points the wrong way" in turned.text.en


def test_score_and_model_are_judged_on_the_same_rows() -> None:
    rows = (
        company(600)
        .drop("points")
        .with_columns(
            churn_probability=pl.when(pl.int_range(pl.len()) % 3 == 0).then(None).otherwise("churn_probability")
        )
    )
    found = check(rows, PACK, draws=DRAWS)
    both = rows.drop_nulls("churn_probability")
    y, score, p = (both[name].to_numpy() for name in ("left", "composite_score", "churn_probability"))
    assert found.beside is not None
    assert found.score is not None
    assert (found.rows, found.beside.rows, found.beside.left) == (600, 400, int(y.sum()))
    assert found.beside.score.auc.estimate == pytest.approx(roc_auc_score(y, -score))
    assert found.beside.model.auc.estimate == pytest.approx(roc_auc_score(y, p))
    gap = found.beside.auc_difference
    assert gap.estimate == pytest.approx(roc_auc_score(y, p) - roc_auc_score(y, -score))
    tenth = np.argsort(score)[:40]
    assert found.beside.score.lift.estimate == pytest.approx(y[tenth].mean() / y.mean())
    parts = (found.score, found.beside.score, found.beside.model)
    intervals = [gap, found.beside.lift_difference, *(i for part in parts for i in (part.auc, part.lift))]
    assert all(map(holds, intervals))
    assert {interval.level for interval in intervals} == {PACK.review.level.value}
    assert "the model is better" in found.beside.text.en


def test_the_same_score_twice_does_not_differ() -> None:
    rows = company().drop("points").with_columns(churn_probability=1 - pl.col("composite_score") / 100)
    found = check(rows, PACK, draws=DRAWS)
    assert found.beside is not None
    assert [getattr(found.beside.auc_difference, name) for name in ("estimate", "low", "high")] == [0, 0, 0]
    assert "cannot be told apart" in found.text.en
    worse = check(rows.with_columns(churn_probability="composite_score"), PACK, draws=DRAWS)
    assert worse.beside is not None
    assert "the score is better" in worse.beside.text.en


def test_rows_of_one_customer_are_drawn_together() -> None:
    rows = company(300).drop("points")
    again = pl.concat([rows, rows.with_columns(as_of=pl.lit(Q2, TIME))])
    once, twice = (check(each, PACK, draws=DRAWS) for each in (rows, again))
    assert once.score is not None
    assert twice.score is not None
    assert (twice.rows, twice.customers) == (600, 300)
    assert twice.score.auc == once.score.auc  # the same people said twice are no more evidence


def test_stay_rates_by_tier_and_the_tier_that_is_not_better() -> None:
    stayed = {"strategic": (95.0, 3, 4), "key": (80.0, 9, 10), "watch": (10.0, 9, 10)}
    rows = literal(
        *((f"{tier}{n}", score, None, n >= kept) for tier, (score, kept, of) in stayed.items() for n in range(of))
    )
    found = check(rows, PACK, draws=DRAWS)
    assert {each.tier: (each.stayed.hits, each.stayed.of, each.not_better_than) for each in found.tiers} == {
        "strategic": (3, 4, "key"), "key": (9, 10, "watch"), "watch": (9, 10, None),
    }  # fmt: skip
    assert [each.en for each in found.warnings] == [
        "strategic stays 75.0%, not better than key with 90.0%", "key stays 90.0%, not better than watch with 90.0%",
    ]  # fmt: skip
    better = literal(*(("k1", 80.0, None, 0), ("w1", 10.0, None, 1), ("w2", 10.0, None, 0)))
    assert check(better, PACK, draws=DRAWS).warnings == ()


def test_a_customer_counts_once_in_its_tier_at_the_last_date() -> None:
    first = literal(("a", 80.0, None, 0), ("b", 10.0, None, 1))
    last = literal(("a", 10.0, None, 1)).with_columns(as_of=pl.lit(Q2, TIME))
    found = check(pl.concat([last, first]), PACK, draws=DRAWS)
    assert [(each.tier, each.stayed.hits, each.stayed.of) for each in found.tiers] == [("watch", 0, 2)]


def test_from_the_store_only_closed_rows_at_stake_and_the_latest_scoring_count() -> None:
    history = pl.DataFrame(
        [
            ("a", Q1, True, 10.0, "watch", 0.1, Q1), ("a", Q1, True, 60.0, "regular", 0.5, Q2),
            ("b", Q1, False, 70.0, "key", None, Q1), ("c", Q1, True, 20.0, "watch", 0.2, Q1),
            ("a", Q2, True, 30.0, "watch", 0.3, Q2),
        ],
        schema={"customer_id": pl.String, "as_of": TIME, "at_stake": pl.Boolean, "composite_score": pl.Float64,
                "tier": pl.String, "churn_probability": pl.Float64, "scored_at": TIME},
        orient="row",
    )  # fmt: skip
    outcomes = pl.DataFrame(
        [("a", Q1, 1.0), ("b", Q1, 0.0), ("c", Q1, None)],
        schema={"customer_id": pl.String, "as_of": TIME, "churned": pl.Float64}, orient="row",
    )  # fmt: skip
    found = with_outcomes(history, outcomes)
    assert found.select("customer_id", "composite_score", "left").rows() == [("a", 60.0, 1.0)]
    assert quarterly(history, outcomes, PACK).rows == 1


def test_without_what_it_needs_it_says_so() -> None:
    rule, nothing = PACK.review.score, literal()
    empty = check(nothing, PACK)
    assert (empty.text.en, empty.score, empty.tiers) == (rule.no_rows.en, None, ())
    assert check(literal(("a", None, 0.5, 1)), PACK).text.en == rule.no_rows.en
    one_class = check(literal(("a", 50.0, 0.5, 0), ("b", 60.0, 0.5, 0)), PACK)
    assert one_class.text.en == rule.one_class.en
    assert [each.stayed.share for each in one_class.tiers] == [1.0]
    no_model = check(literal(("a", 50.0, None, 0), ("b", 40.0, None, 1)), PACK, draws=DRAWS)
    assert rule.no_model.en in no_model.text.en
    assert no_model.proposal.text.en == PACK.review.proposal.no_points.en
    history, outcomes = nothing.drop("left"), nothing.select("customer_id", "as_of", churned="left")
    assert quarterly(history, outcomes, PACK).text.zh == rule.no_rows.zh


# weights


def test_weights_go_to_what_tells_who_stays_and_keep_the_dimensions_sum() -> None:
    dates = (Q1, Q2, Q3)
    found = check(company(500, dates=dates), PACK, window_days=90, draws=DRAWS).proposal
    assert found.tested == "later period"
    assert (found.learnt_from, found.tested_on) == (("2026-01-01", "2026-04-01"), ("2026-07-01",))
    assert found.rows == 500
    told = {each.indicator: each for each in found.weights}
    assert {name: each.today for name, each in told.items()} == {
        "spend": 25, "tenure": 15, "interactions": 15, "size_fit": 7,
    }  # fmt: skip
    assert told["spend"].proposed + told["tenure"].proposed == pytest.approx(40)
    assert told["spend"].proposed > 33 > 7 > told["tenure"].proposed
    assert told["interactions"].proposed == pytest.approx(15)  # alone in its dimension
    assert min(each.coefficient for each in found.weights) >= 0
    assert found.difference is not None
    assert found.difference.estimate == pytest.approx(found.proposed.estimate - found.today.estimate)
    assert found.difference.low > 0
    assert "never applied by itself" in found.text.en


@pytest.mark.parametrize(
    ("window", "learnt_from"), [(91, ("2026-01-01", "2026-04-01")), (92, ("2026-01-01",)), (182, None)]
)
def test_an_embargo_stands_before_the_test_period(window: float, learnt_from: tuple[str, ...] | None) -> None:
    rows = company(300, dates=(Q1, Q2, Q3))
    found = check(rows, PACK, window_days=window, draws=DRAWS).proposal
    if learnt_from is None:
        assert found.tested == "cross-validation by customer"
        assert "for want of a later period" in found.text.en
        assert "没有较晚时期" in found.text.zh
    else:
        assert found.learnt_from == learnt_from


def test_one_period_is_cross_validated_by_customer() -> None:
    found = check(company(500), PACK, draws=DRAWS).proposal
    assert found.tested == "cross-validation by customer"
    assert found.learnt_from == found.tested_on == ("2026-01-01",)
    assert found.proposed.estimate > found.today.estimate + 0.05


def test_earlier_rows_only_teach() -> None:
    both = company(400, dates=(Q1, Q2))
    test, earlier = (both.filter(pl.col("as_of") == date) for date in (Q2, Q1))
    found = check(test, PACK, earlier=earlier, draws=DRAWS)
    assert found.rows == 400
    assert (found.proposal.learnt_from, found.proposal.tested_on) == (("2026-01-01",), ("2026-04-01",))
    assert found.proposal.weights == check(both, PACK, draws=DRAWS).proposal.weights


@pytest.mark.parametrize(("left", "proposed"), [(49, False), (50, True)])
def test_50_leavers_to_learn_from(left: int, proposed: bool) -> None:
    rows = company(200).with_columns(left=(pl.int_range(pl.len()) < left).cast(pl.Float64))
    found = check(rows, PACK, draws=DRAWS).proposal
    assert bool(found.weights) is proposed
    if not proposed:
        assert "49 left and 151 stayed: 50 of each" in found.text.en


def test_without_a_gain_todays_weights_stay() -> None:
    rows = company(500, dates=(Q1, Q2)).with_columns(left=pl.Series(np.random.default_rng(3).random(1000) < 0.3))
    found = check(rows.with_columns(pl.col("left").cast(pl.Float64)), PACK, draws=DRAWS).proposal
    assert "keep today's" in found.text.en


def test_the_regression_is_scikit_learns_where_nothing_holds_it() -> None:
    rng = np.random.default_rng(1)
    x = rng.random((3000, 2))
    stayed = (rng.random(3000) < 1 / (1 + np.exp(-(3 * x[:, 0] + x[:, 1] - 1)))).astype(float)
    expected = LogisticRegression(C=np.inf, tol=1e-8).fit(x, stayed).coef_[0]
    assert learn(x, stayed, np.array([0.5, 0.5]), 1e-9) == pytest.approx(expected, abs=1e-3)


def test_what_harms_gets_nothing_and_what_is_not_known_stays() -> None:
    rng = np.random.default_rng(2)
    x = rng.random((2000, 2))
    stayed = (rng.random(2000) < 1 / (1 + np.exp(-(3 * x[:, 0] - 3 * x[:, 1])))).astype(float)
    found = learn(x, stayed, np.array([0.5, 0.5]), 1.0)
    assert found[1] == 0
    assert found[0] > 1
    # a penalty that outweighs all evidence keeps the proportions of today
    kept = learn(x, stayed, np.array([0.8, 0.2]), 1e7)
    assert kept[0] == pytest.approx(4 * kept[1], rel=1e-2)
    assert inside(np.array([0.0, 0.0, 2.0]), ["a", "a", "b"], np.array([0.3, 0.1, 0.6])) == pytest.approx(
        [0.75, 0.25, 1]
    )


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_rows_changes_nothing(seed: int) -> None:
    assert check(ROWS.sample(fraction=1, shuffle=True, seed=seed), PACK, window_days=90, draws=20) == EXPECTED


ROWS = company(300, dates=(Q1, Q2))
EXPECTED = check(ROWS, PACK, window_days=90, draws=20)


def test_it_goes_through_json_unchanged() -> None:
    assert QuarterlyReview.model_validate_json(EXPECTED.model_dump_json()) == EXPECTED
    assert EXPECTED.proposal.weights
