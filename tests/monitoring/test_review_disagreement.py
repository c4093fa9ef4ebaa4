"""Where score and model disagree: who is named, in which order, with whose reasons."""

import datetime as dt
from typing import Any

import polars as pl
import pytest

from models.prediction import POINTS, REASON, TIME
from models.rules import load_pack
from monitoring.review import disagreements
from monitoring.review.disagreement import COLUMNS

PACK = load_pack()
NOW, BEFORE = (dt.datetime(2026, month, 1, tzinfo=dt.UTC) for month in (7, 6))


def point(indicator: str, value: float | None, points: float, weight: float) -> dict[str, Any]:
    told = {"indicator": indicator, "feature": f"f_{indicator}", "value": value, "filled": None}
    return {**told, "standardised": points / weight, "weight": weight, "points": points}


POINTS_OF_B = [
    point("spend", 900.0, 5.0, 25.0), point("tenure", 800.0, 14.0, 15.0), point("margin", None, 0.0, 10.0),
    point("interactions", 0.0, 0.0, 12.0), point("depth", 0.9, 8.0, 8.5),
]  # fmt: skip
MODEL = [
    {"feature": "rfm_recency_days", "direction": "raises", "size": 0.5, "text": "told before", "value": 74.0,
     "level": None}
]  # fmt: skip


def population(*rows: tuple[Any, ...]) -> pl.DataFrame:
    """customer_id, score, tier, probability, band."""
    names = ["customer_id", "composite_score", "tier", "churn_probability", "risk_band"]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names), orient="row")
    numbers = pl.col("composite_score", "churn_probability").cast(pl.Float64)
    texts = pl.col("customer_id", "tier", "risk_band").cast(pl.String)
    return frame.with_columns(numbers, texts, as_of=pl.lit(NOW, TIME), at_stake=pl.lit(True))


FOUR = population(
    ("a", 95.0, "strategic", 0.9, "high"),  # high tier, high risk
    ("b", 10.0, "watch", 0.01, "low"),  # low tier, low risk
    ("c", 60.0, "regular", 0.5, "medium"),
    ("d", 70.0, "key", 0.3, "medium"),
)


def test_ranks_are_percentiles_of_risk_and_the_difference_is_the_models() -> None:
    found = disagreements(FOUR, PACK)
    assert {name: found.schema[name] for name in found.columns} == COLUMNS
    assert found.select("customer_id", "score_rank", "model_rank", "difference", "conflict").rows() == [
        ("a", 0.125, 0.875, 0.75, "safe_by_score"), ("b", 0.875, 0.125, -0.75, "safe_by_model"),
    ]  # fmt: skip


def crowd(apart: int) -> pl.DataFrame:
    """Ten customers in one order, but for one whom the model ranks `apart` places riskier than the score does."""
    order = [n for n in range(10) if n != 0]
    order.insert(apart, 0)
    return population(*((f"c{n}", 99.0 - n, "regular", order.index(n) / 10, "medium") for n in range(10)))


@pytest.mark.parametrize(("places", "named"), [(4, []), (5, ["c0"])])
def test_ranks_half_of_all_apart_disagree(places: int, named: list[str]) -> None:
    assert disagreements(crowd(places), PACK)["customer_id"].to_list() == named


@pytest.mark.parametrize(
    ("tier", "band", "conflict"),
    [
        ("strategic", "high", "safe_by_score"), ("key", "high", "safe_by_score"), ("regular", "high", None),
        ("watch", "high", None), ("watch", "low", "safe_by_model"), ("regular", "low", None), ("key", "low", None),
        (None, "low", None), ("watch", None, None),
    ],
)  # fmt: skip
def test_a_conflict_is_of_tier_and_band(tier: str | None, band: str | None, conflict: str | None) -> None:
    found = disagreements(population(("a", 50.0, tier, 0.2, band)), PACK)
    assert found["conflict"].to_list() == ([conflict] if conflict else [])


def test_conflicts_come_first_then_the_farthest_apart_up_to_the_limit() -> None:
    rows = pl.concat([crowd(9), population(("e", 89.5, "key", 0.05, "high"))])
    assert disagreements(rows, PACK)["customer_id"].to_list() == ["e", "c0"]
    assert disagreements(rows, PACK, limit=1)["customer_id"].to_list() == ["e"]


def test_both_reasons_stand_side_by_side() -> None:
    rows = FOUR.filter(pl.col("customer_id") == "b").with_columns(
        points=pl.Series([POINTS_OF_B], dtype=pl.List(POINTS)), reasons=pl.Series([MODEL], dtype=pl.List(REASON)),
        basis=pl.lit("model"),
    )  # fmt: skip
    english, chinese = (disagreements(rows, PACK, lang=lang).row(0, named=True) for lang in ("en", "zh"))
    # points lost or won: spend 20 lost, tenure 14 won, interactions 12 lost, depth 8 won; margin is not known
    assert [text.split(" (")[0] for text in english["score_reasons"]] == [
        "weak on spend in the last 6 months", "strong on tenure", "weak on interactions in the last 6 months",
    ]  # fmt: skip
    assert len(english["model_reasons"]) == 1
    assert "74" in english["model_reasons"][0]
    assert chinese["score_reasons"][0].startswith("近6个月消费金额偏弱")
    assert "74" in chinese["model_reasons"][0]
    by_rules = disagreements(rows.with_columns(basis=pl.lit("rules: no model")), PACK).row(0, named=True)
    assert by_rules["model_reasons"] == []


def test_only_the_last_date_and_customers_at_stake_with_both_count() -> None:
    old = FOUR.with_columns(as_of=pl.lit(BEFORE, TIME))
    unknown = population(("e", None, None, 0.9, "high"), ("f", 95.0, "key", None, None))
    gone = population(("g", 95.0, "key", 0.9, "high")).with_columns(at_stake=pl.lit(False))
    found = disagreements(pl.concat([old.with_columns(tier=pl.lit("key")), FOUR, unknown, gone]), PACK)
    assert found["customer_id"].to_list() == ["a", "b"]
    assert found["as_of"].unique().to_list() == [NOW]
    assert found["score_rank"].to_list() == [0.125, 0.875]


def test_the_order_of_rows_changes_nothing_and_nothing_gives_nothing() -> None:
    expected = disagreements(FOUR, PACK)
    for seed in range(5):
        assert disagreements(FOUR.sample(fraction=1, shuffle=True, seed=seed), PACK).equals(expected)
    assert disagreements(FOUR.clear(), PACK).equals(expected.clear())
