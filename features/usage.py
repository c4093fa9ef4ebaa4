"""Use of the product: how often, how regularly, how deep."""

import re
from collections.abc import Sequence

import narwhals as nw

from features.clock import DAY
from features.point_in_time import Frame, Tables, within
from features.windows import RHYTHM, added_up, events, renamed, rhythm, summed, trends, with_gaps

CORE_WINDOWS = (30, 90)
"""Days over which each core feature is counted on its own."""


def usage(tables: Tables, as_of: int, core_features: Sequence[str]) -> Frame | None:
    """Features of the family, one row a customer; None without usage events.

    `core_features` are the parts of the product whose use counts as depth; they are fitted in training.
    """
    if "usage_events" not in tables:
        return None
    rows = _rows(tables["usage_events"])
    totals = summed(rows, as_of, ["n", "quantity"], before=("quantity",)).select(
        "customer_id",
        *renamed("n", "usage_events_count"),
        *renamed("quantity", "usage_quantity_sum"),
        *trends("quantity", "usage_quantity"),
    )
    joined = totals.join(_days(rows, as_of), on="customer_id", how="left")
    return joined.join(_parts(rows, as_of, core_features), on="customer_id", how="left") if core_features else joined


def slug(feature: str) -> str:
    """A feature's name, in any script, as part of a column name; never the name of a column of the family."""
    name = re.sub(r"[\W_]+", "_", feature.lower()).strip("_")
    return name if name not in ("", "quantity") else f"feature_{name}".strip("_")


def popular_features(tables: Tables, as_of: int, at_most: int = 12) -> tuple[str, ...]:
    """The parts of the product that most customers used in the last year, most used first: the core features."""
    if "usage_events" not in tables:
        return ()
    recent = tables["usage_events"].filter(within(as_of, 365, "occurred_at") & ~nw.col("feature").is_null())
    users = recent.select("customer_id", "feature").unique().group_by("feature").agg(nw.len().alias("customers"))
    ranked = users.collect(backend="polars").sort("customers", "feature", descending=[True, False])
    return tuple(ranked["feature"].head(at_most).to_list())


def _rows(frame: Frame) -> Frame:
    """Additive rows; an event without a quantity counts once."""
    quantity = nw.col("quantity").fill_null(1.0) if "quantity" in frame.collect_schema().names() else nw.lit(1.0)
    return events(frame.with_columns(quantity=quantity), "occurred_at", ["quantity", "feature"])


def _days(rows: Frame, as_of: int) -> Frame:
    """Days of use, counted back from the cut-off: how many, and their rhythm."""
    day = (as_of - 1 - nw.col("t")) // DAY
    active = (
        rows.with_columns(day=day)
        .group_by("customer_id", "day")
        .agg(nw.col("t").max(), nw.col("first").min(), nw.col("last").max())
    )
    rows_of_days = with_gaps(active.with_columns(n=nw.col("day").cast(nw.Float64) * 0.0 + 1.0))
    return summed(rows_of_days, as_of, ["n"], total=RHYTHM, before=("n",)).select(
        "customer_id", *rhythm("usage", as_of), *renamed("n", "usage_active_days"), *trends("n", "usage_active_days")
    )


def _parts(rows: Frame, as_of: int, core: Sequence[str]) -> Frame:
    """Quantity of each core feature, and depth: the share of core features used. Names that read alike are one."""
    alike: dict[str, list[str]] = {}
    for part in core:
        alike.setdefault(slug(part), []).append(part)
    columns = {
        f"usage_{name}_sum_{days}d": nw.when(nw.col("feature").is_in(parts) & within(as_of, days))
        .then(nw.col("quantity"))
        .otherwise(0.0)
        for name, parts in alike.items()
        for days in CORE_WINDOWS
    }
    sums = added_up(rows.with_columns(**columns), ["customer_id"], [*columns])
    return sums.with_columns(*(_depth([*alike], days) for days in CORE_WINDOWS))


def _depth(names: Sequence[str], days: int) -> nw.Expr:
    used = [(nw.col(f"usage_{name}_sum_{days}d") > 0.0).cast(nw.Float64) for name in names]
    return (nw.sum_horizontal(*used) / float(len(names))).alias(f"usage_depth_{days}d")
