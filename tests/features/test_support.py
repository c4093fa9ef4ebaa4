"""Problems the customer reported, and how well they were solved; on every engine."""

import pytest

from features.support import support
from tests.features.conftest import Opened
from tests.literal import T, ago, by_customer, rows

TICKETS = rows(
    "customer_id occurred_at first_response_minutes closed_at is_complaint satisfaction",
    ("a", ago(200), 30.0, ago(199), True, 2.0),
    ("a", ago(100), 60.0, ago(98), False, 5.0),
    ("a", ago(20), None, ago(19.5), None, None),
    ("a", ago(5), 90.0, None, True, None),  # open
    ("b", ago(400), 10.0, ago(399), True, 1.0),  # over a year ago
    ("c", ago(370), None, None, False, None),  # open for over a year
)


def test_without_tickets_there_is_no_family(seen: Opened) -> None:
    assert support(seen(transactions=rows("customer_id occurred_at amount", ("a", ago(1), 1.0))), T) is None


def test_tickets(seen: Opened) -> None:
    found = by_customer(support(seen(tickets=TICKETS), T))
    assert found["support_recency_days"] == {"a": 5, "b": 400, "c": 370}
    counts = [found[f"support_tickets_count_{days}d"] for days in (30, 90, 180, 365)]
    assert [count["a"] for count in counts] == [2, 2, 3, 4]
    assert [count["b"] for count in counts] == [0, 0, 0, 0]
    assert found["support_tickets_trend_90d"] == pytest.approx({"a": 1 / 3, "b": None, "c": None})
    assert found["support_tickets_open"] == {"a": 1, "b": 0, "c": 1}


def test_how_well_they_were_solved(seen: Opened) -> None:
    found = by_customer(support(seen(tickets=TICKETS), T))
    assert found["support_hours_to_close_mean_365d"] == {"a": 28, "b": None, "c": None}  # 24, 48 and 12
    assert found["support_first_response_mean_365d"] == {"a": 60, "b": None, "c": None}
    assert found["support_satisfaction_mean_365d"] == {"a": 3.5, "b": None, "c": None}
    assert found["support_complaints_count_365d"] == {"a": 2, "b": 0, "c": 0}
    assert found["support_complaint_satisfaction_365d"] == {"a": 2, "b": None, "c": None}


def test_what_was_not_known_yet_is_not_counted(seen: Opened) -> None:
    found = by_customer(support(seen(tickets=rows(
        "customer_id occurred_at first_response_minutes closed_at is_complaint satisfaction",
        ("closed_at_t", ago(2), 2 * 1440.0, ago(0), True, 1.0),  # answered and closed at T: after it was read
        ("closed_before", ago(2), 2 * 1440.0 - 1, ago(0, microseconds=-1), True, 1.0),
    )), T))  # fmt: skip
    assert found["support_tickets_open"] == {"closed_at_t": 1, "closed_before": 0}
    assert found["support_first_response_mean_365d"] == {"closed_at_t": None, "closed_before": 2879}
    assert found["support_satisfaction_mean_365d"] == {"closed_at_t": None, "closed_before": 1}
    assert found["support_complaints_count_365d"] == {"closed_at_t": 1, "closed_before": 1}


def test_features_need_their_columns(seen: Opened) -> None:
    found = by_customer(support(seen(tickets=rows("customer_id occurred_at", ("a", ago(1)))), T))
    counts = {f"support_tickets_count_{days}d" for days in (30, 90, 180, 365)}
    assert found.keys() == {"support_recency_days", "support_tickets_trend_90d"} | counts
