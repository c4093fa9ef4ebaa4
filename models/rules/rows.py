"""Reading a customer's row: features and facts as columns, and what is asked of one that is not there."""

import polars as pl

from features.clock import DAY


def column(rows: pl.DataFrame, name: str, kind: pl.DataType | type[pl.DataType] = pl.Float64) -> pl.Expr:
    """The column `name`, or nulls of `kind` where its table, and so the column, is absent."""
    return pl.col(name).cast(kind) if name in rows.columns else pl.lit(None, kind)


def days_since(rows: pl.DataFrame, name: str, as_of: int) -> pl.Expr:
    """Days (Float64) from the moment in column `name` (Int64 microseconds) to `as_of`; null for never or no table.

    Whole days are exact. A factor, not a divisor: Polars divides one row and many rows differently in the last digit.
    """
    passed = pl.lit(as_of) - column(rows, name, pl.Int64)
    return (passed // DAY).cast(pl.Float64) + (passed % DAY).cast(pl.Float64) * (1 / DAY)
