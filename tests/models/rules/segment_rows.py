"""Rows for the tests of segments: facts of a customer, told in days ago."""

from typing import Any

import polars as pl

from features.clock import DAY
from models.rules.fitted_segments import FittedSegments, fit_segments
from models.rules.pack import load_pack

PACK = load_pack()
AS_OF = 20_000 * DAY

KINDS: dict[str, Any] = {
    "subscribed": pl.Boolean,
    "industry": pl.String,
    "industry_position": pl.String,
    "alerts": pl.List(pl.String),
}


def ago(days: float) -> int:
    return AS_OF - round(days * DAY)


def rows(*customers: dict[str, Any]) -> pl.DataFrame:
    """One row a customer, named 0, 1, …; a column that one of them has is there for all."""
    names = dict.fromkeys(name for customer in customers for name in customer)
    kinds = {name: pl.Int64 if name.endswith("_at") else KINDS.get(name, pl.Float64) for name in names}
    data = {name: [customer.get(name) for customer in customers] for name in names}
    return pl.DataFrame({"customer_id": [str(n) for n in range(len(customers))], **data}, schema_overrides=kinds)


def fitted(**values: Any) -> FittedSegments:
    base = fit_segments(rows({}), PACK, "CNY", AS_OF)
    known: dict[str, Any] = {"value_column": "spend_365d", "sales_column": "spend_365d", "abc_cut": 1e6}
    return base.model_copy(update=known | values)
