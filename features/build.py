"""Every feature of every customer as of a date: the one visible composition of the families."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Self

import narwhals as nw
import polars as pl
from polars import selectors

from features.catalog import describe
from features.clock import DAY
from features.engagement import engagement
from features.nps import nps
from features.partials import partials
from features.point_in_time import Frame, Tables, known_before
from features.profile import profile
from features.ratios import across
from features.rfm import rfm
from features.sources import TABLES
from features.subscription import subscription
from features.support import support
from features.usage import usage

NOTHING = 1e-9
"""A number of this size is what is left of a difference that is none."""

DIGITS = 10
"""That a number keeps: more than the models' floats of 32 bits hold, and cents up to a hundred million."""

ASIDE = 1.0 + 1.3 * 10.0 ** -(DIGITS + 1)
"""Halves of the last digit, such as means of two prices, lie on the edge of rounding; this moves them off it."""


@dataclass(frozen=True)
class Fitted:
    """What the features need to know of the population: learnt in training, kept in the bundle, passed in.

    `begins`: table → its first moment (microseconds), by which a window is whole or null; a table that is not in it is
    asked itself, and then whose rows are there would change everyone's windows.
    """

    core_features: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    begins: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def kept(cls, values: Mapping[str, Any]) -> Self:
        """What a bundle's manifest keeps under `fitted`."""
        return cls(tuple(values["core_features"]), tuple(values["static"]), values.get("begins", {}))


Family = Callable[[Tables, int, Fitted], Frame | None]

FAMILIES: Mapping[str, Family] = {
    "rfm": lambda tables, as_of, fitted: rfm(tables, as_of),
    "usage": lambda tables, as_of, fitted: usage(tables, as_of, fitted.core_features),
    "nps": lambda tables, as_of, fitted: nps(tables, as_of),
    "support": lambda tables, as_of, fitted: support(tables, as_of),
    "engagement": lambda tables, as_of, fitted: engagement(tables, as_of),
    "subscription": lambda tables, as_of, fitted: subscription(tables, as_of),
    "profile": lambda tables, as_of, fitted: profile(tables, as_of, fitted.static),
}

TABLE_OF = {
    "rfm": "transactions",
    "usage": "usage_events",
    "nps": "nps_responses",
    "nps_satisfaction": "satisfaction_surveys",
    "support": "tickets",
    "engagement": "interactions",
    "subscription": "subscriptions",
    "subscription_cancellation": "cancellations",
    "subscription_cancellations": "cancellations",
}
"""How the name of a windowed feature begins → the table whose history its window needs; the longest fit counts."""


def build(tables: Tables, as_of: int, fitted: Fitted) -> pl.DataFrame:
    """One row per customer known before `as_of` (microseconds), sorted by customer_id; numbers Float64, text String.

    A window that begins before the first known row of its table is null. A customer without a row in a table that
    exists has 0 for counts and null for what cannot be known.
    """
    known = known_before(tables, as_of)
    families = {name: collected(family(known, as_of, fitted)) for name, family in FAMILIES.items()}
    unknown = {name: frame for name, frame in known.items() if name not in fitted.begins}
    return compose(families, known, as_of, beginnings(unknown) | dict(fitted.begins))


def build_many(tables: Tables, as_ofs: Sequence[int], fitted: Fitted) -> Iterator[pl.DataFrame]:
    """`build` at each of `as_ofs`; transactions are read once for all of them where that gives the same."""
    shared = partials(tables, as_ofs)
    each = shared.rfm(as_ofs) if shared else None
    quick: dict[str, Family] = {"rfm": lambda known, as_of, fitted: next(each)} if each else {}
    begins = _beginnings_of_many(tables, as_ofs)
    for as_of in as_ofs:
        known = known_before(tables, as_of)
        families = {name: collected(family(known, as_of, fitted)) for name, family in {**FAMILIES, **quick}.items()}
        yield compose(families, known, as_of, begins(as_of))


def compose(
    families: Mapping[str, pl.DataFrame | None], known: Tables, as_of: int, begins: Mapping[str, int]
) -> pl.DataFrame:
    """Families (name → frame by customer) side by side, over everyone known before `as_of`.

    `begins` (table → its first known moment) says which windows are whole.
    """
    present = {name: frame for name, frame in families.items() if frame is not None}
    everyone = population(present, known)
    wide = reduce(lambda left, right: left.join(right, on="customer_id", how="left"), present.values(), everyone)
    filled = wide.with_columns(
        pl.col(name).fill_null(0.0) for name in wide.columns if name != "customer_id" and describe(name).zero
    )
    seen = filled.with_columns(_too_early(filled.columns, as_of, begins))
    return across(seen).sort("customer_id")


