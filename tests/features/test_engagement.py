"""Contacts between the customer and us, on every engine."""

import pytest

from features.engagement import engagement
from tests.features.conftest import Opened
from tests.literal import T, ago, by_customer, rows

CONTACTS = rows(
    "customer_id occurred_at channel direction topic",
    ("a", ago(100), "call", "outbound", None),
    ("a", ago(40), "mail", "inbound", "enquiry"),
    ("a", ago(10), "call", "inbound", "complaint"),
    ("a", ago(4), None, None, "enquiry"),
    ("b", ago(400), "visit", "inbound", "complaint"),
)


def test_without_interactions_there_is_no_family(seen: Opened) -> None:
    assert engagement(seen(transactions=rows("customer_id occurred_at amount", ("a", ago(1), 1.0))), T) is None


def test_contacts_and_their_rhythm(seen: Opened) -> None:
    found = by_customer(engagement(seen(interactions=CONTACTS), T))
    assert found["engagement_recency_days"] == {"a": 4, "b": 400}
    assert found["engagement_tenure_days"] == {"a": 100, "b": 400}
    a = {name: values["a"] for name, values in found.items()}
    assert [a[f"engagement_interactions_count_{days}d"] for days in (30, 90, 180, 365)] == [2, 3, 4, 4]
    assert a["engagement_interactions_trend_30d"] == pytest.approx(1 / 3)
    assert a["engagement_gap_mean_days"] == 32  # 60, 30, 6
    assert a["engagement_gap_std_days"] == pytest.approx(27.055498516937366)
    assert a["engagement_recency_in_gaps"] == pytest.approx(0.125)


def test_who_wrote_about_what_and_how(seen: Opened) -> None:
    found = by_customer(engagement(seen(interactions=CONTACTS), T))
    assert found["engagement_inbound_share_365d"] == {"a": 0.5, "b": None}
    assert found["engagement_complaints_count_365d"] == {"a": 1, "b": 0}
    assert found["engagement_enquiries_count_365d"] == {"a": 2, "b": 0}
    assert found["engagement_channels_count_365d"] == {"a": 2, "b": None}  # `build` fills the 0


def test_features_need_their_columns(seen: Opened) -> None:
    found = by_customer(engagement(seen(interactions=rows("customer_id occurred_at channel", ("a", ago(1), "x"))), T))
    assert not {"engagement_inbound_share_365d", "engagement_complaints_count_365d"} & found.keys()
    assert found["engagement_channels_count_365d"] == {"a": 1}
