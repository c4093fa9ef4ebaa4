"""Who was at stake, who left and what they were worth: literal tables, on every engine."""

from collections.abc import Callable
from pathlib import Path

import narwhals as nw
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.at_stake import LabelError, at_stake, definition_of
from features.clock import DAY
from features.engines import Engine
from features.point_in_time import Tables
from features.settings import Churn, Value
from tests.literal import ENGINES, T, ago, at, by_customer, frame, rows, source
from training.labels import churned, labelled_cutoffs, realised_value, value_source_of, window_days

Opened = Callable[..., Tables]

CHURN = Churn(horizon_days=90, active_within_days=365, grace_days=14)

BUYS = "customer_id occurred_at amount"
RUNS = "customer_id started_at ended_at monthly_amount"
USES = "customer_id occurred_at feature"


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    chosen: Engine = request.param
    return chosen


@pytest.fixture
def opened(tmp_path: Path, engine: Engine) -> Opened:
    return lambda **tables: source(tmp_path, engine, tables).tables


# no_purchase


def test_no_purchase(opened: Opened) -> None:
    tables = opened(transactions=rows(
        BUYS,
        ("stays", ago(10), 1.0), ("stays", ago(-1), 1.0),
        ("leaves", ago(10), 1.0),
        ("first_moment", ago(10), 1.0), ("first_moment", ago(0), 1.0),
        ("last_moment", ago(10), 1.0), ("last_moment", ago(-90, microseconds=-1), 1.0),
        ("too_late", ago(10), 1.0), ("too_late", ago(-90), 1.0),
        ("only_returns", ago(10), 1.0), ("only_returns", ago(-1), -1.0),
    ))  # fmt: skip
    assert by_customer(churned(tables, T, "no_purchase", CHURN))["churned"] == {
        "stays": 0, "leaves": 1, "first_moment": 0, "last_moment": 0, "too_late": 1, "only_returns": 1
    }  # fmt: skip


def test_who_can_stop_buying(opened: Opened) -> None:
    tables = opened(transactions=rows(
        "customer_id occurred_at amount order_id recorded_at",
        ("first_day", ago(365), 1.0, None, None),
        ("too_long_ago", ago(365, microseconds=-1), 1.0, None, None),
        ("at_t", ago(0), 1.0, None, None),
        ("before_t", ago(0, microseconds=-1), 1.0, None, None),
        ("returned_only", ago(10), -1.0, None, None),
        ("order_returned", ago(10), 1.0, "7", None), ("order_returned", ago(5), -2.0, "7", None),
        ("recorded_late", ago(10), 1.0, None, ago(0)),
        ("recorded_in_time", ago(10), 1.0, None, ago(0, microseconds=-1)),
    ))  # fmt: skip
    stake = at_stake(tables, T, "no_purchase", CHURN)["customer_id"].to_list()
    assert stake == ["before_t", "first_day", "recorded_in_time"]


def test_a_purchase_recorded_after_the_window_still_counts(opened: Opened) -> None:
    tables = opened(transactions=rows(
        f"{BUYS} recorded_at", ("a", ago(10), 1.0, ago(10)), ("a", ago(-89), 1.0, ago(-200))
    ))  # fmt: skip
    assert by_customer(churned(tables, T, "no_purchase", CHURN))["churned"] == {"a": 0}


# cancelled


def test_cancelled(opened: Opened) -> None:
    end, closes = -90, -104  # days before T at which the horizon and the grace period end
    tables = opened(subscriptions=rows(
        RUNS,
        ("running", ago(10), None, 1.0),
        ("ends_later", ago(10), ago(closes - 1), 1.0),
        ("ends_in_grace", ago(10), ago(end, microseconds=1), 1.0),
        ("ends_with_the_horizon", ago(10), ago(end), 1.0),
        ("ends_inside", ago(10), ago(-5), 1.0),
        ("back_within_grace", ago(10), ago(-5), 1.0), ("back_within_grace", ago(closes), None, 1.0),
        ("back_too_late", ago(10), ago(-5), 1.0), ("back_too_late", ago(closes, microseconds=1), None, 1.0),
        ("came_and_went", ago(10), ago(-5), 1.0), ("came_and_went", ago(-10), ago(-20), 1.0),
    ))  # fmt: skip
    assert by_customer(churned(tables, T, "cancelled", CHURN))["churned"] == {
        "running": 0, "ends_later": 0, "ends_in_grace": 0, "ends_with_the_horizon": 1, "ends_inside": 1,
        "back_within_grace": 0, "back_too_late": 1, "came_and_went": 1,
    }  # fmt: skip


