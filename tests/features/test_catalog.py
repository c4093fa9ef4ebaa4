"""The contract between features and models: names, units and plain words."""

import polars as pl
import pytest

from features.catalog import (
    FAMILIES,
    FEW,
    NEVER,
    NONE,
    UNKNOWN,
    UnknownFeature,
    describe,
    family_label,
    family_of,
    kinds,
    phrase,
    split_window,
    table,
    usual,
)
from features.language import translator


@pytest.mark.parametrize(("name", "needs"), [
    ("rfm_recency_days", None), ("rfm_orders_count_90d", 90), ("rfm_orders_trend_90d", 180),
    ("nps_score_trend_180d", 360), ("nps_score_365d", 365), ("usage_depth_30d", 30), ("support_tickets_open", None),
])  # fmt: skip
def test_history_that_a_feature_needs(name: str, needs: int | None) -> None:
    assert describe(name).needs_days == needs


@pytest.mark.parametrize(("name", "missing", "zero"), [
    ("rfm_orders_count_90d", NONE, True), ("rfm_recency_days", NEVER, False), ("rfm_gap_std_days", FEW, False),
    ("usage_depth_90d", NONE, True), ("usage_report_sum_30d", NONE, True), ("profile_region", UNKNOWN, False),
])  # fmt: skip
def test_what_missing_means(name: str, missing: str, zero: bool) -> None:
    assert (describe(name).missing, describe(name).zero) == (missing, zero)


def test_names_outside_the_catalog_are_refused() -> None:
    with pytest.raises(
        UnknownFeature, match="feature rfm_unheard_of_30d: not in the catalog; add a row for rfm_unheard_of"
    ):
        describe("rfm_unheard_of_30d")


@pytest.mark.parametrize(("name", "value", "words"), [
    ("rfm_orders_count_30d", 0.0, "0 orders in the last 30 days"),
    ("rfm_amount_sum_365d", 12345.678, "net spend of 12,346 in the last 365 days"),
    ("rfm_amount_mean", 3.14159, "3.1 an order on average"),
    ("rfm_orders_trend_90d", -0.5, "orders against the period before: -50% in the last 90 days"),
    ("usage_depth_30d", 0.25, "25% of the core features used in the last 30 days"),
    ("usage_sales_report_sum_30d", 4.0, "4 uses of sales report in the last 30 days"),
    ("subscription_days_to_renewal", 12.0, "renewal in 12 days"),
    ("profile_acquisition_channel", "fair", "acquisition channel: fair"),
])  # fmt: skip
def test_phrases(name: str, value: float | str, words: str) -> None:
    assert phrase(name, value) == words


def test_windows_are_split_off() -> None:
    assert split_window("usage_active_days_30d") == ("usage_active_days", 30)
    assert split_window("nps_silence_days") == ("nps_silence_days", None)


def test_kinds_and_table() -> None:
    wide = pl.DataFrame({"customer_id": ["a"], "rfm_recency_days": [1.0], "profile_region": ["north"]})
    assert kinds(wide) == {"rfm_recency_days": "number", "profile_region": "category"}
    assert table(["rfm_recency_days"]).rows() == [("rfm_recency_days", "days", "last purchase {} days ago", NEVER)]


def test_a_missing_value_says_why() -> None:
    assert phrase("rfm_recency_days", None).endswith(f": {NEVER}")


@pytest.mark.parametrize(("name", "value", "words", "chinese"), [
    ("rhythm_alive", 0.314, "by the rhythm of purchases, 31% likely to be a customer still",
     "按购买节奏，仍是客户的可能性为31%"),
    ("rhythm_no_purchase", 0.5, "by the rhythm of purchases, 50% likely to buy nothing this period",
     "按购买节奏，本期不购买的可能性为50%"),
    ("rhythm_purchases", 2.25, "by the rhythm of purchases, 2.2 purchases expected this period",
     "按购买节奏，本期预计购买2.2次"),
    ("rhythm_value", 1234.5, "by the rhythm of purchases, a spend of 1,234 expected this period",
     "按购买节奏，本期预计消费额为1,234"),
])  # fmt: skip
def test_what_the_rhythm_of_purchases_says(name: str, value: float, words: str, chinese: str) -> None:
    assert phrase(name, value) == words
    assert phrase(name, value, "zh") == chinese
    assert family_of(name) == "rhythm"
    assert phrase(name, None).endswith(": no purchases to go by")


@pytest.mark.parametrize(("name", "normal", "own", "words"), [
    ("rfm_recency_days", 21.4, True, "usually every 21 days"),
    ("usage_recency_days", 1.5, True, "usually every 1.5 days"),
    ("rfm_recency_days", 40.0, False, "typical: 40"),
    ("usage_depth_30d", 0.5, False, "typical: 50%"),
    ("profile_region", "south", False, "most often: south"),
    ("rfm_recency_in_gaps", 1.0, False, None),  # it compares the customer with itself
    ("rfm_orders_trend_90d", 0.0, False, None),
])  # fmt: skip
def test_what_is_normal(name: str, normal: float | str, own: bool, words: str | None) -> None:
    assert usual(name, normal, own) == words


def test_every_feature_belongs_to_a_family_with_a_name() -> None:
    from features.catalog import _ROWS

    assert {family_of(name) for name in _ROWS} == set(FAMILIES)
    assert len({family_label(family, "zh") for family in FAMILIES}) == len(FAMILIES)
    assert family_label("rhythm") == "rhythm of purchases" != translator("zh").gettext("rhythm of purchases")
