"""Changes of segment with date and reason, and the three rhythms of review."""

import datetime as dt
from typing import Any

import polars as pl
import pytest

from models.rules.changes import change_text, reviews_due, segment_changes
from models.rules.segments import segments
from tests.models.rules.segment_rows import AS_OF, PACK, ago, fitted, rows

FIT = fitted()
BUYER = {"order_first_at": ago(400), "order_last_at": ago(100), "spend_365d": 620_000.0}


def at(facts: dict[str, Any], **values: Any) -> pl.DataFrame:
    return segments(rows(facts), FIT.model_copy(update=values), PACK, AS_OF)


def changes(before: pl.DataFrame | None, after: pl.DataFrame) -> dict[str, tuple[str | None, str | None, str]]:
    table = segment_changes(before, after, AS_OF, PACK)
    assert set(table["as_of"]) <= {AS_OF}
    return {scheme: (old, new, reason) for _, scheme, old, new, _, reason in table.iter_rows()}


def test_nothing_changed() -> None:
    assert changes(at(BUYER), at(BUYER)) == {}


def test_a_change_carries_the_numbers_that_caused_it() -> None:
    got = changes(at(BUYER), at(BUYER | {"spend_365d": 430_000.0, "order_last_at": ago(200)}))
    assert got == {
        "value": ("high", "backbone", "yearly_value|620000.0|430000.0"),
        "behaviour": (None, "dormant", "days_since_purchase|100.0|200.0"),
        "lifecycle": ("mature", "at_risk", "days_since_purchase|100.0|200.0"),
        "stage": ("deep_cooperation", None, "days_since_purchase|100.0|200.0"),
    }
    assert change_text("value", *got["value"], PACK) == (
        "customer value: high value (value) → backbone (value) (yearly spend (or profit) went from 620,000 to 430,000)"
    )
    assert change_text("lifecycle", *got["lifecycle"], PACK, "zh") == (
        "生命周期：成熟客户(生命周期) → 流失风险客户(生命周期)（距最近购买天数由100变为200）"
    )
    assert "unknown → dormant" in change_text("behaviour", *got["behaviour"], PACK)


def test_a_moved_cut_point_is_told_as_such() -> None:
    got = changes(at(BUYER), at(BUYER, value_high=700_000.0))
    assert got == {"value": ("high", "backbone", "thresholds")}
    assert change_text("value", *got["value"], PACK).endswith("(the numbers did not change, the cut-points did)")


def test_a_number_that_came_or_went() -> None:
    silent = {"order_first_at": ago(400), "order_last_at": ago(100)}
    got = changes(at(silent), at(BUYER))
    assert got["value"] == (None, "high", "yearly_value||620000.0")
    assert change_text("value", *got["value"], PACK).endswith("(yearly spend (or profit): 620,000)")
    gone = changes(at(BUYER), at(silent))["value"]
    assert change_text("value", *gone, PACK).endswith("was 620,000 and is no longer known)")


def test_a_new_customer_is_first_recorded() -> None:
    for before in (None, at(BUYER).clear()):
        got = changes(before, at(BUYER))
        assert got["value"] == (None, "high", "first_seen")
        assert change_text("value", *got["value"], PACK, "zh").endswith("（首次记录）")


def test_an_older_record_may_lack_columns() -> None:
    old = at(BUYER).select("customer_id", "segment_value", "metric_yearly_value")
    assert changes(old, at(BUYER | {"spend_365d": 1.0}))["value"] == ("high", "low", "yearly_value|620000.0|1.0")


def test_order_of_customers_does_not_matter() -> None:
    before, after = rows(BUYER, BUYER, {}), rows(BUYER | {"spend_365d": 1.0}, {}, BUYER)
    one, two = (segments(frame, FIT, PACK, AS_OF) for frame in (before, after))
    table = segment_changes(one, two, AS_OF, PACK)
    assert segment_changes(one.reverse(), two.reverse(), AS_OF, PACK).equals(table)
    assert table["customer_id"].unique().sort().to_list() == ["0", "1", "2"]


TODAY = dt.date(2026, 6, 30)


# kind, months, document
RHYTHMS = [("customer_status", 3, "D3"), ("dimensions", 6, "D3"), ("strategy_results", 1, "D3")]


def test_rhythms_are_those_of_d3() -> None:
    found = [(kind, r.every_months.value, r.every_months.source) for kind, r in PACK.segments.reviews.items()]
    assert found == RHYTHMS


@pytest.mark.parametrize(
    ("kind", "last", "due"),
    [
        ("customer_status", dt.date(2026, 3, 30), True),
        ("customer_status", dt.date(2026, 3, 31), True),  # June has 30 days
        ("customer_status", dt.date(2026, 4, 1), False),
        ("dimensions", dt.date(2025, 12, 30), True),
        ("dimensions", dt.date(2026, 1, 1), False),
        ("strategy_results", dt.date(2026, 5, 30), True),
        ("strategy_results", dt.date(2026, 6, 1), False),
    ],
)
def test_reviews_just_due_and_not_yet(kind: str, last: dt.date, due: bool) -> None:
    done = {other: TODAY for other, *_ in RHYTHMS} | {kind: last}
    assert [review.kind for review in reviews_due(done, TODAY, PACK)] == [kind] * due


def test_what_was_never_reviewed_is_due_today() -> None:
    got = reviews_due({}, TODAY, PACK, "zh")
    assert [review.due for review in got] == [TODAY] * 3
    assert got[0].label == "更新客户状态"
