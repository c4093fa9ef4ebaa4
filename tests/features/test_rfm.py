"""What customers bought and gave back, on every engine."""

import pytest

from features.rfm import edges, orders, rfm
from tests.features.conftest import Opened
from tests.literal import T, ago, at, by_customer, rows

PURCHASES = rows(
    "customer_id occurred_at amount",
    ("regular", ago(110), 10.0),
    ("regular", ago(50), 20.0),
    ("regular", ago(40), 60.0),
    ("regular", ago(10), 30.0),
    ("once", ago(200), 5.0),
    ("returner", ago(20), 100.0),
    ("returner", ago(15), -25.0),
    ("only_returns", ago(15), -25.0),
)


def test_without_transactions_there_is_no_family(seen: Opened) -> None:
    assert rfm(seen(usage_events=rows("customer_id occurred_at feature", ("a", ago(1), "x"))), T) is None


def test_recency_tenure_and_rhythm_are_of_purchases(seen: Opened) -> None:
    found = by_customer(rfm(seen(transactions=PURCHASES), T))
    assert found["rfm_recency_days"] == {"regular": 10, "once": 200, "returner": 20, "only_returns": None}
    assert found["rfm_tenure_days"] == {"regular": 110, "once": 200, "returner": 20, "only_returns": None}
    # gaps of 60, 10 and 30 days
    alone = {"once": None, "returner": None, "only_returns": None}
    assert found["rfm_gap_mean_days"] == pytest.approx({"regular": 100 / 3} | alone)
    assert found["rfm_gap_std_days"] == pytest.approx({"regular": 25.16611478423583} | alone)
    assert found["rfm_recency_in_gaps"] == pytest.approx({"regular": 0.3} | alone)


def test_amounts(seen: Opened) -> None:
    found = by_customer(rfm(seen(transactions=PURCHASES), T))
    assert found["rfm_orders_count"] == {"regular": 4, "once": 1, "returner": 1, "only_returns": 0}
    assert found["rfm_amount_sum"] == {"regular": 120, "once": 5, "returner": 75, "only_returns": -25}
    assert found["rfm_amount_mean"] == {"regular": 30, "once": 5, "returner": 100, "only_returns": None}
    # (10, 20, 60, 30) around 30: 400 + 100 + 900 + 0 = 1400, over 3
    assert found["rfm_amount_std"] == pytest.approx(
        {"regular": (1400 / 3) ** 0.5, "once": None, "returner": None, "only_returns": None}
    )


def test_windows_and_trends(seen: Opened) -> None:
    found = by_customer(rfm(seen(transactions=PURCHASES), T))
    regular = {name: values["regular"] for name, values in found.items()}
    assert [regular[f"rfm_orders_count_{days}d"] for days in (30, 90, 180, 365)] == [1, 3, 4, 4]
    assert [regular[f"rfm_amount_sum_{days}d"] for days in (30, 90, 180, 365)] == [30, 110, 120, 120]
    # 30 days: 1 order against 2, 30 against 80; 90 days: 3 against 1, 110 against 10
    assert regular["rfm_orders_trend_30d"] == pytest.approx(-1 / 3)
    assert regular["rfm_amount_trend_30d"] == pytest.approx(-50 / 110)
    assert regular["rfm_orders_trend_90d"] == pytest.approx(0.5)
    assert regular["rfm_amount_trend_90d"] == pytest.approx(100 / 120)
    assert found["rfm_orders_trend_30d"]["once"] is None
    assert found["rfm_orders_trend_180d"]["once"] == -1


def test_a_window_begins_with_its_first_microsecond_and_ends_before_the_cut_off(seen: Opened) -> None:
    found = by_customer(rfm(seen(transactions=rows(
        "customer_id occurred_at amount",
        ("first", ago(30), 1.0),
        ("too_early", ago(30, microseconds=-1), 1.0),
        ("last", ago(0, microseconds=-1), 1.0),
        ("too_late", ago(0), 1.0),
    )), T))  # fmt: skip
    assert found["rfm_orders_count_30d"] == {"first": 1, "too_early": 0, "last": 1}
    assert found["rfm_orders_trend_30d"] == {"first": 1, "too_early": -1, "last": 1}


def test_the_season_to_come_is_looked_up_a_year_ago(seen: Opened) -> None:
    found = by_customer(rfm(seen(transactions=rows(
        "customer_id occurred_at amount",
        ("before", ago(365, microseconds=-1), 1.0),
        ("first", ago(365), 2.0),
        ("back", ago(365), 2.0),
        ("back", ago(300), -1.0),
        ("last", ago(275, microseconds=-1), 3.0),
        ("after", ago(275), 4.0),
    )), T))  # fmt: skip
    assert found["rfm_amount_year_ago"] == {"before": 0, "first": 2, "back": 1, "last": 3, "after": 0}


