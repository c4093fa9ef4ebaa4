"""Policy replay: what a changed rule pack would do to the customers of today. Pure functions over results."""

from dataclasses import dataclass

import polars as pl

from models.rules.fit import fit_composite
from models.rules.fitted import FittedComposite
from models.rules.pack import RulePack
from models.rules.schema.composite import Composite


@dataclass(frozen=True)
class Replay:
    """What changes. A null tier means "not enough known".

    `tiers`: before, after, customers (how many went that way, the unchanged too), the largest first.
    `moved`: customer_id, before, after of those whose tier changes.
    `rules`: rule, before, after (alerts), gained, lost, one row per rule with any.
    `gained`, `lost`: customer_id, rule of each alert that is new or gone.
    """

    customers: int
    tiers: pl.DataFrame
    moved: pl.DataFrame
    rules: pl.DataFrame
    gained: pl.DataFrame
    lost: pl.DataFrame


def replay(
    tiers_before: pl.DataFrame, tiers_after: pl.DataFrame, alerts_before: pl.DataFrame, alerts_after: pl.DataFrame
) -> Replay:
    """Compare two results of the same customers.

    `tiers_…` need customer_id (unique) and tier, `alerts_…` customer_id and rule (the same alert twice counts once);
    other columns are left out. The order of rows does not matter.
    """
    both = _side_by_side(tiers_before, tiers_after)
    old, new = (alerts.select("customer_id", "rule").unique() for alerts in (alerts_before, alerts_after))
    gained, lost = _without(new, old), _without(old, new)
    order = ["customers", "before", "after"]
    return Replay(
        customers=both.height,
        tiers=both.group_by("before", "after").agg(customers=pl.len()).sort(order, descending=[True, False, False]),
        moved=both.filter(pl.col("before").ne_missing(pl.col("after"))),
        rules=_by_rule(before=old, after=new, gained=gained, lost=lost),
        gained=gained,
        lost=lost,
    )


def fit_changed(
    frame: pl.DataFrame, pack: RulePack, before: RulePack, fitted: FittedComposite, currency: str | None
) -> tuple[FittedComposite, tuple[str, ...]]:
    """The fitted values for a changed `pack`, and the indicators that were fitted anew on `frame`.

    What is measured and bounded as in `before` keeps its fitted values, so that a replay shows the change of the
    pack alone, and not what a newer population would have moved as well.
    """
    fresh = fit_composite(frame, pack, currency)
    kept = [name for name in pack.composite.enabled if _same_fit(name, pack.composite, before.composite)]
    known = {name: fitted.indicators[name] for name in kept if name in fitted.indicators}
    absent = {name for name in kept if name in fitted.absent}
    indicators = {
        name: known.get(name) or fresh.indicators[name]
        for name in pack.composite.enabled
        if name in known or (name in fresh.indicators and name not in absent)
    }
    missing = tuple(name for name in pack.composite.enabled if name not in indicators)
    values = FittedComposite(rules_version=pack.rules_version, indicators=indicators, absent=missing)
    return values, tuple(name for name in indicators if name not in known)


def _same_fit(name: str, after: Composite, before: Composite) -> bool:
    """Whether everything that fitting reads of an indicator is the same in both."""
    if name not in before.enabled:
        return False
    read = {"features", "bounds", "possible", "winsorise", "band"}
    ends = [(each.lower_percentile.value, each.upper_percentile.value) for each in (after, before)]
    new, old = (each.indicators[name].model_dump(include=read) for each in (after, before))
    return new == old and ends[0] == ends[1]


def _side_by_side(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """customer_id, before, after; sorted."""
    old = before.select("customer_id", before=pl.col("tier").cast(pl.String))
    new = after.select("customer_id", after=pl.col("tier").cast(pl.String))
    return old.join(new, on="customer_id", how="full", coalesce=True, validate="1:1").sort("customer_id")


def _without(alerts: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    keys = ["customer_id", "rule"]
    return alerts.join(others, on=keys, how="anti").sort(keys)


def _by_rule(**counted: pl.DataFrame) -> pl.DataFrame:
    """rule, then per name of `counted` how many alerts; sorted by rule."""
    kinds = [alerts.select("rule", kind=pl.lit(name)) for name, alerts in counted.items()]
    long = pl.concat(kinds)
    counts = [(pl.col("kind") == name).sum().cast(pl.Int64).alias(name) for name in counted]
    return long.group_by("rule").agg(counts).sort("rule")
