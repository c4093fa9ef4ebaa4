"""Use of the product: how often, how regularly, how deep; on every engine."""

import pytest

from features.usage import popular_features, slug, usage
from tests.features.conftest import Opened
from tests.literal import T, ago, at, by_customer, rows

HEADER = "customer_id occurred_at feature quantity"
USE = rows(
    HEADER,
    ("a", ago(100), "report", 4.0),
    ("a", ago(40), "report", 2.0),
    ("a", ago(10), "report", 3.0),
    ("a", ago(9.5), "export", None),  # counts once; the same day as the row above, counted back from T
    ("a", ago(2), "search", 5.0),
    ("b", ago(20), "search", 1.0),
)


def test_without_usage_events_there_is_no_family(seen: Opened) -> None:
    assert usage(seen(transactions=rows("customer_id occurred_at amount", ("a", ago(1), 1.0))), T, ()) is None


def test_events_and_quantity_by_window(seen: Opened) -> None:
    a = {name: values["a"] for name, values in by_customer(usage(seen(usage_events=USE), T, ())).items()}
    assert [a[f"usage_events_count_{days}d"] for days in (30, 90, 180, 365)] == [3, 4, 5, 5]
    assert [a[f"usage_quantity_sum_{days}d"] for days in (30, 90, 180, 365)] == [9, 11, 15, 15]
    assert a["usage_quantity_trend_30d"] == pytest.approx((9 - 2) / (9 + 2))
    assert a["usage_quantity_trend_90d"] == pytest.approx((11 - 4) / (11 + 4))


def test_days_of_use_and_their_rhythm(seen: Opened) -> None:
    found = by_customer(usage(seen(usage_events=USE), T, ()))
    a = {name: values["a"] for name, values in found.items()}
    assert [a[f"usage_active_days_{days}d"] for days in (30, 90, 180, 365)] == [2, 3, 4, 4]
    assert a["usage_active_days_trend_30d"] == pytest.approx((2 - 1) / (2 + 1))
    assert a["usage_recency_days"] == 2
    assert a["usage_tenure_days"] == 100
    # a day stands at its last event: 100, 40, 9.5 and 2 days ago; gaps of 60, 30.5 and 7.5
    assert a["usage_gap_mean_days"] == pytest.approx(98 / 3)
    assert a["usage_gap_std_days"] == pytest.approx(26.31697804333418)
    assert a["usage_recency_in_gaps"] == pytest.approx(2 / (98 / 3))
    assert found["usage_gap_mean_days"]["b"] is None


def test_days_are_counted_back_from_the_cut_off(seen: Opened) -> None:
    found = by_customer(usage(seen(usage_events=rows(
        HEADER, ("a", ago(1), "x", 1.0), ("a", ago(0, microseconds=-1), "x", 1.0), ("a", ago(2), "x", 1.0)
    )), T, ()))  # fmt: skip
    assert found["usage_active_days_30d"] == {"a": 2}


def test_an_event_without_the_column_quantity_counts_once(seen: Opened) -> None:
    events = rows("customer_id occurred_at feature", ("a", ago(3), "x"), ("a", ago(3), "x"))
    assert by_customer(usage(seen(usage_events=events), T, ()))["usage_quantity_sum_30d"] == {"a": 2}


def test_depth_is_the_share_of_core_features_used(seen: Opened) -> None:
    found = by_customer(usage(seen(usage_events=USE), T, ("report", "export", "search", "import")))
    assert found["usage_depth_30d"] == {"a": 0.75, "b": 0.25}
    assert found["usage_report_sum_30d"] == {"a": 3, "b": 0}
    assert found["usage_report_sum_90d"] == {"a": 5, "b": 0}
    assert found["usage_export_sum_30d"] == {"a": 1, "b": 0}
    assert found["usage_import_sum_90d"] == {"a": 0, "b": 0}


def test_popular_features_are_ranked_by_customers_then_by_name(seen: Opened) -> None:
    tables = seen(usage_events=rows(
        HEADER, ("a", ago(1), "often", 9.0), ("a", ago(2), "often", 9.0), ("a", ago(3), "wide", 1.0),
        ("b", ago(3), "wide", 1.0), ("b", ago(3), "also", 1.0), ("c", ago(400), "old", 1.0), ("c", ago(1), None, 1.0),
    ))  # fmt: skip
    assert popular_features(tables, T) == ("wide", "also", "often")
    assert popular_features(tables, T, at_most=1) == ("wide",)
    assert popular_features({}, T) == ()


@pytest.mark.parametrize(("name", "expected"), [
    ("Sales report", "sales_report"), ("A/B-test ", "a_b_test"), ("报表", "报表"), ("Übersicht", "übersicht"),
    ("quantity", "feature_quantity"), ("!!", "feature"),
])  # fmt: skip
def test_slug(name: str, expected: str) -> None:
    assert slug(name) == expected


def test_features_that_read_alike_are_added_up_and_none_hides_the_family(seen: Opened) -> None:
    events = rows(HEADER, ("a", ago(1), "A b", 1.0), ("a", ago(1), "a-b", 2.0), ("a", ago(1), "quantity", 4.0))
    found = by_customer(usage(seen(usage_events=events), T, ("A b", "a-b", "quantity", "unused")))
    assert found["usage_a_b_sum_30d"] == {"a": 3}
    assert found["usage_quantity_sum_30d"] == {"a": 7}
    assert found["usage_feature_quantity_sum_30d"] == {"a": 4}
    assert found["usage_depth_30d"] == pytest.approx({"a": 2 / 3})


def test_the_first_moment_is_kept(seen: Opened) -> None:
    found = by_customer(usage(seen(usage_events=rows(HEADER, ("a", ago(7.75), "x", 1.0))), T, ()))
    assert found["usage_tenure_days"] == found["usage_recency_days"] == {"a": (T - at(7.75)) / 86_400e6}
