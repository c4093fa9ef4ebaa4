"""Tiers and risk bands."""

from math import nextafter
from typing import Any

import polars as pl
import pytest

from models.rules import (
    FittedComposite,
    FittedIndicator,
    composite_score,
    load_pack,
    risk_band,
    tier_label,
    tier_of,
    tier_playbook,
)

PACK = load_pack()

BOUNDS = [
    (0.0, "watch"),
    (nextafter(50, 0), "watch"),
    (50.0, "regular"),
    (nextafter(70, 0), "regular"),
    (70.0, "key"),
    (89.5, "key"),
    (nextafter(90, 0), "key"),
    (90.0, "strategic"),
    (100.0, "strategic"),
]


@pytest.mark.parametrize(("score", "tier"), [*BOUNDS, (None, None)])
def test_tier_just_below_and_at_each_bound(score: float | None, tier: str | None) -> None:
    assert pl.select(tier_of(pl.lit(score, pl.Float64), PACK)).item() == tier


@pytest.mark.parametrize(
    ("worth", "tier"),
    [(0.4999, "watch"), (0.5, "regular"), (0.6999, "regular"), (0.7, "key"), (0.8999, "key"), (0.9, "strategic")],
)
@pytest.mark.parametrize("method", ["dimension", "points"])
def test_a_customer_reaches_each_tier(worth: float, tier: str, method: Any) -> None:
    """Worth `worth` on every indicator: 0.7 times weights must be 70, whatever floating point says."""
    fits, frame = {}, {"customer_id": ["a"]}
    for name, indicator in PACK.composite.enabled.items():
        feature = indicator.features[0]
        fits[name] = FittedIndicator(feature=feature, low=0, high=1, at_bound=0.5, mean=0.5, basis="pack")
        frame[feature] = [1 - worth if indicator.direction == "lower" else worth]  # type: ignore[list-item]
    fitted = FittedComposite(rules_version=PACK.rules_version, indicators=fits)
    row = composite_score(pl.DataFrame(frame), fitted, PACK.using(method)).row(0, named=True)
    assert row["composite_score"] == pytest.approx(100 * worth)
    assert row["tier"] == tier


def test_playbook_names_what_who_and_how_often() -> None:
    assert tier_playbook("key", PACK) == (
        "monthly in-depth conversation, tailored proposal (account manager, monthly)"
    )  # fmt: skip
    assert tier_playbook("key", PACK, "zh") == "每月深度沟通，提供定制化方案（客户经理，每月）"
    assert tier_playbook(None, PACK) is None


def test_labels() -> None:
    assert [tier_label("watch", PACK), tier_label("watch", PACK, "zh")] == ["watch", "观察客户"]
    assert [tier_label(None, PACK), tier_label(None, PACK, "zh")] == ["not enough known", "了解不足"]


@pytest.mark.parametrize(
    ("probability", "base_rate", "band"),
    [
        (0.0, 0.1, "low"), (0.0999, 0.1, "low"), (0.1, 0.1, "medium"), (0.1818, 0.1, "medium"), (0.1819, 0.1, "high"),
        (1.0, 0.1, "high"), (None, 0.1, None), (0.59, 0.6, "low"), (0.6, 0.6, "medium"), (0.7499, 0.6, "medium"),
        (0.75, 0.6, "high"),
    ],
)  # fmt: skip
def test_risk_bands_are_multiples_of_the_base_odds(probability: float | None, base_rate: float, band: str) -> None:
    assert pl.select(risk_band(pl.lit(probability, pl.Float64), base_rate, PACK)).item() == band
