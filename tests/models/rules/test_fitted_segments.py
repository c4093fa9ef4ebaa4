"""What the segments learn from a population."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.rules.fitted_segments import (
    FittedSegments,
    class_a_cut,
    contribution_score,
    fit_segments,
    middling_spend,
)
from models.rules.segments import segments
from tests.models.rules.segment_rows import AS_OF, PACK, ago, rows

BUYER = {"order_first_at": ago(400), "order_last_at": ago(10)}


@pytest.mark.parametrize(
    ("sales", "cut"),
    [
        ([50.0, 30.0, 15.0, 5.0], 30.0),  # D5: 50 + 30 = 80 % exactly
        ([50.0, 29.9, 15.1, 5.0], 15.1),  # just below 80 %: one more is needed
        ([10.0] * 10, 10.0),  # ties at the cut: all the same class
        ([80.0, 10.0, 10.0], 80.0),
        ([0.1] * 3 + [0.3, 0.3], 0.1),
        ([100.0, -1000.0], 100.0),  # returns bring nothing
        ([0.0, -5.0], None),
        ([], None),
    ],
)
def test_class_a_brings_80_percent(sales: list[float], cut: float | None) -> None:
    assert class_a_cut(pl.Series(sales, dtype=pl.Float64), 80) == cut


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-50, 1000), min_size=1, max_size=30))
def test_class_a_is_the_smallest_set_of_the_biggest(sales: list[int]) -> None:
    cut = class_a_cut(pl.Series(sales, dtype=pl.Float64), 80)
    positive = [each for each in sales if each > 0]
    if not positive:
        assert cut is None
        return
    assert cut is not None
    assert 10 * sum(each for each in positive if each >= cut) >= 8 * sum(positive)
    assert 10 * sum(each for each in positive if each > cut) < 8 * sum(positive)


def population(spends: list[float], **more: Any) -> pl.DataFrame:
    return rows(*({**BUYER, "spend_365d": spend, "spend_total": spend, **more} for spend in spends))


def test_ties_at_the_cut_and_negative_sales() -> None:
    frame = population([50.0, 20.0, 20.0, 20.0, -30.0])  # 80 % of 110 is 88: the second of the three reaches it
    got = segments(frame, fit_segments(frame, PACK, "CNY", AS_OF), PACK, AS_OF)
    assert got["segment_abc"].to_list() == ["A", "A", "A", "A", "C"]


@pytest.mark.parametrize("currency", ["USD", None])
def test_money_in_another_currency_uses_quantiles_and_says_so(currency: str | None) -> None:
    frame = population([float(n) for n in range(1, 102)])
    learnt = fit_segments(frame, PACK, currency, AS_OF)
    assert (learnt.money_off, learnt.value_high, learnt.value_backbone) == (True, 91.0, 61.0)
    counts = dict(segments(frame, learnt, PACK, AS_OF)["segment_value"].value_counts().iter_rows())
    assert counts == {"high": 11, "backbone": 30, "low": 60}


def test_the_pack_s_money_counts_in_its_currency() -> None:
    learnt = fit_segments(population([1.0, 2.0]), PACK, "CNY", AS_OF)
    assert (learnt.money_off, learnt.value_high, learnt.value_backbone) == (False, 500_000, 100_000)


def test_yearly_sales_come_from_where_the_data_is() -> None:
    facts = {"subscription_first_at": ago(90), "subscribed": True, "subscription_paid_365d": 7.0}
    assert fit_segments(rows(facts), PACK, "CNY", AS_OF).sales_column == "subscription_paid_365d"
    both = rows(facts | {"spend_365d": 0.0})
    assert fit_segments(both, PACK, "CNY", AS_OF).sales_column == "subscription_paid_365d"
    assert fit_segments(rows(facts | {"spend_365d": 1.0}), PACK, "CNY", AS_OF).sales_column == "spend_365d"
    assert fit_segments(rows({}), PACK, "CNY", AS_OF).sales_column is None


def test_contribution_splits_the_loyal_20_50_30() -> None:
    """D1: core the top 20 %, potential the bottom 30 %, important the rest."""
    loyal = {"order_first_at": ago(900), "order_last_at": ago(5), "profile_tenure_days": 900.0}
    frame = rows(*({**loyal, "spend_365d": float(n)} for n in range(100)), {**BUYER, "spend_365d": 9e9})
    got = segments(frame, fit_segments(frame, PACK, "CNY", AS_OF), PACK, AS_OF)["segment_contribution"].to_list()
    assert got == ["potential"] * 30 + ["important"] * 50 + ["core"] * 20 + [None]


def test_spend_and_tenure_weigh_25_to_15() -> None:
    learnt = FittedSegments(
        rules_version="", sales_column="spend_365d", spend_low=0, spend_high=100, tenure_low=0, tenure_high=1000
    )
    frame = rows(
        {"spend_365d": 100.0, "profile_tenure_days": 0.0},
        {"spend_365d": 0.0, "profile_tenure_days": 1000.0},
        {"spend_365d": 500.0, "profile_tenure_days": 500.0},
        {"spend_365d": None, "profile_tenure_days": 500.0},
    )
    got = frame.select(contribution_score(frame, learnt, PACK, AS_OF)).to_series().to_list()
    assert got == [0.625, 0.375, 0.8125, None]


def test_middling_spend_includes_its_ends() -> None:
    learnt = fit_segments(population([float(n) for n in range(0, 101)]), PACK, "CNY", AS_OF)
    assert (learnt.middling_low, learnt.middling_high) == (25.0, 75.0)
    frame = rows(*({"spend_total": spend} for spend in (24.9, 25.0, 75.0, 75.1, None)))
    assert frame.select(middling_spend(frame, learnt)).to_series().to_list() == [False, True, True, False, None]


def test_growth_bound_and_industries_of_high_value_customers() -> None:
    frame = rows(
        {**BUYER, "spend_365d": 600_000.0, "industry": "steel", "industry_growth_rate": 0.1},
        {**BUYER, "spend_365d": 700_000.0, "industry": "steel", "industry_growth_rate": 0.3},
        {**BUYER, "spend_365d": 10.0, "industry": "toys", "industry_growth_rate": 0.2},
    )
    learnt = fit_segments(frame, PACK, "CNY", AS_OF)
    assert learnt.expanding_growth == pytest.approx(0.2)
    assert learnt.high_value_industries == ("steel",)


def test_nobody_and_nothing() -> None:
    for frame in (rows({}), rows({}).clear(), population([]).clear()):
        learnt = fit_segments(frame, PACK, None, AS_OF)
        assert learnt.abc_cut is None
        assert segments(frame, learnt, PACK, AS_OF).height == frame.height


def test_round_trip() -> None:
    learnt = fit_segments(population([1.0, 5.0, 9.0], industry="steel"), PACK, None, AS_OF)
    assert FittedSegments.from_dict(learnt.to_dict()) == learnt