def test_returns(seen: Opened) -> None:
    found = by_customer(rfm(seen(transactions=PURCHASES), T))
    assert found["rfm_returns_count_365d"] == {"regular": 0, "once": 0, "returner": 1, "only_returns": 1}
    assert found["rfm_returns_share_365d"] == {"regular": 0, "once": 0, "returner": 0.25, "only_returns": None}
    assert found["rfm_amount_sum_30d"]["returner"] == 75


def test_rows_of_one_order_are_one_purchase(seen: Opened) -> None:
    found = by_customer(rfm(seen(transactions=rows(
        "customer_id occurred_at amount order_id",
        ("a", ago(20), 10.0, "7"),
        ("a", ago(19), 5.0, "7"),
        ("a", ago(10), 4.0, None),  # rows without an order stand alone
        ("a", ago(10), 4.0, None),
        ("b", ago(10), 4.0, "7"),  # another customer's 7 is another order
        ("c", ago(10), 4.0, "8"),
        ("c", ago(5), -10.0, "8"),  # the order as a whole is a return
        ("d", ago(5), 0.0, "9"),  # given away is bought
    )), T))  # fmt: skip
    assert found["rfm_orders_count"] == {"a": 3, "b": 1, "c": 0, "d": 1}
    assert found["rfm_returns_count_365d"] == {"a": 0, "b": 0, "c": 1, "d": 0}
    assert found["rfm_amount_sum"] == {"a": 23, "b": 4, "c": -6, "d": 0}
    assert found["rfm_gap_mean_days"] == {"a": 5, "b": None, "c": None, "d": None}  # 20 → 10 → 10 days ago


def test_an_order_is_what_was_known_of_it(seen: Opened) -> None:
    found = by_customer(rfm(seen(transactions=rows(
        "customer_id occurred_at amount order_id recorded_at",
        ("a", ago(1), 10.0, "7", ago(1)),
        ("a", ago(1), 5.0, "7", ago(0)),
        ("a", ago(-1), -50.0, "7", ago(-1)),
    )), T))  # fmt: skip
    assert found["rfm_amount_sum"] == {"a": 10}


@pytest.mark.parametrize("order", [None, "7"])
def test_a_row_without_an_amount_is_no_purchase(order: str | None, seen: Opened) -> None:
    found = by_customer(rfm(seen(transactions=rows(
        "customer_id occurred_at amount order_id", ("a", ago(20), None, order), ("b", ago(20), 1.0, "8")
    )), T))  # fmt: skip
    assert found["rfm_orders_count"] == {"b": 1}


def test_margin_and_discount_where_given(seen: Opened) -> None:
    found = by_customer(rfm(seen(transactions=rows(
        "customer_id occurred_at amount gross_margin discount",
        ("a", ago(20), 100.0, 30.0, 0.2),
        ("a", ago(10), 100.0, 20.0, None),
        ("a", ago(200), 500.0, 500.0, 0.0),  # in the year, not in the half-year
        ("b", ago(20), 10.0, None, None),
    )), T))  # fmt: skip
    assert found["rfm_margin_rate_180d"]["a"] == 0.25
    assert found["rfm_discount_mean_365d"] == pytest.approx({"a": 0.1, "b": None})


def test_margin_and_discount_are_absent_with_their_columns(seen: Opened) -> None:
    found = by_customer(rfm(seen(transactions=PURCHASES), T))
    assert not {"rfm_margin_rate_180d", "rfm_discount_mean_365d"} & found.keys()


def test_orders_keep_their_first_and_last_moment(seen: Opened) -> None:
    lines = rows("customer_id occurred_at amount order_id", ("a", ago(3), 1.0, "7"), ("a", ago(2), 2.0, "7"))
    found = by_customer(orders(seen(transactions=lines)["transactions"]))
    assert found == {"t": {"a": at(3)}, "until": {"a": at(2)}, "net": {"a": 3}}


def test_edges_are_every_begin_and_end_of_a_window() -> None:
    found = edges([at(0), at(30)])
    back = {0, 30, 60, 90, 180, 275, 360, 365, 730} | {30, 60, 90, 120, 210, 305, 390, 395, 760}
    assert found == sorted(at(days) for days in back)