def test_without_grace_only_the_end_of_the_horizon_counts(opened: Opened) -> None:
    tables = opened(subscriptions=rows(
        RUNS, ("a", ago(10), ago(-5), 1.0), ("a", ago(-91), None, 1.0),
        ("b", ago(10), ago(-5), 1.0), ("b", ago(-90), None, 1.0),
    ))  # fmt: skip
    strict = CHURN.model_copy(update={"grace_days": 0})
    assert by_customer(churned(tables, T, "cancelled", strict))["churned"] == {"a": 1, "b": 0}


def test_several_subscriptions_count_as_one_and_losing_some_is_no_churn(opened: Opened) -> None:
    tables = opened(subscriptions=rows(
        RUNS,
        ("contracts", ago(10), ago(-5), 100.0), ("contracts", ago(10), None, 1.0),
        ("loses_all", ago(10), ago(-5), 100.0), ("loses_all", ago(10), ago(-6), 1.0),
    ))  # fmt: skip
    assert by_customer(churned(tables, T, "cancelled", CHURN))["churned"] == {"contracts": 0, "loses_all": 1}


def test_whose_subscription_runs(opened: Opened) -> None:
    tables = opened(subscriptions=rows(
        f"{RUNS} recorded_at",
        ("begins_at_t", ago(0), None, 1.0, None),
        ("begins_later", ago(0, microseconds=1), None, 1.0, None),
        ("ends_at_t", ago(10), ago(0), 1.0, None),
        ("ends_after_t", ago(10), ago(0, microseconds=1), 1.0, None),
        ("ended", ago(10), ago(1), 1.0, None),
        ("recorded_later", ago(10), None, 1.0, ago(-1)),
    ))  # fmt: skip
    stake = at_stake(tables, T, "cancelled", CHURN)["customer_id"].to_list()
    assert stake == ["begins_at_t", "ends_after_t"]


# inactive


def test_inactive(opened: Opened) -> None:
    tables = opened(usage_events=rows(
        f"{USES} recorded_at",
        ("stays", ago(1), "x", None), ("stays", ago(-90, microseconds=-1), "x", ago(-300)),
        ("first_moment", ago(1), "x", None), ("first_moment", ago(0), "x", None),
        ("too_late", ago(1), "x", None), ("too_late", ago(-90), "x", None),
        ("not_at_stake", ago(366), "x", None), ("not_at_stake", ago(-1), "x", None),
        ("recorded_late", ago(1), "x", ago(0)),
    ))  # fmt: skip
    assert by_customer(churned(tables, T, "inactive", CHURN))["churned"] == {
        "stays": 0, "first_moment": 0, "too_late": 1
    }  # fmt: skip


# labelled


def test_labelled(opened: Opened) -> None:
    tables = opened(labels=rows(
        "customer_id as_of churned",
        ("a", ago(0), True), ("b", ago(0), False), ("b", ago(0), False), ("c", ago(30), True), ("b", ago(30), True),
    ))  # fmt: skip
    assert by_customer(churned(tables, T, "labelled", CHURN))["churned"] == {"a": 1, "b": 0}
    assert at_stake(tables, at(30), "labelled", CHURN)["customer_id"].to_list() == ["b", "c"]
    assert labelled_cutoffs(tables) == [at(30), T]


def test_labels_are_sorted_and_of_plain_types(opened: Opened) -> None:
    tables = opened(transactions=rows(BUYS, ("b", ago(10), 1.0), ("a", ago(10), 1.0), (None, ago(10), 1.0)))
    frame = churned(tables, T, "no_purchase", CHURN)
    assert frame.columns == ["customer_id", "churned"]
    assert frame.rows() == [("a", 1.0), ("b", 1.0)]


# Value


