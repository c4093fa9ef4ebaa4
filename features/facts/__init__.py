"""What the documented rules ask of a customer beyond the features: facts as of a date, never learnt from.

Every fact is read from rows known before `as_of` (see `features.point_in_time`); a window counts what is known, however
young its table is. A column is there exactly if the table it comes from is; times are Int64 microseconds UTC.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce

import polars as pl

from features.build import population
from features.facts.answers import nps, satisfaction
from features.facts.contacts import complaints, contacted, interactions, tickets
from features.facts.contract import FACTS, Fact
from features.facts.feedback import feedback
from features.facts.open_tickets import open_tickets
from features.facts.people import people
from features.facts.purchases import fit_premium_price, purchases
from features.facts.subscriptions import subscriptions
from features.facts.use import by_name, use
from features.point_in_time import Frame, Tables, known_before

__all__ = ["FACTS", "Fact", "contacted", "facts", "fit_premium_price", "open_tickets"]


def facts(
    tables: Tables,
    as_of: int,
    *,
    core_features: Sequence[str] = (),
    premium_price: float | None = None,
    patterns: Mapping[str, Sequence[str]] | None = None,
) -> pl.DataFrame:
    """One row per customer known before `as_of` (see `features.build.population`), sorted: customer_id and FACTS.

    `premium_price` is the unit price from which a purchase is premium (see `fit_premium_price`). `patterns` maps a
    reason's key to the words that name it, in any language; case does not matter. Counts of a customer without rows are
    0. A fact whose column its table lacks is null for everyone.
    """
    known = known_before(tables, as_of)
    each = _by_table(known, as_of, core_features, premium_price)
    more = {"complaints": complaints(known, as_of), "feedback": feedback(known, patterns or {})}
    if "customers" in known:
        more["customers"] = people(known["customers"])
    parts = {name: _collected(part) for name, part in {**each, **more}.items() if part is not None}
    everyone = population({name: parts[name] for name in each}, known)
    core = by_name(core_features)
    whole = [_for_everyone(part, everyone, core) for part in parts.values()]
    wide = reduce(lambda left, right: left.join(right, on="customer_id", how="left"), whole, everyone)
    there = {name: fact for name, fact in FACTS.items() if fact.there(tables)}
    unknown = [pl.lit(None, fact.kind).alias(name) for name, fact in there.items() if name not in wide.columns]
    return wide.with_columns(unknown).select("customer_id", *there).sort("customer_id")


def _by_table(
    known: Tables, as_of: int, core_features: Sequence[str], premium_price: float | None
) -> dict[str, Frame | pl.DataFrame]:
    """Table → the facts of those it knows, one row a customer."""
    families: Mapping[str, Callable[[Frame], Frame | pl.DataFrame]] = {
        "transactions": lambda rows: purchases(rows, as_of, premium_price),
        "subscriptions": lambda rows: subscriptions(rows, as_of),
        "usage_events": lambda rows: use(rows, as_of, core_features),
        "interactions": lambda rows: interactions(rows, as_of),
        "tickets": lambda rows: tickets(rows, as_of),
        "nps_responses": lambda rows: nps(rows, as_of),
        "satisfaction_surveys": lambda rows: satisfaction(rows, as_of),
        "cancellations": lambda rows: rows.select("customer_id").unique(),
    }
    return {name: family(known[name]) for name, family in families.items() if name in known}


def _collected(part: Frame | pl.DataFrame) -> pl.DataFrame:
    if isinstance(part, pl.DataFrame):
        return part
    collected: pl.DataFrame = part.collect(backend="polars").to_native()
    return collected


def _for_everyone(part: pl.DataFrame, everyone: pl.DataFrame, core: Sequence[str]) -> pl.DataFrame:
    """`part` in the contract's types, with a row for each of `everyone` who has none."""
    names = [name for name in part.columns if name != "customer_id"]
    others = everyone.join(part, on="customer_id", how="anti").with_columns(_empty(name, core) for name in names)
    return pl.concat([part.with_columns(pl.col(name).cast(FACTS[name].kind) for name in names), others])


def _empty(name: str, core: Sequence[str]) -> pl.Expr:
    """The fact of a customer without rows; of the core features, all lie idle."""
    fact = FACTS[name]
    empty = core if name == "unused_features" else fact.empty
    return pl.lit(list(empty) if isinstance(empty, (tuple, list)) else empty, fact.kind).alias(name)
