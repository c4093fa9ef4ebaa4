"""What last year's period brought: by hand, and only as it was known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from features.clock import DAY
from tests.literal import T, ago, rows, source
from training.baselines import last_year_spend

ASKED = pl.DataFrame({"customer_id": ["b", "a", "nobody"], "as_of": [T] * 3})
FIRST = ("a", 400, 1.0)

Spend = Callable[..., list[float] | None]


@pytest.fixture
def spend(tmp_path: Path) -> Spend:
    """Last year's period of sales: (customer, days ago, amount[, days ago that it was recorded])."""

    def found(
        *sales: tuple[str, float, float] | tuple[str, float, float, float],
        asked: pl.DataFrame = ASKED,
        horizon: int = 90,
    ) -> list[float] | None:
        told = [(name, ago(days), amount, ago(late[0] if late else days)) for name, days, amount, *late in sales]
        tables = {"transactions": rows("customer_id occurred_at amount recorded_at", *told)}
        spent = last_year_spend(source(tmp_path, "duckdb", tables).tables, asked, "transactions", horizon, "revenue")
        return None if spent is None else spent.tolist()

    return found


def test_the_same_period_a_year_ago_in_the_order_of_the_rows(spend: Spend) -> None:
    assert spend(FIRST, ("a", 366, 2), ("a", 365, 4), ("b", 300, 8), ("a", 275, 16)) == [8.0, 4.0, 0.0]


def test_only_what_was_known_before_the_cutoff(spend: Spend) -> None:
    assert spend(FIRST, ("a", 300, 4, 10), ("a", 300, 32, -10), ("b", 290, 8, 0)) == [0.0, 4.0, 0.0]


@pytest.mark.parametrize("sale", [("a", 364, 1), ("a", 10, 1)])
def test_absent_where_history_does_not_reach(spend: Spend, sale: tuple[str, float, float]) -> None:
    assert spend(sale) is None


def test_absent_where_it_is_at_one_cutoff_or_cannot_be(spend: Spend) -> None:
    earlier = pl.concat([ASKED, ASKED.with_columns(as_of=pl.col("as_of") - 60 * DAY)])
    assert spend(FIRST, asked=earlier) is None
    assert spend(FIRST, horizon=366) is None
    assert last_year_spend({}, ASKED, "labels", 90, "revenue") is None


def test_each_cutoff_has_its_own_year(spend: Spend) -> None:
    two = pl.DataFrame({"customer_id": ["a", "a"], "as_of": [T, T - 30 * DAY]})
    assert spend(FIRST, ("a", 310, 4), ("a", 390, 2), asked=two, horizon=60) == [4.0, 2.0]
    assert spend(FIRST, ("a", 345, 4), ("a", 390, 2), asked=two, horizon=60) == [4.0, 6.0]


def test_subscriptions_that_ran_then(tmp_path: Path) -> None:
    paid = 30.4375  # a day's worth of 1
    tables = {
        "subscriptions": rows(
            "customer_id started_at ended_at monthly_amount",
            ("a", ago(500), None, paid),
            ("b", ago(335), ago(100), paid),
        )
    }
    opened = source(tmp_path, "duckdb", tables).tables
    found = last_year_spend(opened, ASKED, "subscriptions", 90, "revenue")
    assert found == pytest.approx(np.array([60.0, 90.0, 0.0]))
