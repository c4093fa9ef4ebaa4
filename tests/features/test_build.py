"""Every feature of every customer as of a date, on every engine."""

from collections.abc import Callable

import polars as pl
import pytest

from features.build import FAMILIES, TABLE_OF, Fitted, beginnings, build, build_many
from features.clock import DAY
from features.sources import TABLES
from tests.features.conftest import Opened, Values
from tests.literal import T, ago, at, by_customer, rows

Built = Callable[..., Values]

BUYS = "customer_id occurred_at amount"
LONG_AGO = ("old", ago(1000), 1.0)
"""A first row far back, so that no window begins before its table."""


def test_one_row_a_customer_sorted_and_typed(opened: Opened) -> None:
    wide = build(opened(
        transactions=rows(BUYS, LONG_AGO, ("b", ago(1), 1.0), ("b", ago(2), 1.0), ("a", ago(1), 1.0)),
        usage_events=rows("customer_id occurred_at feature", ("c", ago(3), "x")),
        customers=rows("customer_id signed_up_at region", ("d", ago(4), "north"), ("e", None, "x"), ("f", ago(0), "")),
    ), T, Fitted(static=("region",)))  # fmt: skip
    assert wide["customer_id"].to_list() == ["a", "b", "c", "d", "old"]
    texts = [name for name, dtype in wide.schema.items() if dtype == pl.String]
    assert texts == ["customer_id", "profile_region"]
    assert all(dtype == pl.Float64 for name, dtype in wide.schema.items() if name not in texts)


def test_who_is_known_without_any_history_is_everyone(built: Built) -> None:
    customers = rows("customer_id region", ("a", "north"), ("b", "south"))
    found = built(Fitted(static=("region",)), customers=customers, labels=rows("customer_id as_of churned"))
    assert found == {"profile_region": {"a": "north", "b": "south"}}


def test_nobody_is_known_before_anything_happened(opened: Opened) -> None:
    wide = build(opened(transactions=rows(BUYS, ("a", ago(0), 1.0))), T, Fitted())
    assert wide.height == 0
    assert "rfm_recency_days" in wide.columns


def test_counts_are_zero_and_means_null_for_who_is_not_in_a_table(built: Built) -> None:
    found = built(
        transactions=rows(BUYS, LONG_AGO, ("a", ago(1), 10.0)),
        interactions=rows("customer_id occurred_at channel", ("old", ago(1000), "call")),
    )
    assert found["engagement_interactions_count_30d"] == {"old": 0, "a": 0}
    assert found["engagement_channels_count_365d"] == {"old": 0, "a": 0}
    assert found["engagement_recency_days"] == {"old": 1000, "a": None}
    assert found["rfm_amount_mean"] == {"old": 1, "a": 10}


def test_a_window_that_begins_before_its_table_is_null(built: Built) -> None:
    found = built(
        transactions=rows(BUYS, ("a", ago(90), 10.0), ("a", ago(1), 10.0)),
        nps_responses=rows("customer_id occurred_at score", ("a", ago(400), 3.0)),
    )
    assert found["rfm_orders_count_90d"] == {"a": 2}
    assert found["rfm_orders_count_180d"] == {"a": None}
    assert found["rfm_orders_trend_30d"] == {"a": 1}
    assert found["rfm_orders_trend_90d"] == {"a": None}  # needs 180 days
    assert found["rfm_orders_count"] == {"a": 2}
    assert found["nps_answers_count_365d"] == {"a": 0}


def test_the_first_day_of_a_table_counts_as_whole(built: Built) -> None:
    found = built(transactions=rows(BUYS, ("a", ago(89.5), 10.0)))
    assert found["rfm_orders_count_90d"] == {"a": 1}
    assert built(transactions=rows(BUYS, ("a", ago(89), 10.0)))["rfm_orders_count_90d"] == {"a": None}


def test_a_window_is_null_by_the_table_it_reads(built: Built) -> None:
    found = built(
        nps_responses=rows("customer_id occurred_at score", ("a", ago(10), 3.0)),
        satisfaction_surveys=rows("customer_id occurred_at score", ("a", ago(400), 3.0), ("a", ago(20), 4.0)),
        subscriptions=rows("customer_id started_at ended_at monthly_amount", ("a", ago(900), None, 1.0)),
        cancellations=rows("customer_id occurred_at", ("a", ago(20))),
    )
    assert found["nps_answers_count_365d"] == {"a": None}
    assert found["nps_satisfaction_mean_365d"] == {"a": 4}
    assert found["subscription_cancellations_count_365d"] == {"a": None}
    assert found["subscription_amount_sum_180d"]["a"] is not None


