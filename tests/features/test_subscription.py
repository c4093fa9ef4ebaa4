"""Running subscriptions, on every engine."""

import pytest

from features.subscription import subscription
from tests.features.conftest import Opened
from tests.literal import T, ago, by_customer, rows

HEADER = "customer_id started_at ended_at monthly_amount term_ends_at renews seats discount"
PERIODS = rows(
    HEADER,
    ("grown", ago(800), None, 100.0, ago(-30), True, 10.0, 0.1),
    ("grown", ago(60.875), None, 40.0, ago(-300), False, 2.0, None),
    ("shrunk", ago(400), ago(40), 50.0, ago(40), False, 5.0, 0.0),
    ("shrunk", ago(400), None, 20.0, None, True, 3.0, 0.5),
    ("gone", ago(900), ago(500), 30.0, ago(500), None, 1.0, None),
    ("leaving", ago(30.4375), ago(-10), 10.0, ago(-10), False, None, None),
)


def test_without_either_table_there_is_no_family(seen: Opened) -> None:
    assert subscription(seen(transactions=rows("customer_id occurred_at amount", ("a", ago(1), 1.0))), T) is None


def test_what_runs_and_what_is_paid(seen: Opened) -> None:
    found = by_customer(subscription(seen(subscriptions=PERIODS), T))
    assert found["subscription_tenure_days"] == {"grown": 800, "shrunk": 400, "gone": 900, "leaving": 30.4375}
    assert found["subscription_recency_days"] == {"grown": 60.875, "shrunk": 400, "gone": 900, "leaving": 30.4375}
    assert found["subscription_periods_count"] == {"grown": 2, "shrunk": 2, "gone": 1, "leaving": 1}
    assert found["subscription_running_count"] == {"grown": 2, "shrunk": 1, "gone": 0, "leaving": 1}
    assert found["subscription_amount"] == {"grown": 140, "shrunk": 20, "gone": 0, "leaving": 10}
    assert found["subscription_amount_change_90d"] == {"grown": 40, "shrunk": -50, "gone": 0, "leaving": 10}
    assert found["subscription_ended_count_365d"] == {"grown": 0, "shrunk": 1, "gone": 0, "leaving": 0}
    months = 180 / 30.4375
    assert found["subscription_amount_sum_180d"] == pytest.approx(
        {"grown": 100 * months + 40 * 2, "shrunk": 50 * 140 / 30.4375 + 20 * months, "gone": 0, "leaving": 10}
    )


def test_terms_of_what_runs(seen: Opened) -> None:
    found = by_customer(subscription(seen(subscriptions=PERIODS), T))
    assert found["subscription_seats"] == {"grown": 12, "shrunk": 3, "gone": 0, "leaving": 0}
    assert found["subscription_renews_share"] == {"grown": 0.5, "shrunk": 1, "gone": None, "leaving": 0}
    assert found["subscription_days_to_renewal"] == {"grown": 30, "shrunk": None, "gone": None, "leaving": 10}


def test_the_discount_is_the_mean_of_those_known(seen: Opened) -> None:
    found = by_customer(subscription(seen(subscriptions=PERIODS), T))
    assert found["subscription_discount_mean"] == {"grown": 0.1, "shrunk": 0.5, "gone": None, "leaving": None}


def test_an_end_that_is_not_yet_known_does_not_show(seen: Opened) -> None:
    found = by_customer(subscription(seen(subscriptions=rows(
        "customer_id started_at ended_at monthly_amount",
        ("ends_at_t", ago(10), ago(0), 1.0),
        ("ended", ago(10), ago(0, microseconds=-1), 1.0),
        ("starts_at_t", ago(0), None, 1.0),
    )), T))  # fmt: skip
    assert found["subscription_running_count"] == {"ends_at_t": 1, "ended": 0}


def test_cancellations_alone(seen: Opened) -> None:
    notices = rows("customer_id occurred_at", ("a", ago(20)), ("a", ago(400)), ("b", ago(366)))
    found = by_customer(subscription(seen(cancellations=notices), T))
    assert found == {
        "subscription_cancellation_recency_days": {"a": 20, "b": 366},
        "subscription_cancellations_count_365d": {"a": 1, "b": 0},
    }


def test_cancellations_beside_subscriptions(seen: Opened) -> None:
    notices = rows("customer_id occurred_at", ("gone", ago(510)), ("stranger", ago(5)))
    found = by_customer(subscription(seen(subscriptions=PERIODS, cancellations=notices), T))
    assert found["subscription_cancellation_recency_days"] == {
        "gone": 510, "stranger": 5, "grown": None, "shrunk": None, "leaving": None
    }  # fmt: skip
    assert found["subscription_running_count"]["stranger"] is None  # `build` fills the 0


def test_features_need_their_columns(seen: Opened) -> None:
    plain = rows("customer_id started_at ended_at monthly_amount", ("a", ago(10), None, 5.0))
    found = by_customer(subscription(seen(subscriptions=plain), T))
    assert not {f"subscription_{name}" for name in ("seats", "discount_mean", "renews_share", "days_to_renewal")} & (
        found.keys()
    )
