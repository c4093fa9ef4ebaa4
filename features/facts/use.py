"""Use of the product: the last of it, and what lies idle."""

from collections.abc import Sequence

import narwhals as nw
import polars as pl

from features.point_in_time import Frame, within
from features.usage import slug

IDLE_DAYS = 90


def use(events: Frame, as_of: int, core_features: Sequence[str]) -> pl.DataFrame:
    """Facts of `usage_events`, one row a customer. As in `features.usage`, names that read alike are one feature."""
    last = events.group_by("customer_id").agg(nw.col("occurred_at").max().alias("usage_last_at"))
    everyone: pl.DataFrame = last.collect(backend="polars").to_native()
    used = _used(events, as_of, core_features)
    return everyone.join(used, on="customer_id", how="left").select(
        "customer_id", "usage_last_at", _unused(by_name(core_features))
    )


def by_name(core_features: Sequence[str]) -> tuple[str, ...]:
    """Core features, each once: of names that read alike the first."""
    names: dict[str, str] = {}
    for name in core_features:
        names.setdefault(slug(name), name)
    return tuple(names.values())


def _used(events: Frame, as_of: int, core_features: Sequence[str]) -> pl.DataFrame:
    """customer_id, used: the names of `by_name` that the customer used lately."""
    known = nw.col("feature").is_in(list(core_features)) & within(as_of, IDLE_DAYS, "occurred_at")
    rows = events.filter(known)
    if "quantity" in rows.collect_schema().names():
        rows = rows.filter(nw.col("quantity").is_null() | (nw.col("quantity") > 0.0))
    pairs: pl.DataFrame = rows.select("customer_id", "feature").unique().collect(backend="polars").to_native()
    first = {slug(name): name for name in by_name(core_features)}
    named = pl.col("feature").replace({name: first[slug(name)] for name in core_features})
    return pairs.group_by("customer_id").agg(used=named)


def _unused(names: Sequence[str]) -> pl.Expr:
    """Those of `names` that are not in the list `used`, in their order."""
    idle = [pl.when(pl.col("used").list.contains(name)).then(None).otherwise(pl.lit(name)) for name in names]
    unused = pl.concat_list(idle).list.drop_nulls() if idle else pl.lit([], pl.List(pl.String))
    return unused.alias("unused_features")
