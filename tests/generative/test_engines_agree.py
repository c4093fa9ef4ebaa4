"""DuckDB, Polars and pandas give the same features of the same tables."""

import polars as pl
import pytest
from hypothesis import given
from polars.testing import assert_series_equal

from features.build import build
from features.catalog import describe
from features.engines import Engine
from tests.generative.tables import FITTED, Rows, on, some_rows
from tests.literal import T

COUNTS = {"orders", "events", "returns", "answers", "tickets", "complaints", "contacts", "channels", "periods",
          "subscriptions", "cancellations"}  # fmt: skip


def tolerance(name: str) -> tuple[float, float]:
    """Relative and absolute tolerance.

    A spread is a root of a difference of sums of squares. Gaps reach 800 days, so squares add up to some 1e6 and keep
    ten digits after the point; where all gaps are equal the root of that noise is what is left.
    """
    feature = describe(name)
    if feature.unit in COUNTS or feature.base == "usage_active_days":
        return 0.0, 0.0
    if "_std" in feature.base:
        return 1e-9, 1e-3 if feature.unit == "days" else 1.0  # amounts reach a million: squares 1e12, noise 1e-3
    return 1e-9, 1e-9


def assert_same(one: pl.DataFrame, other: pl.DataFrame) -> None:
    assert one.columns == other.columns
    assert one.schema == other.schema
    assert one["customer_id"].to_list() == other["customer_id"].to_list()
    for name in one.columns[1:]:
        relative, absolute = tolerance(name)
        assert_series_equal(one[name], other[name], rel_tol=relative, abs_tol=absolute)


@pytest.mark.parametrize("engine", ["duckdb", "pandas"])
@given(rows=some_rows())
def test_engines_agree(engine: Engine, rows: Rows) -> None:
    assert_same(build(on("polars", rows), T, FITTED), build(on(engine, rows), T, FITTED))