def test_revenue_over_the_horizon(opened: Opened) -> None:
    tables = opened(transactions=rows(
        f"{BUYS} gross_margin",
        ("a", ago(0, microseconds=-1), 1000.0, 1.0),
        ("a", ago(0), 10.0, 4.0),
        ("a", ago(-90, microseconds=-1), 20.0, None),
        ("a", ago(-90), 1000.0, 1.0),
        ("a", ago(-5), -5.0, -2.0),
        ("b", ago(-5), None, None),
    ))  # fmt: skip
    assert by_customer(realised_value(tables, T, "transactions", 90, "revenue"))["value"] == {"a": 25, "b": 0}
    # a margin where it is given, else the amount
    assert by_customer(realised_value(tables, T, "transactions", 90, "margin"))["value"] == {"a": 22, "b": 0}


def test_margin_without_its_column_is_revenue(opened: Opened) -> None:
    tables = opened(transactions=rows(BUYS, ("a", ago(-5), 7.0)))
    assert by_customer(realised_value(tables, T, "transactions", 90, "margin"))["value"] == {"a": 7}


def test_subscriptions_pay_for_the_months_they_run(opened: Opened) -> None:
    month = 30.4375
    tables = opened(subscriptions=rows(
        RUNS,
        ("throughout", ago(100), None, 10.0),
        ("ends_later", ago(100), ago(-200), 10.0),
        ("ends", ago(100), ago(-month), 10.0),
        ("begins", ago(-90 + month), None, 10.0),
        ("two", ago(100), ago(-month), 10.0), ("two", ago(-month), ago(-2 * month), 30.0),
        ("over", ago(100), ago(1), 10.0),
        ("later", ago(-91), None, 10.0),
        ("free", ago(100), None, None),
    ))  # fmt: skip
    found = by_customer(realised_value(tables, T, "subscriptions", 90, "revenue"))["value"]
    paid = {"throughout": 10 * 90 / month, "ends_later": 10 * 90 / month, "ends": 10, "begins": 10, "two": 40}
    assert {name: value for name, value in found.items() if value} == pytest.approx(paid)


def test_both_sources_add_up(opened: Opened) -> None:
    tables = opened(
        transactions=rows(BUYS, ("a", ago(-5), 7.0), ("b", ago(-5), 1.0)),
        subscriptions=rows(RUNS, ("a", ago(1), ago(-30.4375), 3.0), ("c", ago(1), ago(-30.4375), 3.0)),
    )
    found = by_customer(realised_value(tables, T, "both", 90, "revenue"))["value"]
    assert found == pytest.approx({"a": 10, "b": 1, "c": 3})


def test_money_to_come_is_worth_less_today(opened: Opened) -> None:
    """1 / (1 + rate)^(days / 365.25) of an amount; a subscription day by day, so against a sum over its hours."""
    tables = opened(
        transactions=rows(BUYS, ("a", ago(0), 100.0), ("a", ago(-73.05), 100.0), ("b", ago(-36.525), -50.0)),
        subscriptions=rows(
            RUNS, ("c", ago(100), None, 10.0), ("d", ago(-30), ago(-60), 10.0), ("e", ago(9), ago(1), 5.0)
        ),
    )
    traded = by_customer(realised_value(tables, T, "transactions", 90, "revenue", 0.25))["value"]
    assert traded == pytest.approx({"a": 100 + 100 / 1.25**0.2, "b": -50 / 1.25**0.1})
    paid = by_customer(realised_value(tables, T, "subscriptions", 90, "revenue", 0.25))["value"]
    daily = {c: sum(10 / 30.4375 / 24 / 1.25 ** ((h + 0.5) / 24 / 365.25) for h in hours)
             for c, hours in (("c", range(90 * 24)), ("d", range(30 * 24, 60 * 24)))}  # fmt: skip
    assert {name: value for name, value in paid.items() if value} == pytest.approx(daily, rel=1e-7)


