"""Reasons of rows that rest on the rules."""

from typing import Any

import polars as pl
import pytest

from models.prediction import REASON, Points, Reason
from models.rules import composite_score, fit_composite, load_pack, rule_reasons
from models.rules.points import points_of
from models.rules.reasons import rule_reason_text, shown

PACK = load_pack()

FRAME = pl.DataFrame(
    {
        "customer_id": ["rich", "gone", "unknown"],
        "rfm_amount_sum_180d": [90_000.0, 1_000.0, None],
        "profile_tenure_days": [1217.5, 609.0, None],
        "usage_depth_90d": [0.2, None, None],
    }
)
FITTED = fit_composite(FRAME, PACK, "CNY")
SCORED = composite_score(FRAME, FITTED, PACK)
# effective weights: value 50/80 over 25 : 15, behaviour 30/80 on depth alone
MOST = {"spend": 39.0625, "tenure": 23.4375, "depth": 37.5}


def told(scored: pl.DataFrame = SCORED, **more: Any) -> list[list[Reason]]:
    found = rule_reasons(scored, FITTED, PACK, **more)
    assert found.dtype == pl.List(REASON)
    return [[Reason.model_validate(reason) for reason in row] for row in found]


def test_points_lost_and_won_largest_first() -> None:
    rich, gone, _ = told()
    won_spend, won_tenure, lost_depth = 0.9 * MOST["spend"], MOST["tenure"], 0.8 * MOST["depth"]
    total = won_spend + won_tenure + lost_depth
    assert [(r.feature, r.direction) for r in rich] == [
        ("rfm_amount_sum_180d", "lowers"),
        ("usage_depth_90d", "raises"),
        ("profile_tenure_days", "lowers"),
    ]
    assert [r.size for r in rich] == pytest.approx([won_spend / total, lost_depth / total, won_tenure / total])
    assert [r.text for r in rich] == [
        "strong on spend in the last 6 months (90,000): 35.2 of 39.1 points",
        "weak on depth of product use (20%): 7.5 of 37.5 points",
        "strong on tenure (1,218 days): 23.4 of 23.4 points",
    ]
    assert [(r.feature, r.direction) for r in gone] == [
        ("rfm_amount_sum_180d", "raises"),
        ("profile_tenure_days", "lowers"),
    ]


def test_what_is_not_known_is_no_reason() -> None:
    reasons = told()
    assert reasons[2] == []
    assert "usage_depth_90d" not in {reason.feature for reason in reasons[1]}


def test_chinese_and_top() -> None:
    reasons = told(lang="zh", top=1)
    assert [[r.text for r in row] for row in reasons] == [
        ["近6个月消费金额良好（90,000）：满分 39.1 分，得 35.2 分"],
        ["近6个月消费金额偏弱（1,000）：满分 39.1 分，得 0.4 分"],
        [],
    ]


def test_no_rows_and_no_indicators() -> None:
    assert told(SCORED.clear()) == []
    nothing = FRAME.select("customer_id")
    fitted = fit_composite(nothing, PACK)
    assert rule_reasons(composite_score(nothing, fitted, PACK), fitted, PACK).to_list() == [[], [], []]


def test_told_again_in_either_language_as_first_told() -> None:
    points = points_of(SCORED, FITTED, PACK)
    for lang in ("en", "zh"):
        for row, parts in zip(told(lang=lang), points, strict=True):
            kept = [Points.model_validate(part) for part in parts]
            other = [reason.model_copy(update={"text": "?"}) for reason in row]
            assert [rule_reason_text(reason, kept, PACK, lang) for reason in other] == [reason.text for reason in row]


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (0.0, "money", "0"),
        (999.5, "money", "1,000"),
        (-1_000_000.0, "money", "-1,000,000"),
        (0.625, "percent", "62%"),
        (-0.4, "count", "0"),
        (1217.5, "days", "1,218 days"),
        (0.12345, "number", "0.1235"),
        (12.0, "number", "12"),
        (145_432.1, "number", "145,432"),
    ],
)
def test_numbers_as_people_read_them(value: float, kind: str, text: str) -> None:
    assert pl.select(shown(pl.lit(value), kind, "en")).item() == text