def test_a_row_recorded_later_does_not_lengthen_the_history(opened: Opened) -> None:
    header = f"{BUYS} recorded_at"
    early, back_filled = ("a", ago(40), 1.0, ago(40)), ("a", ago(400), 1.0, ago(0))
    without = by_customer(build(opened(transactions=rows(header, early)), T, Fitted()))
    assert without["rfm_orders_count_90d"] == {"a": None}
    assert by_customer(build(opened(transactions=rows(header, early, back_filled)), T, Fitted())) == without


def test_ratios_need_both_families(built: Built) -> None:
    found = built(
        usage_events=rows("customer_id occurred_at feature quantity",
                          ("old", ago(900), "x", 1.0), ("a", ago(40), "x", 30.0)),
        subscriptions=rows("customer_id started_at ended_at monthly_amount seats",
                           ("a", ago(900), None, 20.0, 10.0), ("b", ago(90), ago(9), 20.0, 10.0)),
    )  # fmt: skip
    nobody = {"b": None, "old": None}
    assert found["usage_quantity_per_seat_90d"] == {"a": 3} | nobody
    assert found["usage_quantity_per_amount_90d"] == {"a": 1.5} | nobody
    assert found["usage_quantity_per_amount_30d"] == {"a": 0} | nobody
    assert found["subscription_amount_per_seat"] == {"a": 2} | nobody
    assert found["profile_tenure_days"] == {"a": 900, "b": 90, "old": 900}


def test_complaint_rate(built: Built) -> None:
    header = "customer_id occurred_at is_complaint satisfaction closed_at"
    tickets = rows(
        header, ("old", ago(900), False, None, None), ("a", ago(30), True, 2.0, ago(20)),
        ("a", ago(30), False, 5.0, ago(20)), ("b", ago(30), True, None, None),
    )  # fmt: skip
    by_tickets = built(tickets=tickets)["support_complaint_rate_365d"]
    # a: 1 complaint of 2 tickets, solved to (2 − 1) / 4
    assert by_tickets == {"a": 0.5 * 0.75, "b": 1, "old": None}
    orders = rows(BUYS, LONG_AGO, *(("a", ago(days), 1.0) for days in (1, 2, 3, 4)))
    by_orders = built(tickets=tickets, transactions=orders)["support_complaint_rate_365d"]
    assert by_orders == {"a": 0.25 * 0.75, "b": None, "old": None}


def test_no_feature_of_a_customer_depends_on_another(opened: Opened) -> None:
    a, b = (rows(BUYS, LONG_AGO, (name, ago(days), 7.0), (name, ago(3), 1.0)) for name, days in (("a", 80), ("b", 8)))
    alone, together = (
        by_customer(build(opened(transactions=lines), T, Fitted())) for lines in (a, a + b[1:])
    )  # fmt: skip
    assert {name: values["a"] for name, values in alone.items()} == {
        name: values["a"] for name, values in together.items()
    }


def test_many_cut_offs_are_each_like_one(opened: Opened) -> None:
    lines = rows(BUYS, LONG_AGO, ("a", ago(80), 7.0), ("a", ago(20), 1.0), ("b", ago(10), 1.0), ("b", ago(-10), 1.0))
    tables = opened(transactions=lines)
    many = list(build_many(tables, [T - 30 * DAY, T], Fitted()))
    for as_of, wide in zip([T - 30 * DAY, T], many, strict=True):
        assert wide.equals(build(tables, as_of, Fitted()))
    assert many[0]["customer_id"].to_list() == ["a", "old"]


def test_beginnings_are_first_moments_by_table(opened: Opened) -> None:
    tables = opened(
        transactions=rows(BUYS, ("a", ago(9), 1.0), ("a", ago(8), 1.0)),
        usage_events=[],
        customers=rows("customer_id", ("a",)),
    )
    assert beginnings(tables) == {"transactions": at(9)}


def test_every_family_with_windows_says_which_tables_they_need() -> None:
    assert {name.split("_")[0] for name in TABLE_OF} == FAMILIES.keys() - {"profile"}
    assert set(TABLE_OF.values()) <= TABLES.keys()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_without_its_tables_is_absent(family: str) -> None:
    assert FAMILIES[family]({}, T, Fitted()) is None