@pytest.mark.parametrize("rate", [0.0, 1e-15])
def test_without_a_discount_the_numbers_are_the_same_to_the_bit(opened: Opened, rate: float) -> None:
    tables = opened(
        transactions=rows(BUYS, ("a", ago(-5), 7.1), ("b", ago(-80), 0.3)),
        subscriptions=rows(RUNS, ("a", ago(1), ago(-17.3), 3.3), ("c", ago(1), None, 9.99)),
    )
    plain = realised_value(tables, T, "both", 90, "revenue")
    assert plain["value"].to_list() == pytest.approx([7.1 + 3.3 * 17.3 / 30.4375, 0.3, 9.99 * 90 / 30.4375], rel=1e-14)
    found = realised_value(tables, T, "both", 90, "revenue", rate)
    assert found.equals(plain) if rate == 0 else found["value"].to_list() == pytest.approx(plain["value"].to_list())


def test_labels_bring_their_own_value(opened: Opened) -> None:
    tables = opened(labels=rows("customer_id as_of churned value", ("a", ago(0), False, 7.0)))
    assert by_customer(realised_value(tables, T, "labels", 90, "revenue", 0.5))["value"] == {"a": 7}


@given(low=st.floats(0, 1), more=st.floats(1e-3, 1), days=st.lists(st.floats(0, 89.9), min_size=1, max_size=5))
@settings(max_examples=15, deadline=None)
def test_a_higher_rate_never_makes_income_worth_more(low: float, more: float, days: list[float]) -> None:
    """By the rate and for every customer; and no discount over 90 days takes more than (1 + rate)^(90 / 365.25)."""
    buys = frame("transactions", rows(BUYS, *(("a", ago(-day), 10.0) for day in days)))
    runs = frame("subscriptions", rows(RUNS, *(("a", ago(-day), None, 10.0) for day in days)))
    tables = {
        "transactions": nw.from_native(buys.lazy().with_columns(pl.col("occurred_at").dt.epoch("us"))),
        "subscriptions": nw.from_native(runs.lazy().with_columns(pl.col("started_at", "ended_at").dt.epoch("us"))),
    }
    for source_ in ("transactions", "subscriptions"):
        plain, less, least = (
            realised_value(tables, T, source_, 90, "revenue", rate)["value"][0]  # type: ignore[arg-type]
            for rate in (0.0, low, low + more)
        )
        assert least <= less * (1 + 1e-9) <= plain * (1 + 2e-9)
        assert least >= plain / (1 + low + more) ** (90 / 365.25) * (1 - 1e-9)


# What the settings and the tables allow

TABLES: Tables = dict.fromkeys(("transactions", "subscriptions", "usage_events", "labels"))  # type: ignore[arg-type]


def only(*names: str) -> Tables:
    return {name: TABLES[name] for name in names}


def test_the_only_possible_definition_is_taken() -> None:
    assert definition_of(only("subscriptions"), Churn()) == "cancelled"
    assert definition_of(only("usage_events"), Churn()) == "inactive"


def test_one_must_choose_between_definitions() -> None:
    with pytest.raises(
        LabelError, match=r"churn.definition is not set and the tables allow no_purchase, cancelled; set it"
    ):
        definition_of(only("transactions", "subscriptions"), Churn())
    assert definition_of(only("transactions", "subscriptions"), Churn(definition="cancelled")) == "cancelled"


def test_a_definition_needs_its_table() -> None:
    with pytest.raises(LabelError, match=r"'cancelled' needs the table subscriptions, .* are possible: no_purchase"):
        definition_of(only("transactions"), Churn(definition="cancelled"))


def test_one_must_choose_between_sources_of_value() -> None:
    with pytest.raises(LabelError, match="both transactions and subscriptions are there; set"):
        value_source_of(only("transactions", "subscriptions"), Value())
    assert value_source_of(only("transactions", "subscriptions"), Value(source="both")) == "both"
    assert value_source_of(only("subscriptions"), Value()) == "subscriptions"
    assert value_source_of(only("usage_events"), Value()) is None
    with pytest.raises(LabelError, match="'both' needs the table subscriptions, which is not there"):
        value_source_of(only("transactions"), Value(source="both"))


def test_the_window_closes_after_the_grace_period() -> None:
    assert window_days("cancelled", CHURN) == 104
    assert window_days("no_purchase", CHURN) == window_days("inactive", CHURN) == 90
    assert at(-window_days("cancelled", CHURN)) == T + 104 * DAY