def population(families: Mapping[str, pl.DataFrame], known: Tables) -> pl.DataFrame:
    """Everyone known: in `customers` with a sign-up date, or seen in any other table.

    A customer without a sign-up date is known by what it did; where no table says what anyone did, by being there.
    """
    active = [frame.select("customer_id") for name, frame in families.items() if name != "profile"]
    signed = [_signed_up(known, undated=not active)] if "customers" in known else []
    return pl.concat([*active, *signed]).unique().sort("customer_id") if active or signed else _nobody()


def beginnings(tables: Tables) -> dict[str, int]:
    """Table → its first moment, in microseconds; tables without rows are left out."""
    found: dict[str, int] = {}
    for name, frame in tables.items():
        happened = TABLES[name].happened_at
        if happened in frame.collect_schema().names():
            first = frame.select(nw.col(happened).min().alias("first")).collect(backend="polars")["first"].item()
            found |= {name: int(first)} if first is not None else {}
    return found


def _beginnings_of_many(tables: Tables, as_ofs: Sequence[int]) -> Callable[[int], dict[str, int]]:
    """`beginnings` as known at each of `as_ofs`: rows that come to be known later can only move them back.

    So a table whose rows are known at once, or on which the earliest and the latest cut-off agree, need not be asked
    again.
    """
    first, last = (min(as_ofs), max(as_ofs)) if as_ofs else (0, 0)
    latest = beginnings(known_before(tables, last))
    late = {name: frame for name, frame in tables.items() if "recorded_at" in frame.collect_schema().names()}
    earliest = {name: begin for name, begin in latest.items() if begin < first and name not in late}
    earliest |= beginnings(known_before(late, first))
    settled = {name: begin for name, begin in earliest.items() if latest[name] == begin}
    open_ones = {name: frame for name, frame in tables.items() if name not in settled}
    return lambda as_of: settled | beginnings(known_before(open_ones, as_of))


def collected(frame: Frame | None) -> pl.DataFrame | None:
    """A family's frame, in memory, with numbers as Float64."""
    if frame is None:
        return None
    native: pl.DataFrame = frame.collect(backend="polars").to_native()
    return native.with_columns(selectors.numeric().cast(pl.Float64))


def steady(rows: pl.DataFrame) -> pl.DataFrame:
    """Numbers at DIGITS significant digits: further ones depend on the order in which an engine happened to add up.

    So does everything about what is smaller than NOTHING, its sign above all: it is 0.
    """
    numbers = selectors.float()
    nothing = (numbers * 0.0).abs()  # null stays null
    rounded = (numbers * ASIDE).round_sig_figs(DIGITS)
    return rows.with_columns(pl.when(numbers.abs() >= NOTHING).then(rounded).otherwise(nothing))


def _signed_up(known: Tables, undated: bool) -> pl.DataFrame:
    customers = known["customers"]
    if "signed_up_at" in customers.collect_schema().names() and not undated:
        customers = customers.filter(~nw.col("signed_up_at").is_null())
    elif not undated:
        return _nobody()
    ids: pl.DataFrame = customers.select("customer_id").unique().collect(backend="polars").to_native()
    return ids


def _nobody() -> pl.DataFrame:
    return pl.DataFrame(schema={"customer_id": pl.String})


def _too_early(names: Sequence[str], as_of: int, begins: Mapping[str, int]) -> list[pl.Expr]:
    """Nulls for windows that begin before the first day of their table."""
    return [
        pl.lit(None, pl.Float64).alias(name)
        for name in names
        if name != "customer_id"
        and (days := describe(name).needs_days)
        and as_of - days * DAY < _first_day(name, begins, as_of)
    ]


def _first_day(name: str, begins: Mapping[str, int], as_of: int) -> int:
    """The day on which the table behind a feature begins, in microseconds; `as_of` while it has no row."""
    start = max((start for start in TABLE_OF if name.startswith(f"{start}_")), key=len)
    return begins.get(TABLE_OF[start], as_of) // DAY * DAY
