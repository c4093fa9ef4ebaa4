"""Reasons of rows that rest on the rules."""

import polars as pl
import pytest

from models.rules import composite_score, fit_composite, load_pack, rule_reasons

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


def test_points_lost_and_won_largest_first() -> None:
    rich, gone, _ = rule_reasons(SCORED, FITTED, PACK)
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
    reasons = rule_reasons(SCORED, FITTED, PACK)
    assert reasons[2] == []
    assert "usage_depth_90d" not in {reason.feature for reason in reasons[1]}


def test_chinese_and_top() -> None:
    reasons = rule_reasons(SCORED, FITTED, PACK, lang="zh", top=1)
    assert [[r.text for r in row] for row in reasons] == [
        ["近6个月消费金额良好（90,000）：满分 39.1 分，得 35.2 分"],
        ["近6个月消费金额偏弱（1,000）：满分 39.1 分，得 0.4 分"],
        [],
    ]


def test_no_rows_and_no_indicators() -> None:
    assert rule_reasons(SCORED.clear(), FITTED, PACK) == []
    nothing = FRAME.select("customer_id")
    fitted = fit_composite(nothing, PACK)
    assert rule_reasons(composite_score(nothing, fitted, PACK), fitted, PACK) == [[], [], []]
